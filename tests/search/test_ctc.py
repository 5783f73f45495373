"""Searches against all paths counted one by one, and against dictionaries."""

import collections
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from seqkit.language.language_model import LanguageModel, learn, log_probability
from seqkit.language.tokenizers import UNKNOWN, CharacterTokenizer, learn_alphabet
from seqkit.search import ctc

TEXTS = ["abba", "ab ab", "bab a", "aab"]
TOKENIZER = CharacterTokenizer(learn_alphabet(TEXTS))
LANGUAGE = LanguageModel(learn(TEXTS, TOKENIZER, 3))
NONE = {"language_model": None, "weight": 0.0, "bonus": 0.0}
FUSED = {"language_model": LANGUAGE, "weight": 0.7, "bonus": 0.4}


def outputs(batch, frames, symbols, seed=0, peak=1.0):
    """Log probabilities of nets that never were."""
    random = np.random.default_rng(seed)
    return tf.nn.log_softmax(random.normal(size=(batch, frames, symbols)).astype("float32") * peak)


def spelt(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def paths(log_probs):
    """Every path over `(frames, symbols)` and its log probability."""
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        yield path, sum(float(log_probs[frame, symbol]) for frame, symbol in enumerate(path))


def said(text, language_model, weight, bonus):
    """What the language model adds to a text."""
    if language_model is None:
        return bonus * len(text)
    state, total = language_model.start_states(1), bonus * len(text)
    for symbol in (*text, 0):
        log_prob, state = language_model.step(state, tf.constant([symbol]))
        total += weight * float(log_prob[0])
    return total


def rows(ids, counts):
    return [tuple(row[:count].tolist()) for row, count in zip(ids.numpy(), counts.numpy())]


def test_greedy_merges_repeats_and_removes_blanks():
    paths = [[1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 0], [2, 1, 1, 1, 0, 2], [1, 1, 1, 1, 1, 1]]
    ids, counts = ctc.greedy(tf.one_hot(paths, 3), tf.constant([6, 6, 4, 0]))
    assert ids.numpy().tolist() == [[1, 1, 2], [0, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert counts.numpy().tolist() == [3, 0, 2, 0]


@pytest.mark.parametrize("fusion", [NONE, FUSED], ids=["alone", "with a language model"])
def test_a_wide_beam_finds_all_texts_with_the_probability_of_all_their_paths(fusion):
    lengths = [5, 0, 3, 1]
    log_probs = outputs(4, 5, 4)
    ids, counts, scores = ctc.prefix_beam(log_probs, tf.constant(lengths), beam=200, candidates=9, **fusion)
    for place, length in enumerate(lengths):
        total = collections.defaultdict(float)
        for path, log_prob in paths(log_probs.numpy()[place, :length]):
            total[spelt(path)] += math.exp(log_prob)
        expected = {text: math.log(chance) + said(text, **fusion) for text, chance in total.items()}
        listed = zip(rows(ids[place], counts[place]), scores[place].numpy().tolist())
        listed = [(text, score) for text, score in listed if score > -math.inf]
        found = dict(listed)
        assert len(listed) == len(found) and set(found) == set(expected)
        for text, score in expected.items():
            assert found[text] == pytest.approx(score, abs=1e-4)
        assert scores[place].numpy().tolist() == sorted(scores[place].numpy().tolist(), reverse=True)


def by_dictionaries(log_probs, beam, candidates, language_model, weight, bonus):
    """Prefix beam search once more, prefix by prefix, as Hannun et al. (2014) write it."""

    def add(first, second):
        return np.logaddexp(first, second)

    kept = {(): (0.0, -math.inf)}
    heard = {(): 0.0}
    states = {(): None if language_model is None else language_model.start_states(1)}
    for frame in log_probs.astype(float):
        new = collections.defaultdict(lambda: (-math.inf, -math.inf))
        best = 1 + np.argsort(-frame[1:], kind="stable")[:candidates]
        for prefix, (ended, open_) in kept.items():
            total = add(ended, open_)
            blank, symbol = new[prefix]
            new[prefix] = (add(blank, total + frame[0]), add(symbol, open_ + frame[prefix[-1]] if prefix else -math.inf))
            for c in best.tolist():
                longer = (*prefix, c)
                blank, symbol = new[longer]
                new[longer] = (blank, add(symbol, (ended if prefix and prefix[-1] == c else total) + frame[c]))
                if longer not in heard:
                    heard[longer] = heard[prefix] + bonus
                    if language_model is not None:
                        log_prob, states[longer] = language_model.step(states[prefix], tf.constant([c]))
                        heard[longer] += weight * float(log_prob[0])
        order = sorted(new, key=lambda prefix: -(add(*new[prefix]) + heard[prefix]))
        kept = {prefix: new[prefix] for prefix in order[:beam]}
    scores = {prefix: float(add(*kept[prefix])) + heard[prefix] for prefix in kept}
    if language_model is not None:
        scores = {
            p: score + weight * float(language_model.step(states[p], tf.constant([0]))[0][0]) for p, score in scores.items()
        }
    return sorted(scores.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("fusion", [NONE, FUSED], ids=["alone", "with a language model"])
@pytest.mark.parametrize(("beam", "candidates", "peak"), [(6, 3, 1.0), (8, 2, 3.0), (1, 3, 2.0)])
def test_a_narrow_beam_is_that_of_dictionaries(beam, candidates, peak, fusion):
    lengths = [30, 17, 1]
    log_probs = outputs(3, 30, 4, seed=3, peak=peak)
    ids, counts, scores = ctc.prefix_beam(log_probs, tf.constant(lengths), beam, candidates, **fusion)
    for place, length in enumerate(lengths):
        expected = by_dictionaries(log_probs.numpy()[place, :length], beam, candidates, **fusion)
        found = list(zip(rows(ids[place], counts[place]), scores[place].numpy().tolist()))[: len(expected)]
        assert [text for text, _ in found] == [text for text, _ in expected]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in expected], atol=2e-3)


def test_a_prefix_that_left_the_beam_and_came_back_is_still_one():
    for seed in range(20):
        ids, counts, scores = ctc.prefix_beam(outputs(1, 40, 3, seed), tf.constant([40]), beam=5)
        alive = int(np.sum(scores.numpy() > -math.inf))
        assert len(set(rows(ids[0], counts[0])[:alive])) == alive == 5


def test_neighbours_and_padding_change_no_search():
    log_probs, lengths = outputs(3, 24, 4, peak=2.0).numpy(), [24, 11, 7]
    padded = np.concatenate([log_probs, outputs(3, 9, 4, seed=8).numpy()], axis=1)
    together = ctc.prefix_beam(tf.constant(padded), tf.constant(lengths), 7, **FUSED)
    spans = ctc.align(tf.constant(padded), tf.constant(lengths), together[0][:, 0], together[1][:, 0])
    best = ctc.greedy(tf.constant(padded), tf.constant(lengths))
    for place, length in enumerate(lengths):
        own = (tf.constant(log_probs[place : place + 1, :length]), tf.constant([length]))
        ids, counts, scores = ctc.prefix_beam(*own, 7, **FUSED)
        assert rows(ids[0], counts[0]) == rows(together[0][place], together[1][place])
        np.testing.assert_allclose(scores[0], together[2][place], atol=1e-5)
        count = int(counts[0, 0])
        for whole, alone in zip(spans, ctc.align(*own, ids[:, 0], counts[:, 0])):
            np.testing.assert_allclose(whole[place, :count], alone[0, :count], atol=1e-6)
            assert not whole[place, count:].numpy().any()
        assert rows(*ctc.greedy(*own)) == [rows(*best)[place]]


def test_a_text_is_as_likely_as_its_perplexity_says():
    ids = np.zeros((len(TEXTS) + 1, 7), "int32")
    for row, text in zip(ids, TEXTS):
        row[: len(text)] = np.array(TOKENIZER.ids(text)) - UNKNOWN
    counts = np.array([*map(len, TEXTS), 0], "int32")
    found = log_probability(LANGUAGE, tf.constant(ids), tf.constant(counts))
    expected = [-(len(text) + 1) * np.log(LANGUAGE.perplexity([text])) for text in [*TEXTS, ""]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_run_of_certain_blanks_is_read_as_one_and_still_parts_characters():
    path = [1, 0, 0, 0, 0, 1, 0, 2, 0, 0]
    log_probs = tf.nn.log_softmax(tf.one_hot([path], 3) * 12)
    exact = ctc.prefix_beam(log_probs, tf.constant([10]))
    quick = ctc.prefix_beam(log_probs, tf.constant([10]), certain=0.999)
    assert rows(quick[0][0], quick[1][0])[0] == rows(exact[0][0], exact[1][0])[0] == (1, 1, 2)
    assert float(quick[2][0, 0]) == pytest.approx(float(exact[2][0, 0]), abs=1e-3)
    shorter, lengths = ctc._without_certain_blanks(log_probs, tf.constant([10]), 0.999)
    assert tf.argmax(shorter[0], axis=1).numpy().tolist() == [1, 0, 1, 0, 2, 0] and lengths.numpy() == [6]


@pytest.mark.parametrize("text", [(), (1,), (1, 1), (2, 1, 2), (3, 3), (1, 2, 3)])
def test_characters_stand_where_the_best_of_all_paths_has_them(text):
    for seed in range(8):
        log_probs = outputs(1, 6, 4, seed)
        _, path = max((log_prob, path) for path, log_prob in paths(log_probs.numpy()[0]) if spelt(path) == text)
        runs, frame = [], 0
        for symbol, group in itertools.groupby(path):
            end = frame + len(list(group))
            runs += [(frame, end, math.exp(log_probs.numpy()[0, frame:end, symbol].max()))] if symbol else []
            frame = end
        found = ctc.align(log_probs, tf.constant([6]), tf.constant([text], tf.int32), tf.constant([len(text)]))
        np.testing.assert_allclose(np.stack([f.numpy()[0] for f in found], 1), np.reshape(runs, (-1, 3)), rtol=1e-5)


def test_texts_of_different_lengths_are_aligned_together():
    texts, lengths = [(1, 2, 1), (3,), ()], [6, 4, 0]
    log_probs = outputs(3, 6, 4, seed=5)
    padded = tf.constant([[*text, 0, 0, 0][:3] for text in texts])
    together = ctc.align(log_probs, tf.constant(lengths), padded, tf.constant([3, 1, 0]))
    for place, (text, length) in enumerate(zip(texts, lengths)):
        own = log_probs[place : place + 1, :length], tf.constant([length]), tf.constant([text], tf.int32)
        for whole, alone in zip(together, ctc.align(*own, tf.constant([len(text)]))):
            np.testing.assert_allclose(whole[place, : len(text)], alone[0])
            assert not whole[place, len(text) :].numpy().any()


def test_a_text_without_room_has_no_place():
    found = ctc.align(outputs(1, 2, 4), tf.constant([2]), tf.constant([[1, 1]]), tf.constant([2]))
    assert not any(part.numpy().any() for part in found)


def test_the_greedy_text_is_aligned_along_the_best_path():
    log_probs = outputs(4, 50, 6, peak=2.0)
    ids, counts = ctc.greedy(log_probs, tf.fill([4], 50))
    first, end, _ = ctc.align(log_probs, tf.fill([4], 50), ids, counts)
    best = tf.argmax(log_probs, axis=2).numpy()
    for place in range(4):
        for character in range(int(counts[place])):
            assert set(best[place, first[place, character] : end[place, character]]) == {int(ids[place, character])}
    assert np.sum(end - first) == np.sum(best > 0)
