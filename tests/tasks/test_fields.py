"""Labels: what is one, how targets find theirs, and how a trained pipeline goes on with others."""

import numpy as np
import pytest
from cases import SENTIMENT, STROKES

import seqkit
from seqkit.tasks.fields import check_label, labels_of

KEYWORDS = {"epochs": 1, "batch_steps": 4096, "learning_rate": 5e-3, "verbose": False}  # one batch, so one program to compile


@pytest.mark.parametrize(
    "values, labels",
    [
        (["a", "b"], ("a", "b")),
        ({"ham": 1, "spam": 2}.keys(), ("ham", "spam")),
        (np.array([2, 0, 1]), (2, 0, 1)),
        (np.array(["x", "y"]), ("x", "y")),
        ((True, False), (True, False)),
        ((0.5, 1.0), (0.5, 1.0)),
        (range(3), (0, 1, 2)),
    ],
)
def test_labels_come_in_any_ordered_form_and_keep_their_kind(values, labels):
    assert labels_of(values) == labels
    assert [type(label) for label in labels_of(values)] == [type(label) for label in labels]


@pytest.mark.parametrize(
    "values, message",
    [
        ("pos,neg", r"labels must be a list of labels.*received the one text 'pos,neg'"),
        ({"a", "b"}, "labels must have an order, which a set has not"),
        (3, "labels must be a list of labels.*received 3"),
        (["a"], "labels must be two or more; received .'a',."),
        (["a", "b", "a"], "labels must be distinct.*received 'a' twice"),
        ([1, "1"], "labels must be distinct, also as they are spelt; received '1' twice"),
        ([1, True], "received True twice"),
        (["a", None], "A label is a text or a number; received NoneType None"),
        ([1.0, float("nan")], "A label is a text or a number; received float nan"),
        (["a", " "], "must have a character that can be written; received ' '"),
        (["a", "\ud800"], "must have a character that can be written"),
        ([["a"], ["b"]], "A label is a text or a number; received list"),
    ],
)
@pytest.mark.parametrize("task", ["sentiment-analysis", "stroke-recognition"])
def test_what_are_no_labels_is_refused_when_it_is_built(task, values, message):
    with pytest.raises(ValueError, match=message):
        seqkit.build(task, labels=values)


def test_a_target_is_the_label_that_it_is_spelt_as():
    config = STROKES.build(labels=(2, 1, "x")).config
    for target in (1, "1", np.int64(1), 1.0):
        assert check_label(config, target, "Example 0") == 1 and type(check_label(config, target, "Example 0")) is int
    for target in (True, "2 ", None, 1.5, ["x"], float("nan")):
        with pytest.raises(ValueError, match="Line 7: unknown label .*expected one of .2, 1, 'x'."):
            check_label(config, target, "Line 7")


def test_numbers_come_back_as_numbers(tmp_path):
    labels = {"negative": 0, "neutral": 1, "positive": 2}
    pipe = SENTIMENT.build(labels=np.arange(3), abstaining=None)
    pipe.fit([(text, np.int64(labels[label])) for text, label in SENTIMENT.examples], **KEYWORDS)
    answer = pipe("good")
    assert type(answer.label) is int and list(answer.scores) == [0, 1, 2]
    pipe.save(tmp_path / "saved")
    assert seqkit.pipeline(tmp_path / "saved")("good") == answer
    assert pipe.evaluate([(text, str(labels[label])) for text, label in SENTIMENT.examples])["accuracy"] >= 0
    assert pipe.evaluate([("good", 2)])["accuracy"] in (0, 1)


SUBJECTS = {"ball": "sport", "vote": "news", "good": "positive"}
TOPICS = [(f"{start} {word}", label) for start in ("the", "a") for word, label in SUBJECTS.items()]


@pytest.mark.parametrize(
    "vocabulary, labels",
    [("union", ("negative", "neutral", "positive", "news", "sport")), ("new", ("news", "positive", "sport"))],
)
def test_a_trained_pipeline_goes_on_with_other_labels(vocabulary, labels, copied):
    pipe = copied(SENTIMENT)
    table, kernel = pipe.model.encoder.embedding.embeddings.numpy(), pipe.model.head.dense.kernel.numpy()
    hidden, asked = pipe.model.head.hidden.kernel.numpy(), pipe("good")
    pipe.fit(TOPICS, vocabulary=vocabulary, **{**KEYWORDS, "learning_rate": 1e-12})
    assert pipe.config.labels == labels == tuple(pipe("good").scores) and asked.label
    np.testing.assert_allclose(pipe.model.encoder.embedding.embeddings.numpy(), table, atol=1e-6)
    np.testing.assert_allclose(pipe.model.head.hidden.kernel.numpy(), hidden, atol=1e-6)
    after = pipe.model.head.dense.kernel.numpy()
    for place, label in enumerate(labels):
        if label in SENTIMENT.pipe.config.labels:
            np.testing.assert_allclose(after[:, place], kernel[:, SENTIMENT.pipe.config.labels.index(label)], atol=1e-6)


def test_other_labels_are_learnt(copied):
    pipe = copied(SENTIMENT)
    pipe.fit(TOPICS * 3, vocabulary="new", **{**KEYWORDS, "epochs": 30, "batch_steps": 64, "learning_rate": 2e-2})
    assert [answer.label for answer in pipe([text for text, _ in TOPICS])] == [label for _, label in TOPICS]


def test_other_signs_are_learnt_by_a_committee(copied):
    pipe = copied(STROKES)
    pipe.fit([(np.array([(0, 0), (3, 0)]), "-"), *STROKES.examples[:2]], vocabulary="union", **KEYWORDS)
    assert pipe.config.labels == ("L", "O", "V", "-")


@pytest.mark.parametrize("vocabulary", ["keep", "union"])
def test_a_refused_fit_leaves_the_pipeline_as_it_was(vocabulary, copied, tmp_path):
    pipe = copied(SENTIMENT)
    before, assets, config = pipe("good"), pipe.assets, pipe.config
    for bad in ([*TOPICS, (3.5, "sport")], [*TOPICS, ("text", None)]):
        with pytest.raises(ValueError, match="Example"):
            pipe.fit(bad, vocabulary=vocabulary, directory=tmp_path / "run", **KEYWORDS)
        assert pipe("good") == before and pipe.assets is assets and pipe.config is config
    assert not (tmp_path / "run").exists()
    fresh = SENTIMENT.build()
    with pytest.raises(ValueError, match="Example"):
        fresh.fit([*SENTIMENT.examples, (3.5, "positive")], **KEYWORDS)
    assert fresh.assets is None
