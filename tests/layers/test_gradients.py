"""Derivatives beyond the first gradient of a simple tape, on the path taken by default, are those of Keras's layers."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit import layers

from .test_recurrent import LENGTHS, TRUE, X, build, pair, same


def both(kind, **options):
    """A Keras layer and ours, with the same weights."""
    if kind == "Bidirectional":
        return [build(m.Bidirectional(m.LSTM(5, **options))) for m in (keras.layers, layers)]
    return [build(getattr(m, kind)(5, **options)) for m in (keras.layers, layers)]


def weights(layer):
    return [v.value for v in layer.trainable_variables]


def two_gradients(layer, x, **call):
    """Two losses from one persistent tape, as actor-critic and adversarial training take them."""
    with tf.GradientTape(persistent=True) as tape:
        y = layer(x, **call)
        first, second = tf.reduce_mean(y**2), tf.reduce_sum(tf.sin(y))
    return tape.gradient(first, weights(layer)) + tape.gradient(second, weights(layer))


def penalty(layer, x, **call):
    """The gradient of a gradient's norm (Gulrajani et al. 2017)."""
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.reduce_sum(layer(x, **call) ** 2)
        gradient = inner.gradient(y, x)
        loss = tf.reduce_mean((tf.norm(tf.reshape(gradient, [4, -1]), axis=1) - 1) ** 2)
    return [gradient, *outer.gradient(loss, weights(layer))]


def third(layer, x, **call):
    with tf.GradientTape() as outer:
        outer.watch(x)
        with tf.GradientTape() as middle:
            middle.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(layer(x, **call) ** 2)
            gradient = tf.reduce_sum(inner.gradient(y, x) ** 2)
        gradient = tf.reduce_sum(middle.gradient(gradient, x) ** 2)
    return [outer.gradient(gradient, x)]


def jacobian(pfor):
    def derivative(layer, x, **call):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            y = layer(x, **call)
        by_row = tape.batch_jacobian(y, x, experimental_use_pfor=pfor)
        return [by_row, *tape.jacobian(y, weights(layer), experimental_use_pfor=pfor)]

    return derivative


def forward_mode(layer, x, **call):
    with tf.autodiff.ForwardAccumulator(x, tf.cos(x)) as accumulator:
        y = layer(x, **call)
    return [accumulator.jvp(y)]


def forward_over_backward(layer, x, **call):
    """A Hessian times a vector."""
    with tf.autodiff.ForwardAccumulator(x, tf.cos(x)) as accumulator:
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.reduce_sum(layer(x, **call) ** 2)
        gradient = tape.gradient(y, x)
    return [accumulator.jvp(gradient)]


DERIVATIVES = {
    "two gradients": two_gradients,
    "penalty": penalty,
    "jacobian by pfor": jacobian(True),
    "jacobian by a loop": jacobian(False),
    "forward mode": forward_mode,
    "forward over backward": forward_over_backward,
}


KINDS = {  # the first backward loop is written by hand for each kind; what lies beyond it is the same code for all
    "two gradients": ["SimpleRNN", "LSTM", "GRU", "Bidirectional"],
    "penalty": ["LSTM", "GRU", "Bidirectional"],
    "jacobian by pfor": ["LSTM"],
    "jacobian by a loop": ["GRU"],
    "forward mode": ["SimpleRNN", "Bidirectional"],
    "forward over backward": ["LSTM", "GRU"],
}


@pytest.mark.parametrize("name, kind", [(name, kind) for name in DERIVATIVES for kind in KINDS[name]])
def test_every_derivative_is_keras(name, kind):
    theirs, ours = both(kind)
    x, derivative = tf.constant(X), DERIVATIVES[name]
    with layers.taken() as paths:
        same(derivative(theirs, x), derivative(ours, x))
    assert set(paths) == {"fused"}


@pytest.mark.parametrize("name, shape", [("two gradients", [4, 6, 3]), ("penalty", [4, None, 3])])
def test_derivatives_are_keras_in_a_graph_and_under_lengths(name, shape):
    theirs, ours = both("GRU", return_sequences=True)
    derivative = DERIVATIVES[name]
    truth = derivative(theirs, tf.constant(X), training=True, mask=tf.constant(TRUE))
    traced = tf.function(lambda x: derivative(ours, x, training=True, lengths=LENGTHS), input_signature=[tf.TensorSpec(shape)])
    same(truth, traced(tf.constant(X)))


def test_a_penalty_compiles_inside_a_compiled_function():
    theirs, ours = both("LSTM")
    compiled = tf.function(lambda x: penalty(ours, x, training=True), jit_compile=True)
    same(penalty(theirs, tf.constant(X)), compiled(tf.constant(X)))


@pytest.mark.parametrize("case", ["lstm relu, no bias", "gru reset before"])
def test_steps_without_a_derivative_by_hand_have_further_ones_too(case):
    theirs, ours = pair(case)
    for name in ("penalty", "forward mode"):
        same(DERIVATIVES[name](theirs, tf.constant(X)), DERIVATIVES[name](ours, tf.constant(X)))


def test_third_derivatives_are_keras():
    theirs, ours = both("LSTM")
    same(third(theirs, tf.constant(X)), third(ours, tf.constant(X)), 2e-4)


def test_checkpoints_have_the_derivatives_of_the_whole():
    whole, chunked = build(layers.LSTM(5)), build(layers.LSTM(5, checkpoint_every=4))
    for name in ("penalty", "forward mode"):
        same(DERIVATIVES[name](whole, tf.constant(X)), DERIVATIVES[name](chunked, tf.constant(X)))


def test_a_penalty_of_a_truncated_layer_is_that_of_its_pieces():
    truncated, plain = build(layers.LSTM(5, truncate=4)), build(layers.LSTM(5, return_state=True))

    def pieces(x):
        _, *states = plain(x[:, :4])
        return plain(x[:, 4:], initial_state=[tf.stop_gradient(s) for s in states])[0]

    pieces.trainable_variables = plain.trainable_variables
    same(penalty(pieces, tf.constant(X)), penalty(truncated, tf.constant(X)))


def test_forward_mode_first_leaves_later_gradients_right():
    """Tapes do not record while a forward accumulator does: a program traced then must not have lost its gradient."""
    theirs, ours = [build(m.LSTM(6, activation="elu")) for m in (keras.layers, layers)]  # of programs of its own
    forward_mode(ours, tf.constant(X))
    same(two_gradients(theirs, tf.constant(X)), two_gradients(ours, tf.constant(X)))


def test_gradients_are_the_same_whether_or_not_the_call_said_it_trains():
    layer = build(layers.GRU(5, return_sequences=True))
    found = [two_gradients(layer, tf.constant(X), training=training) for training in (False, True)]
    same(*found, 1e-6)
    np.testing.assert_array_less(0, tf.linalg.global_norm(found[0]))
