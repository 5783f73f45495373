"""What a pipeline does around its three parts: batches, streams, seeds, explanations."""

import collections
import concurrent.futures
import dataclasses
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from cases import SENTIMENT, STROKES, TRANSLATION

import seqkit
from seqkit import pipe as module
from seqkit.encoders.text import TextEncoder
from seqkit.frontends.text import TextFrontend
from seqkit.heads.ctc import CTCHead
from seqkit.language.tokenizers import CharacterTokenizer, SentencePieceTokenizer, learn_alphabet
from seqkit.pipe import Pipeline


def test_batches_hold_like_sizes_and_every_place_once():
    sizes = [5, 900, 7, 3, 800, 6]
    assert list(module._by_length(sizes, 2, 1 << 19)) == [[3, 0], [5, 2], [4, 1]]
    assert list(module._by_length([], 2, 1 << 19)) == []


def test_long_inputs_are_answered_in_smaller_batches():
    assert list(module._by_length([10, 30, 30, 60, 500], 32, 100)) == [[0, 1, 2], [3], [4]]


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


def test_a_bad_item_is_named_by_its_place_in_the_whole_stream():
    stream = SENTIMENT.pipe((text for text in ["good"] * 9 + [3.5]), batch_size=4)
    with pytest.raises(ValueError, match="Item 9: expected a text"):
        list(stream)
    with pytest.raises(ValueError, match="Item 300: expected a text"):
        SENTIMENT.pipe(["good"] * 300 + [3.5])


def test_a_long_list_is_read_and_answered_some_at_a_time(monkeypatch):
    monkeypatch.setattr(module, "_AHEAD", 8)
    pipe, read, ahead = SENTIMENT.pipe, [], []
    batch = pipe.frontend.batch

    class Watched(list):
        def __iter__(self):
            for item in super().__iter__():
                read.append(item)
                yield item

    def watched(items):
        ahead.append(len(read) - sum(done for _, done in ahead))
        ahead[-1] = (ahead[-1], len(items))
        return batch(items)

    monkeypatch.setattr(pipe.frontend, "batch", watched)
    answers = pipe(Watched(["good", "bad", "a dull film", "grey"] * 25), batch_size=4)
    assert len(answers) == 100 and max(waiting for waiting, _ in ahead) <= 8
    assert [answer.label for answer in answers[:4]] == [answer.label for answer in answers[-4:]]


@pytest.mark.parametrize("case", [SENTIMENT, STROKES], ids=lambda case: case.id)
def test_eight_threads_share_a_pipeline(case, copied):
    pipe = copied(case)  # which has not answered yet: the first calls meet
    expected = case.pipe(case.inputs)
    with concurrent.futures.ThreadPoolExecutor(8) as threads:
        for answers in threads.map(lambda place: pipe(case.inputs[place % 4 :]), range(40)):
            for answer, alone in zip(answers[::-1], expected[::-1]):
                assert answer.label == alone.label and answer.score == pytest.approx(alone.score, abs=1e-5)


@pytest.mark.parametrize("kind", [tuple, collections.deque, np.array, lambda texts: np.array(texts, object)])
def test_texts_come_in_any_ordered_form(kind):
    assert SENTIMENT.pipe(kind(SENTIMENT.inputs)) == SENTIMENT.pipe(SENTIMENT.inputs)


def test_parts_of_different_tasks_go_together():
    def build(config, assets):
        tokenizer = SentencePieceTokenizer(assets["sentencepiece.model"])
        encoder = TextEncoder(tokenizer.size, 8, 8, 1)
        return TextFrontend(tokenizer), encoder, CTCHead(CharacterTokenizer(learn_alphabet(["ab"])), beam=1)

    task = dataclasses.replace(SENTIMENT.pipe.task, name="spelling", build=build, check=lambda config, y, name: y)
    pipe = Pipeline(task, SENTIMENT.pipe.config, SENTIMENT.pipe.assets)
    pipe.fit([("good film", "ab"), ("bad", "b")], epochs=1, verbose=False)
    answer = pipe("good film")
    assert all(0 <= character.left <= character.right <= 9 for character in answer.characters)  # in characters of the text
    with pytest.raises(TypeError, match="A spelling pipeline has no words to explain"):
        pipe.explain("good")
    with pytest.raises(ValueError, match="Example 0: its text of 2 characters needs 3 frames; the input gives 1"):
        pipe.fit([("", "aa")], verbose=False)


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
    with pytest.raises(ValueError, match="Chunk 4: expected pen points"):
        next(stream)
    *_, one, last = STROKES.pipe.stream([[(0, 3)], [(0, 0)]])
    assert one == last == STROKES.pipe([[(0, 3), (0, 0)]])[0]  # once more, at the end
    assert list(STROKES.pipe.stream([])) == []


def test_the_model_inside_is_a_plain_keras_model(copied):
    pipe = copied(SENTIMENT)
    assert isinstance(pipe.model, keras.Model)
    features, lengths, *_ = pipe.frontend(pipe.frontend.collate(["a good film", "bad"]))
    targets = pipe.model.head.targets(["positive", "negative"])
    pipe.model.compile(keras.optimizers.Adam(1e-2), jit_compile=False)
    inputs = {"features": features, "lengths": lengths, "targets": targets}
    losses = pipe.model.fit(inputs, targets, epochs=4, verbose=0).history["loss"]
    assert losses[-1] < losses[0]


def test_another_keras_backend_is_refused(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(RuntimeError, match="Keras is set to 'jax'. Set the environment variable KERAS_BACKEND=tensorflow"):
        SENTIMENT.build()


def test_score_says_how_probable_given_answers_are():
    # Against the answers' own scores, TensorFlow's loss one by one, and the probabilities of a text's pieces.
    pairs = [("a good film", "positive"), ("bad", "negative"), ("a good film", "neutral")]
    answers = SENTIMENT.pipe([text for text, _ in pairs])
    expected = [np.log(answer.scores[label]) for answer, (_, label) in zip(answers, pairs)]
    np.testing.assert_allclose(SENTIMENT.pipe.score(pairs), expected, rtol=1e-4)

    pairs = TRANSLATION.examples[:3]
    head, model = TRANSLATION.pipe.model.head, TRANSLATION.pipe.model
    for (text, translation), score in zip(pairs, TRANSLATION.pipe.score(pairs, batch_size=2)):
        features, lengths, *_ = TRANSLATION.pipe.frontend(TRANSLATION.pipe.frontend.collate([text]))
        targets = head.targets([translation])
        logits = model({"features": features, "lengths": lengths, "targets": targets})["logits"]
        log_probs = tf.nn.log_softmax(logits[0]).numpy()
        np.testing.assert_allclose(score, sum(row[piece] for row, piece in zip(log_probs, targets["ids"][0])), rtol=1e-4)

    with pytest.raises(TypeError, match="stroke-recognition pipeline has no probabilities of given answers"):
        STROKES.pipe.score(STROKES.examples)
