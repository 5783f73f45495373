"""The committee: its members' losses and answers, averaged by hand."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.heads.committee import CommitteeHead
from seqkit.heads.label import LabelHead

LABELS = ("a", "b", "c")
STATES = np.random.default_rng(0).normal(size=(4, 5, 6)).astype("float32")
LENGTHS = np.array([5, 1, 3, 2], "int32")


@pytest.fixture
def head():
    head = CommitteeHead([LabelHead(LABELS, width=4, smoothing=0.1) for _ in range(2)])
    head(STATES, LENGTHS)
    return head


def test_each_member_has_its_share_of_the_states(head):
    logits = head(STATES, LENGTHS)["logits"].numpy()
    for place, (member, share) in enumerate(zip(head.heads, (STATES[..., :3], STATES[..., 3:]))):
        np.testing.assert_array_equal(logits[:, place], member(share, LENGTHS)["logits"])


def test_the_loss_is_the_mean_of_the_members_own(head):
    outputs, targets = head(STATES, LENGTHS), head.targets(tf.constant(["c", "a", "b", "b"]))
    alone = [member.loss(targets, {"logits": outputs["logits"][:, place]}) for place, member in enumerate(head.heads)]
    np.testing.assert_allclose(head.loss(targets, outputs), np.mean(alone, axis=0), rtol=1e-6)


def test_the_answer_is_the_members_geometric_mean(head):
    logits = head(STATES, LENGTHS)["logits"].numpy().astype("float64")
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=2, keepdims=True)
    expected = probabilities.prod(axis=1) ** 0.5
    expected /= expected.sum(axis=1, keepdims=True)
    found = {name: value.numpy() for name, value in head.decode(STATES, LENGTHS).items()}
    np.testing.assert_allclose(found["scores"], expected, rtol=1e-4)
    assert [label.decode() for label in found["label"]] == [LABELS[place] for place in expected.argmax(axis=1)]
    np.testing.assert_array_equal(found["score"], found["scores"].max(axis=1))


def test_one_member_answers_as_its_head():
    member = LabelHead(LABELS, width=4)
    head = CommitteeHead([member])
    head(STATES, LENGTHS)
    np.testing.assert_allclose(head.decode(STATES, LENGTHS)["scores"], member.decode(STATES, LENGTHS)["scores"], atol=1e-6)


def test_calibrating_softens_answers_that_are_too_sure(head):
    # One in four is wrong but all are sure: the temperature that makes them right rises above 1.
    answers = [head.typed(b"a", 0.99, np.array([0.99, 0.005, 0.005]))] * 4
    head.calibrate(answers, ["a", "a", "a", "b"])
    assert float(head.heads[0].temperature) > 1.5
    logits = head(STATES, LENGTHS)["logits"]
    mean = tf.reduce_mean(tf.nn.log_softmax(logits), axis=1) / head.heads[0].temperature
    np.testing.assert_allclose(head.decode(STATES, LENGTHS)["scores"], tf.nn.softmax(mean), atol=1e-6)
