"""Two pipelines as one: the answer, the times of its words, and the export."""

import json
import subprocess
import sys

import numpy as np
import pytest
from cases import SENTIMENT, SPEECH, TRANSLATION

import seqkit


@pytest.fixture(scope="module")
def both():
    return seqkit.chain(SPEECH.pipe, TRANSLATION.pipe)


def test_it_translates_what_was_heard(both):
    answers = both(SPEECH.inputs)
    for answer, heard in zip(answers, SPEECH.pipe(SPEECH.inputs)):
        assert answer.heard == heard and answer.text == TRANSLATION.pipe(heard.text).text
        assert both(SPEECH.inputs[0]).text == answers[0].text
        times = [(word.start, word.end) for word in heard.words]
        assert [(token.start, token.end) for token in answer.alignment.source] == times
        assert all((word.start, word.end) in times for word in answer.words)
        json.dumps(answer.as_json())


def test_both_are_one_saved_model(both, tmp_path):
    # Once more in a process without seqkit, against the call.
    both.export(tmp_path / "1")
    np.save(tmp_path / "x.npy", SPEECH.inputs[0])
    program = """
import sys, numpy, tensorflow as tf, tensorflow_text
serve = tf.saved_model.load(sys.argv[1]).signatures["waveform"]
x = numpy.load(sys.argv[2])
names = serve.structured_input_signature[1]
answer = serve(**{name: tf.constant(x[None] if name == "waveform" else [len(x)], form.dtype) for name, form in names.items()})
print(answer["text"].numpy()[0].decode(), answer["heard_text"].numpy()[0].decode(), sep="|")
assert "seqkit" not in sys.modules
"""
    command = [sys.executable, "-I", "-W", "ignore", "-c", program, tmp_path / "1", tmp_path / "x.npy"]
    out = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    answer = both(SPEECH.inputs[0])
    assert out.splitlines()[-1] == f"{answer.text}|{answer.heard.text}"


def test_what_does_not_fit_together_is_refused():
    for first, second in ((SENTIMENT.pipe, TRANSLATION.pipe), (SPEECH.pipe, SENTIMENT.pipe)):
        with pytest.raises(TypeError, match="one that translates it; received"):
            seqkit.chain(first, second)
