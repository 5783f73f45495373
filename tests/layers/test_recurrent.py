"""The recurrent layers answer and learn as Keras's do, by every path, and respect lengths."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit import layers

CASES = {
    "simple": ("SimpleRNN", {}),
    "lstm": ("LSTM", {}),
    "lstm relu, no bias": ("LSTM", {"activation": "relu", "use_bias": False}),
    "gru": ("GRU", {}),
    "gru reset before": ("GRU", {"reset_after": False}),
    "gru no bias": ("GRU", {"use_bias": False}),
}
LENGTHS = np.array([6, 3, 0, 5], "int32")
X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")


def pair(case, **options):
    """A Keras layer and ours, with the same weights."""
    name, arguments = CASES[case]
    theirs = getattr(keras.layers, name)(5, **arguments, **options)
    ours = getattr(layers, name)(5, **arguments, **options)
    rng = np.random.default_rng(1)
    for layer in (theirs, ours):
        layer.build((None, None, 3))
    theirs.set_weights([rng.normal(size=w.shape) * 0.4 for w in theirs.get_weights()])
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def run(layer, x=X, **call):
    """Everything a layer answers, then the gradients of a curved function of it all."""
    with tf.GradientTape() as tape:
        x = tf.constant(x)
        tape.watch(x)
        outputs = layer(x, **call)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        loss = sum(tf.reduce_sum(o * tf.sin(3 * o + i)) for i, o in enumerate(outputs))
    return outputs + tape.gradient(loss, [x] + [v.value for v in layer.trainable_variables])


def same(a, b, within=2e-5):
    assert len(a) == len(b)
    for one, other in zip(a, b):
        np.testing.assert_allclose(one, other, atol=within, rtol=within)


@pytest.mark.parametrize("path", ["fused", "graph"])
@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize("case", CASES)
def test_answers_and_gradients_are_keras(case, backwards, path):
    theirs, ours = pair(case, return_sequences=True, return_state=True, go_backwards=backwards)
    with layers.only(path):
        same(run(theirs), run(ours))
        assert ours.path == path
        holes = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0], [0] * 6, [1] * 6], bool)
        same(run(theirs, mask=tf.constant(holes)), run(ours, mask=tf.constant(holes)))
        right = np.arange(6) < LENGTHS[:, None]
        same(run(theirs, mask=tf.constant(right)), run(ours, lengths=LENGTHS))
