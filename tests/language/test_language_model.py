"""The language model against counts made by hand, and against dictionaries."""

import collections
import math

import numpy as np
import pytest
import tensorflow as tf

from seqkit.language import language_model
from seqkit.language.language_model import LanguageModel, learn
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet

RANDOM = np.random.default_rng(0)
WORDS = ["the", "cat", "sat", "on", "a", "mat", "and", "ran", "to", "the", "other", "cat", "at", "noon"]
TEXTS = [" ".join(RANDOM.choice(WORDS, RANDOM.integers(1, 7))) for _ in range(200)]
TOKENIZER = CharacterTokenizer(learn_alphabet([*TEXTS, "z"]))


def model(order, texts=TEXTS, tokenizer=TOKENIZER):
    return LanguageModel(learn(texts, tokenizer, order))


def states_of(made, texts):
    """The state after each text, read symbol by symbol."""
    states = []
    for text in texts:
        state = made.start_states(1)
        for id in TOKENIZER.ids(text):
            _, state = made.step(state, tf.constant([id - 3]))
        states.append(state)
    return tf.concat(states, 0)


@pytest.mark.parametrize("order", [1, 2, 3, 5])
def test_the_symbols_after_any_history_share_probability_one(order):
    made = model(order)
    states = states_of(made, ["", "t", "the c", "zzzz", "on a mat", "tnzoa", " ", "the cat sat "])
    log_probs, _ = made.step(states[:, None], tf.range(made.size)[None])
    np.testing.assert_allclose(np.exp(log_probs).sum(1), 1, atol=1e-5)


def test_bigrams_counted_by_hand(monkeypatch):
    monkeypatch.setattr(language_model, "_discounts", lambda counts: np.array([0, 0.5, 0.75, 1.0]))
    made = model(2, ["ab", "ab", "aa"], CharacterTokenizer(learn_alphabet(["ab"])))
    # Bigrams: start-a 3; a-b 2, a-a 1, a-end 1; b-end 2. Kinds they follow: end 2 (a, b), a 2 (start, a), b 1 (a): 5.
    # Left for the uniform third: (0.75 + 0.75 + 0.5) / 5.
    shorter = {"end": 1.25 / 5 + 0.4 / 3, "b": 0.5 / 5 + 0.4 / 3}
    left = (0.75 + 0.5 + 0.5) / 4
    log_probs, after = made.step(tf.constant([1, 1, 2], tf.int64), tf.constant([2, 0, 2]))
    expected = [1.25 / 4 + left * shorter["b"], 0.5 / 4 + left * shorter["end"], 0.75 / 2 * shorter["b"]]
    np.testing.assert_allclose(np.exp(log_probs), expected, rtol=1e-5)
    assert after.numpy().tolist() == [2, 0, 2]


def by_dictionaries(texts, order, size):
    """Modified Kneser-Ney once more: recursive, over tuples."""
    raw = [collections.Counter() for _ in range(order)]
    for text in texts:
        line = (0, *(id - 3 for id in TOKENIZER.ids(text)), 0)
        for end in range(1, len(line)):
            for length in range(1, min(order, end + 1) + 1):
                raw[length - 1][line[end + 1 - length : end + 1]] += 1
    counts = []
    for length in range(1, order + 1):
        count = dict(raw[length - 1])
        if length < order:
            before = collections.defaultdict(set)
            for ngram in raw[length]:
                before[ngram[1:]].add(ngram[0])
            count = {g: n if length > 1 and g[0] == 0 else len(before[g]) for g, n in count.items()}
        counts.append(count)
    discounts = [language_model._discounts(np.array(list(count.values()))) for count in counts]
    followers = [collections.defaultdict(dict) for _ in range(order)]
    for length, count in enumerate(counts):
        for ngram, number in count.items():
            followers[length][ngram[:-1]][ngram[-1]] = number

    def probability(history, symbol):
        shorter = probability(history[1:], symbol) if history else 1 / size
        here = followers[len(history)].get(history)
        if here is None:
            return shorter
        discount = [discounts[len(history)][min(number, 3)] for number in here.values()]
        own = here[symbol] - discounts[len(history)][min(here[symbol], 3)] if symbol in here else 0
        return (own + sum(discount) * shorter) / sum(here.values())

    return probability


@pytest.mark.parametrize("order", [1, 3, 4, 6])
def test_dictionaries_give_the_same_probabilities(order):
    made, probability = model(order), by_dictionaries(TEXTS, order, TOKENIZER.size - 3)
    for text in ("the cat sat", "zoo thecat", "", "nnnnn"):
        line, state = (0, *(id - 3 for id in TOKENIZER.ids(text)), 0), made.start_states(1)
        for end in range(1, len(line)):
            log_prob, state = made.step(state, tf.constant([line[end]]))
            expected = probability(line[max(0, end + 1 - order) : end], line[end])
            assert math.exp(log_prob[0]) == pytest.approx(expected, rel=1e-4), (text, end)


def test_perplexity_is_that_of_the_symbols_one_by_one():
    made = model(4)
    total = count = 0
    for text in ("the cat", "a mat"):
        state = made.start_states(1)
        for id in [*TOKENIZER.ids(text), 3]:
            log_prob, state = made.step(state, tf.constant([id - 3]))
            total, count = total - float(log_prob[0]), count + 1
    assert made.perplexity(["the cat", "a mat"]) == pytest.approx(math.exp(total / count), rel=1e-5)


def test_a_longer_memory_serves_held_out_text_better():
    found = [model(order, TEXTS[:150]).perplexity(TEXTS[150:]) for order in (1, 2, 3)]
    assert found == sorted(found, reverse=True) and found[-1] < found[0] / 3


def test_it_answers_in_graph_for_shapes_that_broadcast():
    made = model(3)
    states = states_of(made, ["a", "the", "on"])
    symbols = tf.constant([[1, 2], [3, 4], [5, 0]])
    together = tf.function(made.step)(states[:, None], symbols)
    for row in range(3):
        for column in range(2):
            alone = made.step(states[row], symbols[row, column])
            for whole, one in zip(together, alone):
                assert whole[row, column].numpy() == one.numpy()


def test_characters_outside_the_alphabet_are_left_out():
    assert model(3).perplexity(["the? cat"]) == model(3).perplexity(["the cat"])
    assert learn(["the c?at"], TOKENIZER) == learn(["the cat"], TOKENIZER)


def test_the_smallest_texts_are_enough():
    for text in ("", "a", "aaaa"):
        made = model(4, [text])
        log_probs, _ = made.step(states_of(made, ["", "ta"])[:, None], tf.range(made.size)[None])
        np.testing.assert_allclose(np.exp(log_probs).sum(1), 1, atol=1e-5)


def test_what_cannot_be_learnt_is_refused():
    with pytest.raises(ValueError, match="received no line"):
        learn([], TOKENIZER)
    with pytest.raises(ValueError, match=r"40 of 14 symbols do not fit. Choose an order from 1 to 16"):
        learn(TEXTS, TOKENIZER, order=40)
