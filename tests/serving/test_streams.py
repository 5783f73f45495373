"""Exports that stream: a client without Python keeps the state, the server nothing, and the answers are the pipeline's."""

import subprocess

import numpy as np
import pytest
import tensorflow as tf
from cases import CASES, LIVE, ONE_WAY


@pytest.fixture(scope="module")
def client(compiled):
    return compiled("stream.cc")


def test_signatures_that_stream_are_there_where_the_parts_look_only_backwards(exported):
    streaming = {"stream_start", "stream_step", "stream_finish"}
    for case in CASES:
        signatures = set(tf.saved_model.load(str(exported(case))).signatures)
        assert streaming & signatures == (streaming if case in (ONE_WAY, LIVE) else set())
        assert case.pipe.streams == (case in (ONE_WAY, LIVE))


def test_the_state_has_names_and_a_row_a_stream(exported):
    signatures = tf.saved_model.load(str(exported(ONE_WAY))).signatures
    state = signatures["stream_start"](count=tf.constant(3))
    assert {"frontend_points", "encoder_0_output0", "head_1_weight"} < set(state)
    assert all(value.shape[0] == 3 for value in state.values())
    step, finish = (signatures[name].structured_input_signature[1] for name in ("stream_step", "stream_finish"))
    assert set(finish) == set(state) == set(step) - {"points", "lengths"}
    assert set(signatures["stream_step"].structured_outputs) == {"label", "score", "scores", *state}


def served(client, case, directory, rows, size):
    """What a client without Python is answered after each part, and at the finish: `(score, answer)`."""
    asked = "\n".join(" ".join(map(repr, np.ravel(row).tolist())) for row in rows.astype(float))
    name, answer = ("points", "label") if case is ONE_WAY else ("waveform", "text")
    command = [client, directory, str(size), name, str(np.ravel(rows[0]).size), answer]
    lines = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    return [(float(score), said) for score, _, said in (line.partition(" ") for line in lines)]


@pytest.mark.parametrize(
    ("case", "size"), [(ONE_WAY, 1), (ONE_WAY, 100), (LIVE, 160), (LIVE, 3001)], ids=lambda v: getattr(v, "id", v)
)
def test_a_cpp_client_streams_the_same_answers(case, size, client, exported):
    rows = case.inputs[1]
    if case is ONE_WAY:
        rows = case.pipe.frontend.batch([case.pipe.frontend.read(rows, "Item")])["points"][0]
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    answers = list(case.pipe.stream(parts))
    found = served(client, case, exported(case), rows, size)
    # Parts of a text are joined by whoever asks, who takes off the space around the whole.
    assert [said.strip() for _, said in found] == [case.answered(answer) for answer in answers]
    np.testing.assert_allclose([score for score, _ in found], [answer.score for answer in answers], atol=1e-5)


def test_a_chunk_costs_the_same_however_much_came_before():
    # Counted, not timed: what a step is given has the size of the chunk and of the state, neither of which grows.
    pipe, sizes = ONE_WAY.pipe, []
    random = np.random.default_rng(0)
    state = pipe._streaming.start(1)
    at = np.zeros(2)
    for _ in range(50):
        points = at + np.cumsum(random.normal(size=(20, 2)), axis=0)
        at = points[-1]
        batch = pipe.frontend.batch([pipe.frontend.part(points, "Chunk")])
        _, state = pipe._run(pipe._step, batch, state)
        sizes.append(sum(value.nbytes for value in state.values()))
    assert len(set(sizes)) == 1 and int(state["frontend_points"][0]) == 1000


def test_an_hour_of_speech_leaves_a_state_no_larger_than_ten_seconds_do():
    # Counted, not timed. Noise, of which a beam is never sure.
    pipe, sizes = LIVE.pipe, []
    random = np.random.default_rng(0)
    state = pipe._streaming.start(1)
    for _ in range(60):
        batch = pipe.frontend.gather([random.normal(0, 0.1, 16000).astype(np.float32)])
        _, state = pipe._run(pipe._step, batch, state)
        sizes.append(sum(value.nbytes for value in state.values()))
    assert max(sizes[20:]) <= 1.1 * max(sizes[:20]) and int(state["frontend_samples"][0]) == 960000
