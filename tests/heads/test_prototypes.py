"""The head of prototypes against numbers worked out by NumPy, and voices that are enrolled."""

import numpy as np
import pytest
from cases import SPEAKERS, voiced

import seqkit
from seqkit.heads.label import LabelHead
from seqkit.heads.prototypes import PrototypeHead
from seqkit.results import Label

RANDOM = np.random.default_rng(0)
STATES = RANDOM.normal(size=(3, 5, 6)).astype("float32")
LENGTHS = np.array([5, 2, 1], "int32")


def head(labels=("a", "b"), **settings):
    made = PrototypeHead(labels, width=4, size=3, **settings)
    made(STATES, LENGTHS)
    return made


def unit(values, axis):
    return values / np.linalg.norm(values, axis=axis, keepdims=True)


def answer_of(logits, labels=("a", "b", "unknown")):
    scores = np.exp(logits) / np.exp(logits).sum()
    return Label(labels[np.argmax(scores)], scores.max(), dict(zip(labels, scores.tolist())))


def test_logits_are_cosines_and_unknown_has_its_own():
    made = head(scale=7.0)
    points = unit(made.pooled(STATES, LENGTHS)[0].numpy() @ made.dense.kernel.numpy(), axis=1)
    cosines = points @ unit(made.prototypes.numpy(), axis=0)
    logits = made(STATES, LENGTHS)["logits"].numpy()
    np.testing.assert_allclose(logits[:, :2], 7 * cosines, atol=1e-5)
    np.testing.assert_allclose(logits[:, 2], 7 * float(made.threshold), rtol=1e-6)
    np.testing.assert_allclose(made.embed(STATES, LENGTHS)["embedding"], points, atol=1e-6)
    assert head(unknown=False)(STATES, LENGTHS)["logits"].shape == (3, 2)


def test_while_training_the_right_label_lacks_the_margin():
    made, plain = head(scale=10.0, margin=0.3), LabelHead(("a", "b", "unknown"))
    targets = made.targets(["a", "b", "unknown"])
    logits = RANDOM.normal(size=(3, 3)).astype("float32")
    expected = plain.loss(targets, {"logits": logits - 3.0 * np.eye(3, dtype="float32")})
    np.testing.assert_allclose(made.loss(targets, {"logits": logits}), expected, rtol=1e-5)


def test_a_label_that_is_enrolled_lies_amid_its_examples():
    made = head()
    before, points = made.prototypes.numpy(), unit(RANDOM.normal(size=(4, 3)), axis=1)
    made.enroll("b", points)
    np.testing.assert_allclose(made.prototypes.numpy()[:, 1], points.mean(0), rtol=1e-6)
    np.testing.assert_array_equal(made.prototypes.numpy()[:, 0], before[:, 0])


def test_other_labels_take_over_what_both_have():
    made, other = head(("b", "c")), head(("a", "b"))
    own = made.prototypes.numpy()
    other.threshold.assign(0.6)
    made.inherit(other)
    np.testing.assert_array_equal(made.prototypes.numpy()[:, 0], other.prototypes.numpy()[:, 1])
    np.testing.assert_array_equal(made.prototypes.numpy()[:, 1], own[:, 1])
    np.testing.assert_array_equal(made.dense.kernel, other.dense.kernel)
    assert float(made.threshold) == pytest.approx(0.6)


def test_the_threshold_is_put_where_both_kinds_of_errors_are_as_frequent():
    made = head(scale=10.0)
    # How far each answer's better label is above "unknown", whose logit is 0.
    near, truth = [5, 4, 3, 1, 0, 0.5, 1.5, -2], ["a", "b", "a", "b", *["unknown"] * 4]
    answers = [
        answer_of(np.array([n, -9, 0.0] if label != "b" else [-9, n, 0.0])) for n, label in zip(near, truth, strict=True)
    ]
    before = float(made.threshold)
    made.calibrate(answers, truth)
    shift = (float(made.threshold) - before) * 10
    assert 1 < shift < 1.5  # then one known one is refused, and one unknown one accepted
    # Without anybody unknown it stays.
    made.calibrate(answers[:4], truth[:4])
    assert float(made.threshold) * 10 == pytest.approx(before * 10 + shift)


