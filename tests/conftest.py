"""Settings that must stand before TensorFlow is loaded, and the case that the laws run over."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
from cases import CASES

import seqkit


@pytest.fixture(params=CASES, ids=lambda case: case.id)
def case(request):
    return request.param


@pytest.fixture
def copied(tmp_path_factory):
    """A trained pipeline that a test may change, or trace anew: a function of the case, whose own is saved and loaded."""

    def copy(case):
        directory = tmp_path_factory.mktemp("copied")
        case.pipe.save(directory)
        return seqkit.pipeline(directory)

    return copy


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Each case's export, made once: a function of the case.

    All processes of pytest-xdist share it, for each has trained the case to the same weights (law 6).
    """
    place = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        place = place.parent

    def export(case):
        directory = place / "exports" / case.id / "1"
        directory.parent.mkdir(parents=True, exist_ok=True)
        with (directory.parent / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return directory if directory.exists() else case.pipe.export(directory)

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
