"""Loading: what is found, and what is refused by name."""

import functools
import json
import re
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import keras
import pytest
from cases import SENTIMENT, STROKES

import seqkit
from seqkit import presets


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


def test_half_precision_halves_the_weights_and_hardly_moves_the_scores(tmp_path):
    SENTIMENT.pipe.save(tmp_path / "half", half=True)
    half = seqkit.pipeline(tmp_path / "half")
    for one, other in zip(SENTIMENT.pipe(SENTIMENT.inputs), half(SENTIMENT.inputs)):
        assert one.score == pytest.approx(other.score, abs=2e-3)
    assert (half.model.dtype, half.model.head.dense.kernel.dtype) == ("float32", "float32")


@pytest.mark.parametrize("other, advice", [(1, "Train and save it again"), (3, "Upgrade seqkit"), ("2", "Train")])
def test_another_format_is_refused(saved, other, advice):
    change(saved, format=other)
    with pytest.raises(ValueError, match=f"has format {other!r}; this version of seqkit reads format 2. {advice}"):
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


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"{}", b"\xff", b'{"format": 2, "task": "strokes"}', b'{"format": 2, "task": "", "config": 1}'],
)
def test_a_damaged_config_is_refused(saved, content):
    (saved / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"config\.json is damaged"):
        seqkit.pipeline(saved)


def test_damaged_or_other_weights_are_refused(saved, tmp_path):
    whole = (saved / "model.weights.h5").read_bytes()
    for content in (b"", b"no hdf5", whole[: len(whole) // 2]):
        (saved / "model.weights.h5").write_bytes(content)
        with pytest.raises(ValueError, match=r"model\.weights\.h5 is damaged.*(truncated|signature not found)"):
            seqkit.pipeline(saved)
    other = SENTIMENT.build(units=6)
    other.learn(SENTIMENT.examples)
    other.save(tmp_path / "other")
    shutil.copy(tmp_path / "other" / "model.weights.h5", saved)
    with pytest.raises(ValueError, match="does not hold this pipeline's weights"):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("missing", ["model.weights.h5", "assets/sentencepiece.model", "assets/ngrams.npz", "assets"])
def test_missing_parts_are_named(saved, missing):
    path = saved / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ValueError, match=f"saved cannot be loaded: {missing.rstrip('/')}.* is missing"):
        seqkit.pipeline(saved)


@pytest.mark.parametrize("asset", ["sentencepiece.model", "ngrams.npz"])
def test_damaged_assets_are_refused(saved, asset):
    path = saved / "assets" / asset
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(ValueError, match=rf"saved cannot be loaded \(.*The last file read was assets/{asset}"):
        seqkit.pipeline(saved)


def test_other_settings_of_keras_are_not_called_damage(saved, monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(
        ValueError, match=r"cannot be loaded .*Pipelines run on TensorFlow; Keras is set to 'jax'[^.]*\."
    ) as caught:
        seqkit.pipeline(saved)
    assert "assets" not in str(caught.value)


def test_a_directory_without_a_pipeline_says_what_it_lacks(tmp_path):
    with pytest.raises(ValueError, match=f"The directory '{tmp_path}' has no config.json"):
        seqkit.pipeline(tmp_path)


@pytest.mark.parametrize(
    "name, relative",
    [("sentiment-analysis", "./sentiment-analysis"), ("sentiment", "sentiment/"), ("sentiment-en", Path("sentiment-en"))],
)
def test_a_directory_named_like_a_bundled_pipeline_is_said(saved, name, relative, tmp_path, monkeypatch):
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path)
    bundled = seqkit.pipeline(name)  # a folder of that name without a pipeline in it is none
    shutil.copytree(saved, tmp_path / name, dirs_exist_ok=True)
    with pytest.raises(ValueError, match=f"ships with seqkit, and a directory here.*say './{name}'; for the other") as caught:
        seqkit.pipeline(name)
    (other,) = re.findall("for the other, '(.*)'", str(caught.value))
    assert seqkit.pipeline(other).config == bundled.config
    for directory in (relative, tmp_path / name):
        assert seqkit.pipeline(directory).config == SENTIMENT.pipe.config
    assert seqkit.analyze_sentiment("good").scores.keys() == {"negative", "neutral", "positive"}


def test_threads_share_one_pipeline(monkeypatch):
    loaded = []
    monkeypatch.setattr(presets, "_load", lambda directory: loaded.append(time.sleep(0.2)) or STROKES.pipe)
    monkeypatch.setattr(presets, "_kept", functools.cache(presets._kept.__wrapped__))
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(seqkit.analyze_sentiment, STROKES.inputs[:1] * 8))
    assert len(loaded) == 1 and answers == [STROKES.pipe(STROKES.inputs[0])] * 8


@pytest.mark.parametrize("name, value", [("units", "many"), ("units", 0), ("vocabulary", 70_000), ("depth", 1.5)])
def test_impossible_settings_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be a whole number from .*received {value!r}"):
        seqkit.build("sentiment-analysis", **{name: value})


@pytest.mark.parametrize("name", ["sentiment-fr", "../elsewhere", "", "translation"])
def test_an_unknown_name_lists_the_known_ones(name):
    tasks = ", ".join(sorted(presets.DEFAULTS))
    with pytest.raises(ValueError, match=rf"Expected a task \({tasks}\), a bundled name"):
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
