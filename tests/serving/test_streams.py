"""Exports that stream: a client without Python keeps the state, the server nothing, and the answers are the pipeline's."""

import subprocess

import numpy as np
import pytest
import tensorflow as tf
from cases import CASES, ONE_WAY


@pytest.fixture(scope="module")
def client(compiled):
    return compiled("stream.cc")


def test_signatures_that_stream_are_there_where_the_parts_look_only_backwards(exported):
    streaming = {"stream_start", "stream_step", "stream_finish"}
    for case in CASES:
        signatures = set(tf.saved_model.load(str(exported(case))).signatures)
        assert streaming & signatures == (streaming if case is ONE_WAY else set())
        assert case.pipe.streams == (case is ONE_WAY)


def test_the_state_has_names_and_a_row_a_stream(exported):
    signatures = tf.saved_model.load(str(exported(ONE_WAY))).signatures
    state = signatures["stream_start"](count=tf.constant(3))
    assert {"frontend_points", "encoder_0_output0", "head_1_weight"} < set(state)
    assert all(value.shape[0] == 3 for value in state.values())
    step, finish = (signatures[name].structured_input_signature[1] for name in ("stream_step", "stream_finish"))
    assert set(finish) == set(state) == set(step) - {"points", "lengths"}
    assert set(signatures["stream_step"].structured_outputs) == {"label", "score", "scores", *state}


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_cpp_client_streams_the_same_answers(size, client, exported):
    rows = ONE_WAY.pipe.frontend.batch([ONE_WAY.pipe.frontend.read(ONE_WAY.inputs[1], "Item")])["points"][0]
    asked = "\n".join(" ".join(map(repr, row)) for row in rows.astype(float).tolist())
    command = [client, exported(ONE_WAY), str(size)]
    served = subprocess.run(command, input=asked, capture_output=True, text=True, check=True).stdout.splitlines()
    parts = [rows[start : start + size] for start in range(0, len(rows), size)]
    answers = list(ONE_WAY.pipe.stream(parts))
    answers.append(answers[-1])  # the finish
    assert [line.partition(" ")[2] for line in served] == [answer.label for answer in answers]
    np.testing.assert_allclose([float(line.partition(" ")[0]) for line in served], [a.score for a in answers], atol=1e-5)


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
