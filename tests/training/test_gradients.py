"""Gradient health: against finite differences, against the other paths, and in words where a network cannot learn."""

import dataclasses
import json
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import SENTIMENT

from seqkit import layers
from seqkit.training import gradients
from seqkit.training.model import SequenceModel


class Last(keras.layers.Layer):
    """A head whose loss is a weighed sum of the last real state."""

    def call(self, states, lengths, targets=None, training=False):
        return tf.gather(states, lengths - 1, axis=1, batch_dims=1)

    def loss(self, targets, outputs):
        return tf.reduce_sum(outputs * targets["weights"], axis=1)


class Reader(keras.layers.Layer):
    """One recurrent layer as an encoder."""

    def __init__(self, recurrent):
        super().__init__()
        self.recurrent = recurrent

    def call(self, features, lengths, training=False):
        return self.recurrent(features, lengths=lengths, training=training), lengths


def model_of(recurrent):
    model = SequenceModel(Reader(recurrent), Last())
    model(batch_of())
    return model


def batch_of(rows=3, steps=9, width=2, units=4, lengths=None):
    random = np.random.default_rng(0)
    return {
        "features": random.normal(size=(rows, steps, width)).astype("float32"),
        "lengths": np.array(lengths or [steps] * rows, "int32"),
        "targets": {"weights": random.normal(size=(rows, units)).astype("float32")},
    }


@pytest.mark.parametrize("kind", [layers.SimpleRNN, layers.LSTM, layers.GRU])
def test_the_norm_at_a_step_is_the_derivative_by_that_state(kind):
    # A second route: the derivative by the state after step t is that by the first state of a run over the rest.
    model, batch = model_of(kind(4, return_sequences=True, return_state=False)), batch_of()
    found = gradients.measure(model, batch, 1, clip=1.0)
    ((_, norms),) = found.steps.items()
    layer = model.encoder.recurrent
    whole = kind(4, return_sequences=True, return_state=True)
    whole.build((None, None, 2))
    whole.set_weights(layer.get_weights())
    for t in (1, 4, 7):
        _, *state = whole(batch["features"][:, :t])
        state = [tf.convert_to_tensor(s) for s in state]
        with tf.GradientTape() as tape:
            tape.watch(state[0])
            rest = whole(batch["features"][:, t:], initial_state=state)[0]
            loss = tf.reduce_mean(tf.reduce_sum(rest[:, -1] * batch["targets"]["weights"], axis=1))
        expected = tape.gradient(loss, state[0]).numpy()
        np.testing.assert_allclose(norms[t - 1], np.sqrt((expected**2).sum(1).mean()), rtol=1e-4)


@pytest.mark.parametrize("options", [{}, {"layer_norm": True}, {"truncate": 4}, {"go_backwards": True}])
def test_weights_get_the_gradient_that_training_gives_them(options):
    model, batch = model_of(layers.LSTM(4, return_sequences=True, **options)), batch_of(lengths=[9, 5, 2])
    found = gradients.measure(model, batch, 1, clip=1.0)
    batch = tf.nest.map_structure(tf.constant, batch)
    with tf.GradientTape() as tape:
        loss = model.compute_loss(y=batch["targets"], y_pred=model(batch, training=True))
    expected = tape.gradient(loss, [v.value for v in model.trainable_variables])
    np.testing.assert_allclose(found.norm, tf.linalg.global_norm(expected), rtol=1e-4)
    assert sum(norm**2 for norm in found.layers.values()) == pytest.approx(found.norm**2, rel=1e-5)


def test_steps_on_padding_do_not_count():
    model = model_of(layers.GRU(4, return_sequences=True))
    whole = gradients.measure(model, batch_of(rows=2, lengths=[9, 3]), 1, clip=1.0)
    batch = batch_of(rows=2, lengths=[9, 3])
    alone = {k: v[:1] for k, v in batch.items() if k != "targets"} | {"targets": {"weights": batch["targets"]["weights"][:1]}}
    ((_, norms),), ((_, single),) = whole.steps.items(), gradients.measure(model, alone, 1, clip=1.0).steps.items()
    np.testing.assert_allclose(np.array(norms[3:]) * 2, single[3:], rtol=1e-4)  # the loss is a mean of two rows there


def rnn(scale, backwards=False):
    """Gradients where each state is the one before it, times `scale`, plus an input."""
    start = keras.initializers.Identity(gain=scale)
    reader = layers.SimpleRNN(4, "linear", recurrent_initializer=start, return_sequences=True, go_backwards=backwards)
    return gradients.measure(model_of(reader), batch_of(steps=40), 1, clip=1.0)


@pytest.mark.parametrize("backwards", [False, True])
def test_a_state_that_is_halved_at_each_step_is_said_to_vanish(backwards):
    (concern,) = rnn(0.5, backwards).concerns
    assert "vanishes in" in concern and "teaches nothing" in concern


def test_the_factor_between_two_steps_is_the_one_of_the_network():
    ((_, norms),) = rnn(0.5).steps.items()
    np.testing.assert_allclose(np.array(norms[:-1]) / norms[1:], 0.5, rtol=1e-5)


def test_a_state_that_is_doubled_at_each_step_is_said_to_explode():
    concerns = rnn(2.0).concerns
    assert "explodes in" in concerns[0]
    assert "norm is" in concerns[1] and "clipped to (1)" in concerns[1]


def test_a_network_that_keeps_its_state_is_of_no_concern():
    assert rnn(1.0).concerns == []


def test_fit_warns_logs_and_trains_the_same(tmp_path, monkeypatch):
    options = {"epochs": 2, "batch_steps": 64, "verbose": False}
    plain, watched = SENTIMENT.build(dropout=0.5), SENTIMENT.build(dropout=0.5)
    plain.fit(SENTIMENT.examples, **options)
    monkeypatch.setattr(gradients, "FADED", 1e9)  # whatever the gradients are, they have faded
    with pytest.warns(RuntimeWarning, match="Epoch .: The gradient vanishes in .*lstm"):
        history = watched.fit(SENTIMENT.examples, directory=tmp_path, watch_gradients=True, **options)
    for one, other in zip(plain.model.weights, watched.model.weights):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    first, second = watched.gradients
    assert (first.epoch, second.epoch) == (1, 2) and len(first.steps) == 2
    assert [line["gradient_norm"] for line in history] == [first.norm, second.norm]
    assert json.loads((tmp_path / "gradients.json").read_text())[1] == dataclasses.asdict(second)
    assert "gradient_norm" in (tmp_path / "log.csv").read_text()
    again = SENTIMENT.build(dropout=0.5)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again.fit(SENTIMENT.examples, directory=tmp_path, watch_gradients=True, **options)  # nothing left to do
    assert again.gradients == watched.gradients


def test_gradients_are_drawn():
    pytest.importorskip("matplotlib").use("agg")
    found = gradients.Gradients(3, 1.5, {"a/dense": 1.0, "a/lstm": 1.1}, {"a/lstm": [0.1, 0.2, 0.4]}, [])
    upper, lower = found.plot().axes
    assert [bar.get_width() for bar in upper.patches] == [1.0, 1.1]
    np.testing.assert_allclose(lower.lines[0].get_ydata(), [0.1, 0.2, 0.4])
