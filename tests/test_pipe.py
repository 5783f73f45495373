"""What a pipeline does around its three parts: batches, streams, seeds, explanations."""

import random

import keras
import numpy as np
import pytest
from cases import SENTIMENT, STROKES

import seqkit
from seqkit import pipe as module


def test_batches_hold_like_sizes_and_every_place_once():
    sizes = [5, 900, 7, 3, 800, 6]
    assert list(module._by_length(sizes, 2)) == [[3, 0], [5, 2], [4, 1]]
    assert list(module._by_length([], 2)) == []


def test_long_inputs_are_answered_in_smaller_batches(monkeypatch):
    monkeypatch.setattr(module, "_LARGEST_BATCH", 100)
    assert list(module._by_length([10, 30, 30, 60, 500], 32)) == [[0, 1, 2], [3], [4]]


def test_a_stream_reads_no_further_than_it_must():
    taken = []

    def texts():
        for place in range(100):
            taken.append(place)
            yield "good"

    stream = SENTIMENT.pipe(texts(), batch_size=4)
    assert taken == []
    next(stream)
    assert taken == [0, 1, 2, 3]


def test_a_bad_item_in_a_stream_is_found_after_the_good_ones():
    stream = SENTIMENT.pipe(iter(["good", "bad", 3]), batch_size=2)
    assert [next(stream).label, next(stream).label]
    with pytest.raises(ValueError, match="expected a text"):
        next(stream)


@pytest.mark.parametrize("size", [0, -1])
def test_a_batch_holds_at_least_one(size):
    with pytest.raises(ValueError, match=f"batch_size must be at least 1; received {size}"):
        SENTIMENT.pipe(["a"], batch_size=size)


def test_building_leaves_the_users_random_numbers_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    pipe = SENTIMENT.build()
    pipe.learn(SENTIMENT.examples)
    assert random.random() == expected


def test_a_vocabulary_can_be_shared():
    other = seqkit.build("sentiment-analysis", SENTIMENT.pipe.assets, **SENTIMENT.settings)
    assert other.frontend.tokenizer.size == SENTIMENT.pipe.frontend.tokenizer.size
    assert other("good").label in ("negative", "neutral", "positive")  # untrained, but whole


def test_an_explanation_rests_on_the_answering_path():
    pipe = SENTIMENT.pipe
    found = pipe.explain("such a dull film")
    assert found.answer.label == pipe("such a dull film").label
    assert found.answer.score == pytest.approx(pipe("such a dull film").score, abs=1e-5)
    assert found.tokens == ["such", "a", "dull", "film", "(end)"]
    assert sum(found.weights) == pytest.approx(1, abs=1e-5)
    # The evidence and the bias make up the logits, here of the label against the mean of all.
    logits = np.log(list(found.answer.scores.values()))
    place = list(found.answer.scores).index(found.answer.label)
    bias = pipe.model.head.dense.bias.numpy() / float(pipe.model.head.temperature)
    expected = (logits - bias)[place] - (logits - bias).mean()
    assert sum(found.evidence) == pytest.approx(expected, abs=1e-3)


@pytest.mark.parametrize(
    "use, lacking",
    [(lambda pipe: pipe.explain(STROKES.inputs[0]), "words to explain"), (lambda pipe: pipe.pretrain([]), "pretraining")],
)
def test_what_a_task_cannot_do_it_says(use, lacking):
    with pytest.raises(TypeError, match=f"A stroke-recognition pipeline has no {lacking}"):
        use(STROKES.pipe)


def test_a_stream_answers_as_parts_come_and_names_a_bad_one():
    come = []

    def parts():
        for part in ([(0, 3)], [], [(0, 0), (2, 0)], [[(5, 5), (6, 6)]], [(1, "x")]):
            come.append(part)
            yield part

    stream = STROKES.pipe.stream(parts())
    assert come == []
    wholes = [[(0, 3)], [(0, 3)], [(0, 3), (0, 0), (2, 0)], [[(0, 3), (0, 0), (2, 0)], [(5, 5), (6, 6)]]]
    for count, whole in enumerate(wholes, 1):
        assert next(stream) == STROKES.pipe([whole])[0]
        assert len(come) == count
    with pytest.raises(ValueError, match="Item 4: expected pen points"):
        next(stream)


def test_the_model_inside_is_a_plain_keras_model():
    pipe = SENTIMENT.train()
    assert isinstance(pipe.model, keras.Model)
    features, lengths = pipe.frontend(pipe.frontend.collate(["a good film", "bad"]))
    targets = pipe.model.head.targets(np.array(["positive", "negative"]))
    pipe.model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    inputs = {"features": features, "lengths": lengths, "targets": targets}
    losses = pipe.model.fit(inputs, targets, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_another_keras_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Keras is set to 'jax'. Set the environment variable KERAS_BACKEND=tensorflow"):
        SENTIMENT.build()
