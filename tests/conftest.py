"""Settings that must stand before TensorFlow is loaded, and the case that the laws run over."""

import os

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import pytest
from cases import CASES


@pytest.fixture(params=CASES, ids=lambda case: case.name)
def case(request):
    return request.param


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """Each case's export, made once: a function of the case."""
    made = {}

    def export(case):
        if case.name not in made:
            made[case.name] = case.pipe.export(tmp_path_factory.mktemp("export") / case.name / "1")
        return made[case.name]

    return export
