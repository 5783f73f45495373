"""The encoder of spectrograms: what the laws do not see of it."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.encoders.audio import AudioEncoder
from seqkit.parts import Sequence

FEATURES = np.random.default_rng(0).normal(size=(3, 37, 10)).astype("float32")
LENGTHS = np.array([37, 21, 1], "int32")
FRAMES = np.tile(np.stack([np.arange(37), np.arange(1, 38)], 1), (3, 1, 1)).astype("float32")


def encoder(**settings):
    made = AudioEncoder(10, filters=3, units=4, depth=2, **settings)
    made(FEATURES, LENGTHS)
    return made


def masked(lengths=LENGTHS):
    real = np.arange(37) < lengths[:, None]
    return Sequence(tf.constant(FEATURES * real[..., None]), tf.constant(lengths), tf.constant(FRAMES * real[..., None]))


@pytest.mark.parametrize("settings, width", [({}, 8), ({"bidirectional": False, "lookahead": 3}, 4)])
def test_a_quarter_of_the_frames_is_left(settings, width):
    states = encoder(**settings).encode(masked())
    assert states.values.shape == (3, 10, width) and states.lengths.numpy().tolist() == [10, 6, 1]
    assert states.spans[0, :, 0].numpy().tolist() == list(range(0, 37, 4)) and float(states.spans[1, 5, 1]) == 21


def test_forwards_only_a_state_sees_its_frames_and_the_look_ahead_alone():
    made = encoder(bidirectional=False, lookahead=2)
    whole = made.encode(masked()).values.numpy()
    for frame in (0, 9, 20, 36):
        changed = masked()
        values = changed.values.numpy()
        values[0, frame] += 1.0
        other = made.encode(changed._replace(values=tf.constant(values))).values.numpy()
        first = np.flatnonzero(np.abs(other[0] - whole[0]).max(-1) > 1e-7)[0]
        # A convolution reads one step on either side: state s has frames 4 s - 3 to 4 s + 3, and those of two states to come.
        assert first == max(-(-(frame - 3) // 4) - 2, 0)


@pytest.mark.parametrize("lookahead", [0, 3])
@pytest.mark.parametrize("size", [1, 5, 8, 40])
def test_frames_that_come_some_at_a_time_have_the_states_of_the_whole(lookahead, size):
    made, sequence = encoder(bidirectional=False, lookahead=lookahead), masked()
    whole = made.encode(sequence)
    state, states, spans = made.start(3), [[], [], []], [[], [], []]
    for start in [*range(0, 37, size), None]:
        part = slice(start, start + size) if start is not None else slice(0, 0)
        came = np.clip(LENGTHS - start, 0, size).astype("int32") if start is not None else np.zeros(3, "int32")
        new = Sequence(sequence.values[:, part], tf.constant(came), sequence.spans[:, part])
        new, state = made.step(new, state, last=start is None)
        for row in range(3):
            states[row] += list(new.values[row, : int(new.lengths[row])].numpy())
            spans[row] += new.spans[row, : int(new.lengths[row])].numpy().tolist()
    for row, length in enumerate(whole.lengths.numpy()):
        assert len(states[row]) == length
        np.testing.assert_allclose(states[row], whole.values[row, :length], atol=1e-5)
        assert spans[row] == whole.spans[row, :length].numpy().tolist()
