"""The weights that ship: recorded answers, size, card. `scripts/package` runs this file on an installed wheel too."""

import functools
import json
import re
from pathlib import Path

import numpy as np
import pytest

import seqkit

RECORDED = json.loads(Path(__file__).with_name("recorded.json").read_text(encoding="utf-8"))
LARGEST = {  # bytes
    "digits-strokes": 1_000_000,
    "handwriting-fr": 8_000_000,
    "sentiment-en": 6_000_000,
    "speech-en": 10_000_000,
}
LINE, SPOKEN = (Path(__file__).with_name(name) for name in ("line.jpg", "spoken.flac"))


@functools.cache
def bundled(name):
    """A bundled pipeline, loaded once."""
    return seqkit.pipeline(name)


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_bundled_weights_answer_as_recorded(name):
    pipe = bundled(name)
    (given,), told = pipe.task.inputs, pipe.task.target
    inputs = [LINE.parent / row[given] if given in ("image", "audio") else row[given] for row in RECORDED[name]]
    for answer, recorded in zip(pipe(inputs), RECORDED[name], strict=True):
        assert getattr(answer, told) == recorded[told], recorded[given]
        np.testing.assert_allclose(answer.score, recorded["score"], atol=1e-4)


def test_a_bundled_pipeline_is_exported(tmp_path):
    # Compared with the call on the way. The notebooks export the others, and `scripts/package` all of them.
    assert (bundled("digits-strokes").export(tmp_path / "1") / "saved_model.pb").is_file()


def test_every_bundled_pipeline_is_recorded_and_has_a_size_and_a_card():
    assert sorted(seqkit.models()) == sorted(RECORDED) == sorted(LARGEST)
    for name, directory in seqkit.models().items():
        assert sum(path.stat().st_size for path in directory.rglob("*") if path.is_file()) <= LARGEST[name]
        card = (directory / "CARD.md").read_text(encoding="utf-8")
        for part in ("Data", "Licence", "Command", "Commit", "Seed", "Minutes", "Machine", "Scores"):
            assert re.search(rf"\b{part}\b", card), f"{name}: CARD.md does not say {part}"


def test_the_function_of_a_task_answers_by_its_default():
    text = RECORDED["sentiment-en"][0]["text"]
    assert seqkit.analyze_sentiment(text) == bundled("sentiment-en")(text)
    assert len(seqkit.analyze_sentiment([text, text])) == 2
    assert seqkit.read_handwriting(LINE) == bundled("handwriting-fr")(LINE)
    assert seqkit.transcribe(SPOKEN) == bundled("speech-en")(SPOKEN)
