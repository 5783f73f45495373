"""What is learnt of n-grams, and that the layer votes as the regression would."""

import numpy as np
import pytest

from seqkit.encoders import lexicon
from seqkit.encoders.ngrams import NgramVotes

GOOD, BAD, FILM, NOT = 10, 11, 12, 13
ROWS = [[GOOD, FILM], [FILM, GOOD], [NOT, BAD, FILM], [BAD, FILM], [FILM, BAD], [NOT, GOOD, FILM]] * 3
LABELS = [1, 1, 1, 0, 0, 0] * 3


def votes_of(rows, learnt):
    layer = NgramVotes(*learnt)
    return np.stack([layer(np.array([row]), np.array([len(row)])).numpy().sum((0, 1)) for row in rows])


def test_votes_tell_the_labels_apart_even_by_negation():
    learnt = lexicon.learn_votes([np.array(row) for row in ROWS], LABELS, 2, 100)
    assert votes_of(ROWS, learnt).argmax(1).tolist() == LABELS


def test_a_word_of_both_sides_has_less_to_say():
    ngrams, votes, _ = lexicon.learn_votes([np.array(row) for row in ROWS], LABELS, 2, 100)
    vote = {tuple(ngram): abs(vote[1] - vote[0]) for ngram, vote in zip(ngrams.tolist(), votes.astype(float))}
    assert vote[0, 0, FILM] < vote[0, NOT, BAD]


def test_only_so_many_are_kept():
    ngrams, votes, every = lexicon.learn_votes([np.array(row) for row in ROWS], LABELS, 2, 4)
    assert ngrams.shape == (4, 3) and votes.shape == (4, 2) and every.shape == (2,)


def test_three_labels_get_three_columns():
    rows = [np.array(row) for row in ([GOOD], [BAD], [FILM])] * 4
    learnt = lexicon.learn_votes(rows, [0, 1, 2] * 4, 3, 50)
    assert votes_of(rows, learnt).argmax(1).tolist() == [0, 1, 2] * 4


def test_the_abstaining_label_gets_no_votes_and_its_texts_pull_words_to_the_middle():
    rows = [np.array(row) for row in ([GOOD, FILM], [BAD], [GOOD], [BAD, NOT])]
    plain = [np.array([FILM])] * 6
    without = lexicon.learn_votes(rows * 4, [2, 0, 2, 0] * 4, 3, 50, abstaining=1)
    learnt = lexicon.learn_votes(rows * 4 + plain, [2, 0, 2, 0] * 4 + [1] * 6, 3, 50, abstaining=1)
    assert not learnt[1][:, 1].any() and learnt[2][1] == 0
    assert votes_of(rows, learnt).argmax(1).tolist() == [2, 0, 2, 0]
    film, film_before = (votes_of(plain[:1], found)[0] for found in (learnt, without))
    assert abs(film[2] - film[0]) < abs(film_before[2] - film_before[0])


def test_it_comes_back_from_its_bytes():
    learnt = lexicon.learn_votes([np.array(row) for row in ROWS], LABELS, 2, 5)
    for one, other in zip(learnt, lexicon.from_bytes(lexicon.to_bytes(*learnt))):
        np.testing.assert_array_equal(one, other)


def test_one_label_is_nothing_to_tell_apart():
    with pytest.raises(ValueError, match="fewer than two labels"):
        lexicon.learn_votes([np.array([GOOD])] * 3, [0, 0, 0], 2, 5)
    with pytest.raises(ValueError, match="fewer than two labels"):
        lexicon.learn_votes([np.array([GOOD]), np.array([FILM])], [0, 1], 2, 5, abstaining=1)
