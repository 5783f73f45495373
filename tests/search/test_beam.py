"""The beam search against a plain one in Python that goes through one row at a time, over a small random decoder."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.parts import END, START, UNKNOWN
from seqkit.search.beam import LOWEST, Prefix, beam_search

VOCABULARY, WIDTH, STEPS = 9, 5, 4
RANDOM = np.random.default_rng(3)
PIECES = RANDOM.normal(size=(VOCABULARY, WIDTH)).astype(np.float32)
STATES = RANDOM.normal(size=(WIDTH, WIDTH)).astype(np.float32)
OUTPUTS = 1.5 * RANDOM.normal(size=(WIDTH, VOCABULARY)).astype(np.float32)
LIMITS = [6, 9, 3, 12, 1]
SOURCES = RANDOM.normal(size=(len(LIMITS), STEPS, WIDTH)).astype(np.float32)


def step(tokens, state, memory):
    h = tf.tanh(tf.gather(PIECES, tokens) + tf.einsum("rbw,wv->rbv", state["h"], STATES))
    weights = tf.nn.softmax(tf.einsum("rbw,rsw->rbs", h, memory["sources"]))
    context = tf.einsum("rbs,rsw->rbw", weights, memory["sources"])
    return tf.nn.log_softmax(tf.einsum("rbw,wv->rbv", h + context, OUTPUTS)), weights, {"h": h}


def search(beam, copyable=None, rows=slice(None), **settings):
    limits = np.array(LIMITS, np.int32)[rows]
    copyable = np.zeros((len(LIMITS), STEPS), bool) if copyable is None else copyable
    memory = {
        "sources": SOURCES[rows],
        "limit": limits,
        "real": np.ones((len(limits), STEPS), bool),
        "copyable": copyable[rows],
    }
    memory = {name: tf.constant(value) for name, value in memory.items()}
    state = {"h": tf.zeros([len(limits), beam, WIDTH])}
    found = tf.function(lambda: beam_search(step, state, memory, beam, **settings), autograph=False)()
    return type(found)(*(value.numpy() for value in found))


def plain_step(token, h, row):
    h = np.tanh(PIECES[token] + h @ STATES)
    scores = SOURCES[row] @ h
    weights = np.exp(scores - scores.max()) / np.exp(scores - scores.max()).sum()
    logits = (h + weights @ SOURCES[row]) @ OUTPUTS
    return logits - np.log(np.exp(logits).sum()), weights, h


def plain_search(row, beam, alpha=0.0, beta=0.0, no_repeat=0, prefix="", copyable=()):
    """Pieces and score of each finished hypothesis of a row, best first, and the attention of the best."""
    alive = [([], 0.0, np.zeros(WIDTH), [], START)]
    pool = []

    def score(log_prob, weights, length):
        covered = np.log(np.minimum(np.sum([np.zeros(STEPS), *weights], axis=0).clip(1e-6), 1)).sum()
        return log_prob / ((5 + length) / 6) ** alpha + beta * covered

    for t in range(LIMITS[row]):
        grown = []
        for pieces, log_prob, h, weights, last in alive:
            log_probs, attention, h = plain_step(last, h, row)
            left = len(copyable) - pieces.count(UNKNOWN)
            log_probs = np.array(log_probs, float)
            if left:
                log_probs[UNKNOWN] = np.logaddexp(log_probs[UNKNOWN], log_probs[END])
            log_probs[END if left else UNKNOWN] = -np.inf
            log_probs[[0, START]] = -np.inf
            if left and left >= LIMITS[row] - t:
                log_probs[np.arange(VOCABULARY) != UNKNOWN] = -np.inf
            for piece in range(VOCABULARY):
                whole = [*pieces, piece]
                size = no_repeat
                if size and len(whole) >= size:
                    runs = [whole[at : at + size] for at in range(len(whole) - size + 1)]
                    if runs.count(runs[-1]) > 1:
                        continue
                so_far = "".join(SPELT[each] for each in pieces)
                written = so_far + SPELT[piece]
                if len(so_far) < len(prefix) and not (
                    SPELT[piece] and (prefix.startswith(written) or written.startswith(prefix))
                ):
                    continue
                if np.isfinite(log_probs[piece]):
                    grown.append((whole, log_prob + log_probs[piece], h, weights, attention, piece))
        grown.sort(key=lambda each: -each[1])
        for whole, log_prob, _, weights, _, piece in grown[:beam]:
            if piece == END:
                pool.append((whole[:-1], score(log_prob, weights, t), weights))
        going = [each for each in grown if each[-1] != END][:beam]
        alive = [(whole, lp, h, [*weights, a], piece) for whole, lp, h, weights, a, piece in going]
        pool.sort(key=lambda each: -each[1])
        pool = pool[:beam]
        if len(pool) == beam:
            break
    if not pool:
        pool = [(whole, score(lp, weights, len(whole)), weights) for whole, lp, _, weights, _ in alive]
        pool = sorted(pool, key=lambda each: -each[1])[:beam]
    return pool


SPELT = ["", "", "", "", "a", "b", "ab", "ba", "abb"]  # what pieces write, for prefixes
CASES = [
    {},
    {"length_penalty": 1.0},
    {"length_penalty": 0.6, "coverage_penalty": 0.4},
    {"no_repeat": 1},
    {"no_repeat": 2},
    {"prefix": "abab"},
    {"prefix": "b", "length_penalty": 1.0},
]


@pytest.mark.parametrize("beam", [1, 2, 4])
@pytest.mark.parametrize("settings", CASES, ids=str)
def test_it_finds_what_a_plain_search_finds_row_by_row(beam, settings):
    given = dict(settings)
    if "prefix" in given:
        rests = [given["prefix"][at:] for at in range(len(given["prefix"]) + 1)]
        fits = [[bool(s) and (rest.startswith(s) or s.startswith(rest)) for s in SPELT] for rest in rests]
        given["prefix"] = Prefix(tf.constant(fits), tf.constant([len(spelt) for spelt in SPELT]))
    names = {"length_penalty": "alpha", "coverage_penalty": "beta"}
    found = search(beam, **given)
    for row in range(len(LIMITS)):
        expected = plain_search(row, beam, **{names.get(name, name): value for name, value in settings.items()})
        assert len(expected) == (found.scores[row] > LOWEST / 2).sum()
        for place, (pieces, score, weights) in enumerate(expected):
            assert found.ids[row, place, : found.lengths[row, place]].tolist() == pieces
            np.testing.assert_allclose(found.scores[row, place], score, rtol=1e-4)
            if place == 0 and pieces:
                np.testing.assert_allclose(found.weights[row, : len(pieces)], weights[: len(pieces)], atol=1e-5)
            assert not found.weights[row, len(pieces) :].any() or place


def test_all_that_can_be_copied_is_copied_once_before_a_text_ends():
    copyable = np.zeros((len(LIMITS), STEPS), bool)
    copyable[0, 2] = copyable[1, 0] = copyable[1, 3] = copyable[3, 1] = True
    found = search(3, copyable)
    for row in range(len(LIMITS)):
        places = np.flatnonzero(copyable[row])
        expected = plain_search(row, 3, copyable=places)
        for place, (pieces, score, _) in enumerate(expected):
            ids = found.ids[row, place, : found.lengths[row, place]]
            assert ids.tolist() == pieces
            np.testing.assert_allclose(found.scores[row, place], score, rtol=1e-4)
            copies = found.copied[row, place, : len(ids)][ids == UNKNOWN]
            assert len(set(copies)) == len(copies) and set(copies) <= set(places)
            assert set(copies) == set(places)


def test_what_is_copied_is_what_has_most_attention_of_what_is_left():
    copyable = np.zeros((len(LIMITS), STEPS), bool)
    copyable[3, [0, 1, 3]] = True
    found = search(1, copyable)
    ids, left = found.ids[3, 0], [0, 1, 3]
    for at in np.flatnonzero(ids == UNKNOWN):
        best = max(left, key=lambda place: found.weights[3, at, place])
        assert found.copied[3, 0, at] == best
        left.remove(best)
    assert not left


def test_a_row_is_searched_as_if_it_were_alone():
    together = search(3, length_penalty=1.0)
    for row in range(len(LIMITS)):
        alone = search(3, rows=slice(row, row + 1), length_penalty=1.0)
        longest = alone.ids.shape[2]
        np.testing.assert_array_equal(alone.ids[0], together.ids[row, :, :longest])
        np.testing.assert_allclose(alone.scores[0], together.scores[row], rtol=1e-5)


def test_noise_of_gumbel_draws_by_the_probabilities():
    rows = 4000
    memory = {
        "sources": tf.repeat(tf.constant(SOURCES[:1]), rows, axis=0),
        "limit": tf.ones([rows], tf.int32),
        "real": tf.ones([rows, STEPS], tf.bool),
        "copyable": tf.zeros([rows, STEPS], tf.bool),
    }

    def perturb(log_probs, t):
        return log_probs - tf.math.log(-tf.math.log(tf.random.stateless_uniform(tf.shape(log_probs), [7, 0], 1e-6, 1.0)))

    found = beam_search(step, {"h": tf.zeros([rows, 1, WIDTH])}, memory, 1, perturb=perturb)
    log_probs = plain_step(START, np.zeros(WIDTH), 0)[0]
    possible = [place for place in range(VOCABULARY) if place not in (0, START, UNKNOWN)]
    expected = np.exp(log_probs[possible]) / np.exp(log_probs[possible]).sum()
    drawn = np.where(found.lengths[:, 0] > 0, found.ids[:, 0, 0], END)
    shares = np.array([(drawn == place).mean() for place in possible])
    np.testing.assert_allclose(shares, expected, atol=4 * np.sqrt(0.25 / rows))
