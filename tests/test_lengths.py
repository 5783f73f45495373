"""Counted by hand: masks, maxima and softmaxes over real steps only."""

import numpy as np

from seqkit import lengths

X = np.array([[[1.0], [3.0], [100.0]], [[2.0], [100.0], [100.0]]], "float32")
L = np.array([2, 1], "int32")


def test_mask_marks_the_first_steps():
    assert lengths.mask(L, 3).numpy().tolist() == [[True, True, False], [True, False, False]]


def test_padding_is_zeroed_even_where_it_is_not_a_number():
    bad = X.copy()
    bad[0, 2] = np.nan
    assert lengths.zero_padding(bad, L).numpy()[..., 0].tolist() == [[1, 3, 0], [2, 0, 0]]


def test_a_maximum_leaves_padding_out():
    assert lengths.masked_max(X, L).numpy().tolist() == [[3.0], [2.0]]
    assert lengths.masked_max(-X, L).numpy().tolist() == [[-1.0], [-2.0]]


def test_softmax_gives_padding_nothing():
    scores = np.log(np.array([[1.0, 3.0, 50.0], [5.0, 7.0, 9.0]], "float32"))
    np.testing.assert_allclose(lengths.masked_softmax(scores, L), [[0.25, 0.75, 0], [1, 0, 0]], atol=1e-6)
    huge = np.array([[1e4, -1e4, 0.0], [0.0, 1e9, 1e9]], "float32")
    np.testing.assert_allclose(lengths.masked_softmax(huge, L), [[1, 0, 0], [1, 0, 0]])
