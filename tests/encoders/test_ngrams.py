"""N-gram votes counted by hand."""

import numpy as np
import pytest

from seqkit.encoders.ngrams import LENGTH, NgramVotes, keys

# Votes for the unigram 5, the bigram 5 6, the trigram 5 6 7 and the bigram START 5.
NGRAMS = np.array([[0, 0, 5], [0, 5, 6], [5, 6, 7], [0, 1, 5]])
VOTES = np.array([[1.0], [10.0], [100.0], [1000.0]])


def total(ids, length=None):
    layer = NgramVotes(NGRAMS, VOTES, every=[0.0])
    return layer(np.array([ids]), np.array([length or len(ids)])).numpy()[0, :, 0]


@pytest.mark.parametrize(
    "ids, distinct, expected",
    [
        # n-grams: 6 | START 6; then per further id: itself, the pair, the triple
        ([6], 2, [0]),
        ([5], 2, [1001]),
        ([6, 5], 5, [0, 1]),
        ([5, 6], 5, [1001, 10]),
        ([5, 6, 7], 8, [1001, 10, 100]),
    ],
)
def test_each_ngram_votes_where_it_ends(ids, distinct, expected):
    np.testing.assert_allclose(total(ids), np.array(expected) * distinct**-LENGTH, rtol=1e-5)


def test_a_repeated_ngram_votes_once():
    # 5 5 5: distinct are 5, START 5, 5 5, START 5 5, 5 5 5.
    assert total([5, 5, 5]).sum() == pytest.approx(1001 * 5**-LENGTH, rel=1e-5)


def test_padding_has_no_vote():
    np.testing.assert_allclose(total([5, 6, 5, 6, 7], length=2), [*total([5, 6]), 0, 0, 0])


def test_every_text_gets_its_vote_at_its_last_step():
    layer = NgramVotes(NGRAMS, VOTES, every=[0.5])
    assert layer(np.array([[8, 8, 0]]), np.array([2])).numpy()[0, :, 0].tolist() == [0, 0.5, 0]


def test_keys_are_the_same_in_graph_and_in_numpy():
    random = np.random.default_rng(0)
    ngrams = random.integers(0, 65536, size=(500, 3))
    votes = np.arange(1, 501)[:, None]
    layer = NgramVotes(ngrams, votes, every=[0.0])
    for place in (0, 7, 499):
        ids = np.array([ngrams[place]])
        found = layer(ids, np.array([3])).numpy()[0, 2, 0] * 8**LENGTH
        assert found == pytest.approx(place + 1, rel=1e-4)
    assert len(np.unique(keys(ngrams))) == 500
