"""Settings that must stand before TensorFlow is loaded, and the case that the laws run over."""

import os
import shutil
import subprocess
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
from cases import CASES


@pytest.fixture(params=CASES, ids=lambda case: case.id)
def case(request):
    return request.param


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Each case's export, made once: a function of the case."""
    made = {}

    def export(case):
        if case.id not in made:
            made[case.id] = case.pipe.export(tmp_path_factory.mktemp("export") / case.id / "1")
        return made[case.id]

    return export


@pytest.fixture(scope="session")
def compiled(tmp_path_factory):
    """Programs without Python that serve exports: a function of the name of a source file in `tests/serving`."""
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    import tensorflow as tf

    home = Path(tf.__file__).parent
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    flags = [*tf.sysconfig.get_compile_flags(), "-w", f"-L{home}", f"-Wl,-rpath,{home}"]

    def build(name):
        source, program = Path(__file__).parent / "serving" / name, tmp_path_factory.mktemp("program") / "program"
        subprocess.run(["g++", str(source), "-o", str(program), *flags, *libraries], check=True)
        return program

    return build
