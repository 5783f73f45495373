"""Loading: what is found, and what is refused by name."""

import json
import shutil

import pytest
from cases import SENTIMENT

import seqkit


@pytest.fixture
def saved(tmp_path):
    SENTIMENT.pipe.save(tmp_path / "saved", card="# Trained on nothing")
    return tmp_path / "saved"


def change(directory, **keys):
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **keys}))


def test_a_saved_pipeline_is_four_things(saved):
    found = sorted(path.relative_to(saved).as_posix() for path in saved.rglob("*") if path.is_file())
    assets = ["assets/ngrams.npz", "assets/sentencepiece.model"]
    assert found == ["CARD.md", *assets, "config.json", "model.weights.h5"]
    assert (saved / "CARD.md").read_text() == "# Trained on nothing"


def test_saving_again_replaces_a_pipeline_and_nothing_else(saved, tmp_path):
    (saved / "CARD.md").write_text("old")
    SENTIMENT.pipe.save(saved)
    assert (saved / "CARD.md").read_text() == ""
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FileExistsError, match="not a pipeline"):
        SENTIMENT.pipe.save(tmp_path / "mine")
    assert (tmp_path / "mine" / "thesis.txt").read_text() == "years of work"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "saved"]


def test_half_precision_halves_the_weights_and_hardly_moves_the_scores(tmp_path):
    SENTIMENT.pipe.save(tmp_path / "half", half=True)
    half = seqkit.pipeline(tmp_path / "half")
    for one, other in zip(SENTIMENT.pipe(SENTIMENT.inputs), half(SENTIMENT.inputs)):
        assert one.score == pytest.approx(other.score, abs=2e-3)
    assert (half.model.dtype, half.model.head.dense.kernel.dtype) == ("float32", "float32")


@pytest.mark.parametrize("other", [1, 3])
def test_another_format_is_refused(saved, other):
    change(saved, format=other)
    with pytest.raises(ValueError, match=f"has format {other}; this version of seqkit reads format 2"):
        seqkit.pipeline(saved)


def test_unknown_keys_are_refused(saved):
    change(saved, plugin="evil.py")
    with pytest.raises(ValueError, match=r"unknown keys \['plugin'\]"):
        seqkit.pipeline(saved)


def test_an_unknown_setting_is_refused(saved):
    config = json.loads((saved / "config.json").read_text())["config"]
    change(saved, config={**config, "units_": 3})
    with pytest.raises(ValueError, match="no setting 'units_'"):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"format": 2, "task": "sentiment-analysis"}'])
def test_a_damaged_config_is_refused(saved, content):
    (saved / "config.json").write_text(content)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        seqkit.pipeline(saved)


def test_damaged_or_other_weights_are_refused(saved, tmp_path):
    whole = (saved / "model.weights.h5").read_bytes()
    for content in (b"", b"no hdf5", whole[: len(whole) // 2]):
        (saved / "model.weights.h5").write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.weights\.h5 does not hold this pipeline's weights"):
            seqkit.pipeline(saved)
    other = SENTIMENT.build(units=6)
    other.learn(SENTIMENT.examples)
    other.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.weights.h5", saved)
    with pytest.raises(ValueError, match="does not hold this pipeline's weights"):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("missing", ["model.weights.h5", "assets/sentencepiece.model", "assets"])
def test_missing_parts_are_named(saved, missing):
    path = saved / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ValueError, match=missing.split("/")[-1].split(".")[0]):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("asset", ["sentencepiece.model", "ngrams.npz"])
def test_damaged_assets_are_refused(saved, asset):
    path = saved / "assets" / asset
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match="assets does not hold what sentiment-analysis needs"):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("name, value", [("units", "many"), ("units", 0), ("vocabulary", 70_000), ("depth", 1.5)])
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from .*received {value!r}"):
        seqkit.build("sentiment-analysis", **{name: value})


@pytest.mark.parametrize("name", ["sentiment-fr", "../elsewhere", ""])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(
        ValueError, match="Expected a task .handwriting-recognition, sentiment-analysis, stroke-recognition., a bundled name"
    ):
        seqkit.pipeline(name)


def test_an_unknown_task_or_setting_is_refused():
    with pytest.raises(ValueError, match=r"Unknown task 'poetry'; expected one of .*'sentiment-analysis', "):
        seqkit.build("poetry")
    with pytest.raises(ValueError, match="no setting 'unit'; expected some of"):
        seqkit.build("sentiment-analysis", unit=3)


def test_importing_seqkit_does_not_load_tensorflow():
    import subprocess
    import sys

    code = "import sys, seqkit; assert not {'tensorflow', 'keras', 'numpy'} & set(sys.modules); seqkit.pipeline"
    subprocess.run([sys.executable, "-c", code], check=True, stderr=subprocess.DEVNULL)


def test_every_public_name_is_there():
    for name in seqkit.__all__:
        assert getattr(seqkit, name).__doc__
    assert "pipeline" in dir(seqkit)
    assert callable(seqkit.pipeline)
    with pytest.raises(AttributeError, match="no attribute 'pipelin'"):
        seqkit.pipelin  # noqa: B018
