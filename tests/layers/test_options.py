"""Truncation, checkpoints and regularisation inside the recurrent layers, each against a second way to the same number."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit import layers

from .test_recurrent import LENGTHS, X, build, run, same

KINDS = ["SimpleRNN", "LSTM", "GRU"]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def norm(x, gain, shift):
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * gain + shift


@pytest.mark.parametrize("backwards", [False, True])
@pytest.mark.parametrize(
    "kind, size, path", [("SimpleRNN", 4, "graph"), ("LSTM", 4, "fused"), ("LSTM", 1, "graph"), ("GRU", 50, "graph")]
)
def test_checkpoints_change_no_answer_and_no_gradient(kind, size, backwards, path):
    arguments = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    whole = build(getattr(layers, kind)(5, **arguments))
    chunked = build(getattr(layers, kind)(5, checkpoint_every=size, **arguments))
    with layers.only(path):
        same(run(whole, lengths=LENGTHS), run(chunked, lengths=LENGTHS))


@pytest.mark.parametrize("shape", [[None, None, 3], [4, None, 3], [4, 6, 3]])
def test_checkpoints_work_traced_whatever_is_known_of_the_shape(shape):
    layer, whole = build(layers.LSTM(5, checkpoint_every=4)), build(layers.LSTM(5))
    traced = tf.function(lambda x: run_symbolic(layer, x), input_signature=[tf.TensorSpec(shape)])
    same(traced(X), run_symbolic(whole, tf.constant(X)))


def run_symbolic(layer, x):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(layer(x, training=True) ** 2)
    return [loss, *tape.gradient(loss, [v.value for v in layer.trainable_variables])]


@pytest.mark.parametrize("kind, path", [("SimpleRNN", "graph"), ("LSTM", "fused"), ("GRU", "graph")])
def test_truncation_is_calling_piece_by_piece_with_states_cut_from_the_tape(kind, path):
    truncated = build(getattr(layers, kind)(5, truncate=4, return_sequences=True))
    plain = build(getattr(layers, kind)(5, return_sequences=True, return_state=True))
    with layers.only(path):
        with tf.GradientTape() as tape:
            y, *states = plain(X[:, :4])
            z, *_ = plain(X[:, 4:], initial_state=[tf.stop_gradient(s) for s in states])
            y = tf.concat([y, z], 1)
            loss = tf.reduce_sum(y * tf.sin(3 * y))
        expected = [y, *tape.gradient(loss, [v.value for v in plain.trainable_variables])]
        found = run(truncated)
        same(expected, [found[0], *found[2:]])


@pytest.mark.parametrize("path", ["fused", "graph", "scan"])
def test_a_normalised_lstm_is_that_of_numpy_and_learns_by_every_path(path):
    layer = build(layers.LSTM(5, layer_norm=True, return_sequences=True))
    kernel, recurrent, bias = [v.numpy() for v in layer.cell.trainable_variables]
    gains, state = layer.norm_gains.numpy(), layer.norm_state.numpy()
    h, c, expected = np.zeros((4, 5)), np.zeros((4, 5)), []
    for t in range(6):
        z = norm(X[:, t] @ kernel, gains[0], bias) + norm(h @ recurrent, gains[1], 0)
        i, f, g, o = np.split(z, 4, -1)
        c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
        h = sigmoid(o) * np.tanh(norm(c, state[0], state[1]))
        expected.append(h)
    with layers.only(path):
        found = run(layer)
    np.testing.assert_allclose(found[0], np.stack(expected, 1), atol=1e-5)
    with layers.only("scan"):
        same(run(layer), found, within=1e-4)


@pytest.mark.parametrize("kind", ["SimpleRNN", "GRU"])
def test_normalised_layers_agree_across_paths(kind):
    layer = build(getattr(layers, kind)(5, layer_norm=True, return_sequences=True))
    found = []
    for path in ("fused", "graph", "scan"):
        with layers.only(path):
            found.append(run(layer, lengths=LENGTHS))
    same(found[0], found[1], within=1e-4)
    same(found[0], found[2], within=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_zoneout_mixes_states_when_not_training(kind):
    """With the share z, one step from a state s goes to z s + (1 - z) step(s)."""
    zoned, plain = build(getattr(layers, kind)(5, zoneout=0.25)), build(getattr(layers, kind)(5))
    first = [np.random.default_rng(i).normal(size=(4, 5)).astype("float32") for i in range(len(plain.state_size))]
    for path in ("fused", "graph", "scan"):
        with layers.only(path):
            expected = 0.25 * first[0] + 0.75 * plain(X[:, :1], initial_state=first)
            np.testing.assert_allclose(zoned(X[:, :1], initial_state=first), expected, atol=1e-6)


def test_zoneout_keeps_its_share_of_units_when_training_and_all_paths_draw_the_same():
    layer, plain = (build(layers.GRU(400, seed=3, **more)) for more in ({"zoneout": 0.3}, {}))
    first = np.full((4, 400), 0.5, "float32")
    found = []
    for path in ("fused", "graph", "scan"):
        layer.cell.seed_generator.state.assign([0, 3])
        with layers.only(path):
            found.append(run(layer, X[:, :1], initial_state=first, training=True))
    kept = found[0][0].numpy() == first
    assert 0.25 < kept.mean() < 0.35
    np.testing.assert_allclose(found[0][0].numpy()[~kept], plain(X[:, :1], initial_state=first).numpy()[~kept], atol=1e-5)
    same(found[0], found[1], within=1e-4)
    same(found[0], found[2], within=1e-4)


def test_padding_stays_padding_under_zoneout():
    layer = build(layers.LSTM(5, zoneout=0.5, return_state=True))
    _, h, c = layer(X, lengths=np.zeros(4, "int32"), initial_state=[np.ones((4, 5), "float32")] * 2, training=True)
    np.testing.assert_array_equal(h, 1)
    np.testing.assert_array_equal(c, 1)


def test_weight_drop_drops_recurrent_weights_when_training_only():
    """With an identity for its recurrent matrix, a linear unit without input forgets (dropped) or doubles (kept, 1 / 0.5)."""
    layer = layers.SimpleRNN(400, activation="linear", weight_drop=0.5, seed=1)
    layer.build((1, 1, 3))
    layer.set_weights([np.zeros((3, 400)), np.eye(400), np.zeros(400), *layer.get_weights()[3:]])
    state, x = np.ones((1, 400), "float32"), np.zeros((1, 1, 3), "float32")
    np.testing.assert_array_equal(layer(x, initial_state=state), 1)
    dropped = layer(x, initial_state=state, training=True).numpy()
    assert set(np.unique(dropped)) == {0.0, 2.0}
    assert 0.4 < dropped.mean() / 2 < 0.6


def test_l1_and_l2_add_keras_losses():
    layer = layers.LSTM(5, kernel_regularizer="l2", recurrent_regularizer="l1")
    layer(X)
    kernel, recurrent = layer.get_weights()[:2]
    np.testing.assert_allclose(sum(layer.losses), 0.01 * (kernel**2).sum() + 0.01 * np.abs(recurrent).sum(), rtol=1e-5)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"zoneout": 1.0}, "zoneout=1.0"),
        ({"weight_drop": -0.1}, "weight_drop=-0.1"),
        ({"truncate": 0}, "truncate=0"),
        ({"checkpoint_every": 2.5}, "checkpoint_every=2.5"),
        ({"truncate": 3, "checkpoint_every": 3}, "not both"),
        ({"layer_norm": True, "reset_after": False}, "reset_after=True"),
    ],
)
def test_impossible_options_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        layers.GRU(5, **arguments)


def test_options_are_keyword_arguments_of_every_layer_in_both_directions():
    layer = layers.Bidirectional(layers.GRU(5, zoneout=0.2, truncate=3))
    assert layer.backward_layer.zoneout == 0.2 and layer.backward_layer.truncate == 3
    assert keras.layers.deserialize(keras.layers.serialize(layer)).forward_layer.truncate == 3
