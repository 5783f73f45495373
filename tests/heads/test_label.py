"""The label head against numbers worked out by hand."""

import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from seqkit.heads.label import LabelHead
from seqkit.results import Label

RANDOM = np.random.default_rng(0)
STATES = RANDOM.normal(size=(3, 5, 6)).astype("float32")
LENGTHS = np.array([5, 2, 1], "int32")


def head(**settings):
    made = LabelHead(("no", "maybe", "yes"), width=4, **settings)
    made(STATES, LENGTHS)
    return made


def test_loss_is_the_log_probability_of_the_right_label():
    outputs = {"logits": tf.math.log([[0.2, 0.3, 0.5], [0.1, 0.1, 0.8]])}
    targets = head().targets(["yes", "no"])
    np.testing.assert_allclose(head().loss(targets, outputs), -np.log([0.5, 0.1]), rtol=1e-5)


def test_smoothing_shares_probability_among_all_labels():
    outputs = {"logits": tf.math.log([[0.2, 0.3, 0.5]])}
    targets = {"ids": tf.constant([2])}
    expected = -(0.1 * np.log(0.2) + 0.1 * np.log(0.3) + 0.8 * np.log(0.5))
    np.testing.assert_allclose(head(smoothing=0.3).loss(targets, outputs), [expected], rtol=1e-5)


def test_class_weights_scale_the_loss_of_their_label():
    outputs = {"logits": tf.math.log([[0.2, 0.3, 0.5]] * 2)}
    weighted = head(class_weights=(1, 1, 4)).loss({"ids": tf.constant([2, 0])}, outputs)
    np.testing.assert_allclose(weighted, [-4 * np.log(0.5), -np.log(0.2)], rtol=1e-5)


def test_the_answer_is_attention_and_maximum_by_numpy():
    made = head(votes=2.0)
    states, votes = STATES[..., :3], STATES[..., 3:]
    answer = made.decode(STATES, LENGTHS)
    for row, length in enumerate(LENGTHS):
        real = states[row, :length]
        scores = np.tanh(real @ made.hidden.kernel.numpy() + made.hidden.bias.numpy()) @ made.scorer.kernel.numpy()
        weights = np.exp(scores[:, 0]) / np.exp(scores[:, 0]).sum()
        pooled = np.concatenate([weights @ real, real.max(0)])
        logits = pooled @ made.dense.kernel.numpy() + made.dense.bias.numpy() + 2 * votes[row].sum(0)
        np.testing.assert_allclose(answer["scores"][row], np.exp(logits) / np.exp(logits).sum(), atol=1e-5)


def test_votes_are_silent_while_training():
    made = head(votes=2.0)
    louder = np.concatenate([STATES[..., :3], STATES[..., 3:] * 9], axis=-1)
    heard, same = (made(states, LENGTHS, training=True)["logits"] for states in (STATES, louder))
    np.testing.assert_array_equal(heard, same)


@pytest.mark.parametrize("votes", [0.0, 0.7])
def test_evidence_adds_up_to_the_logits(votes):
    made = head(votes=votes)
    made.temperature.assign(1.7)
    found = made.explain(STATES, LENGTHS)
    logits = ops.sum(found["evidence"], axis=1) + made.dense.bias / 1.7
    np.testing.assert_allclose(ops.softmax(logits), found["scores"], atol=1e-5)
    np.testing.assert_allclose(ops.sum(found["weights"], axis=1), 1, atol=1e-6)
    assert not found["weights"].numpy()[1, 2:].any()


def test_temperature_softens_scores_and_keeps_the_label():
    made = head()
    before = made.decode(STATES, LENGTHS)
    made.temperature.assign(5.0)
    after = made.decode(STATES, LENGTHS)
    assert (after["label"].numpy() == before["label"].numpy()).all()
    assert (after["score"].numpy() < before["score"].numpy()).all()


def test_calibrating_twice_changes_nothing_more():
    made = head()
    answers = [Label("no", 0.8, {"no": 0.8, "maybe": 0.1, "yes": 0.1})] * 4
    made.calibrate(answers, ["no", "no", "yes", "maybe"])
    once = float(made.temperature)
    logits = np.log([0.8, 0.1, 0.1]) / once
    scores = np.exp(logits) / np.exp(logits).sum()
    assert scores[0] == pytest.approx(0.5, abs=1e-3)  # half of them are right
    again = [Label("no", scores[0], dict(zip(("no", "maybe", "yes"), scores)))] * 4
    made.calibrate(again, ["no", "no", "yes", "maybe"])
    assert float(made.temperature) == pytest.approx(once, rel=1e-2)


@pytest.mark.parametrize("labels", [("a",), ("a", "b", "a")])
def test_labels_must_be_several_and_distinct(labels):
    with pytest.raises(ValueError, match="two or more, each once"):
        LabelHead(labels)


def test_class_weights_must_match_the_labels():
    with pytest.raises(ValueError, match="one number a label"):
        LabelHead(("a", "b"), class_weights=(1.0,))