def test_metrics_tell_who_from_whether():
    made = head()
    answers = [answer_of(np.array(logits, float)) for logits in ([2, 0, 3], [0.5, 2, 1], [4, -1, 1], [0, 0, 5])]
    metrics = made.evaluate(answers, ["a", "b", "b", "unknown"])
    assert metrics["accuracy"] == 0.5  # the first is not recognised, the third is taken for another
    assert metrics["rank_1"] == pytest.approx(2 / 3)
    # Own labels are above "unknown" by -1, 1, -2; others by -3, -0.5, 3, -5, -5. At -1.5
    # one of three is below, and two of five are above.
    assert metrics["equal_error_rate"] == pytest.approx((1 / 3 + 2 / 5) / 2)
    assert made.evaluate(answers[3:], ["unknown"])["rank_1"] == 0


def test_pieces_of_one_input_are_asked_together():
    answers = [answer_of(np.log([0.5, 0.1, 0.4])), answer_of(np.log([0.1, 0.2, 0.7]))]
    assert head().stitched(answers, [0, 24]).label == "unknown"
    assert head().stitched(answers, [0, 24]).scores == pytest.approx({"a": 0.3, "b": 0.15, "unknown": 0.55})


def test_a_voice_is_enrolled_kept_and_exported(copied, tmp_path):
    pipe = copied(SPEAKERS)
    before = pipe(SPEAKERS.inputs)
    pipe.enroll("Cid", [voiced(1500 + 20 * seed, 5000, seed) for seed in range(3)])
    assert pipe.config.labels == ("Ann", "Bob", "Cid")
    answer = pipe(voiced(1510))
    assert max(answer.scores, key=answer.scores.get) == "Cid"
    for one, other in zip(before, pipe(SPEAKERS.inputs)):  # the others are as far away as they were
        assert one.scores["Ann"] / one.scores["Bob"] == pytest.approx(other.scores["Ann"] / other.scores["Bob"], rel=1e-3)
    pipe.save(tmp_path / "kept")
    assert seqkit.pipeline(tmp_path / "kept")(voiced(1510)) == answer
    pipe.enroll("Ann", [voiced(5000)])  # learnt anew
    assert pipe.config.labels == ("Ann", "Bob", "Cid") and pipe(voiced(5000)).scores["Ann"] > before[0].scores["Ann"] * 0.9
    assert pipe.export(tmp_path / "1").is_dir()


@pytest.mark.parametrize(
    "label, clips, message",
    [
        ("Cid", [], "Expected a list of examples of 'Cid'; received list"),
        ("Cid", voiced(300), "Expected a list of examples of 'Cid'; received ndarray"),
        ("Cid", [voiced(300), "nowhere.wav"], "Item 1 .nowhere.wav.: expected the path"),
        ("", [voiced(300)], "A label must have a character"),
        ("unknown", [voiced(300)], "'unknown' is what is answered to all others"),
    ],
)
def test_what_cannot_be_enrolled_leaves_all_as_it_was(label, clips, message):
    pipe, before = SPEAKERS.pipe, SPEAKERS.pipe(SPEAKERS.inputs[0])
    with pytest.raises(ValueError, match=message):
        pipe.enroll(label, clips)
    assert pipe.config.labels == ("Ann", "Bob") and pipe(SPEAKERS.inputs[0]) == before


def test_sounds_of_any_kind_need_no_unknown():
    pipe = SPEAKERS.build(unknown=False)
    with pytest.raises(ValueError, match="Example 10: unknown label 'unknown'"):
        pipe.fit(SPEAKERS.examples)
    with pytest.raises(ValueError, match="labels must be two or more"):
        SPEAKERS.build(unknown=False, labels=("Ann",))
    with pytest.raises(TypeError, match="sentiment-analysis pipeline has no labels to enroll"):
        seqkit.pipeline("sentiment-en").enroll("new", ["text"])
