"""The convolutions keep each line's own length and place, whatever stands beside it."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.encoders.image import LineEncoder


@pytest.fixture(scope="module")
def encoder():
    made = LineEncoder((3, 4, 4, 4, 4), units=5, depth=2, dropout=0.5)
    made(tf.zeros((1, 8, 16)), tf.constant([8]))
    for weight in made.weights:
        if "beta" in weight.path:  # or padding would stay zero by itself
            weight.assign(tf.random.stateless_normal(weight.shape, (1, 2)))
    return made


def lines(*widths):
    random = np.random.default_rng(1)
    return [random.random((width, 16)).astype("float32") for width in widths]


def batch(rows, steps):
    features = np.zeros((len(rows), steps, 16), "float32")
    for place, row in enumerate(rows):
        features[place, : len(row)] = row
    return tf.constant(features), tf.constant([len(row) for row in rows])


@pytest.mark.parametrize("steps", [29, 30, 31, 32, 33])
def test_a_line_has_the_states_it_has_alone(encoder, steps):
    rows = lines(1, 2, 3, 4, 5, 11, 14, 29)
    states, lengths = encoder(*batch(rows, steps))
    assert lengths.numpy().tolist() == [1, 1, 1, 1, 2, 3, 4, 8] == [encoder.frames(len(row)) for row in rows]
    for place, row in enumerate(rows):
        alone, (length,) = encoder(tf.constant(row[None]), tf.constant([len(row)]))
        np.testing.assert_allclose(states[place, :length], alone[0], atol=1e-5)
        assert not states[place, length:].numpy().any()


def test_frames_stand_where_their_columns_do(encoder):
    # The convolutions alone: what changes in one column is seen at its frame, and near it.
    empty = batch(lines(64), 64)[0]
    for column in (0, 3, 4, 30, 63):
        changed = empty.numpy().copy()
        changed[0, column] += 1
        images = [encoder.convolved(features, tf.constant([64])) for features in (empty, changed)]
        moved = np.flatnonzero(np.abs(images[0] - images[1]).max(axis=(0, 2)) > 1e-7)
        reach = 5  # 1 + 2 columns of the first two convolutions, then 3 frames
        assert column // 4 - reach <= moved.min() <= column // 4 <= moved.max() <= column // 4 + reach


def test_filters_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"filters must be 5 numbers, one a convolution; received \(4, 4\)"):
        LineEncoder((4, 4), 5, 1)
