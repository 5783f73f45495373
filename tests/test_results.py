"""Answers, and explanations put together from pieces by hand."""

import matplotlib
import numpy as np
import pytest

from seqkit.results import Label, explain_words

matplotlib.use("agg")
ANSWER = Label("yes", 0.6, {"no": 0.3, "maybe": 0.1, "yes": 0.6})


def test_top_k_is_sorted_and_cut():
    assert ANSWER.top_k(2) == [("yes", 0.6), ("no", 0.3)]
    assert len(ANSWER.top_k(9)) == 3


def test_pieces_become_words():
    evidence = np.array([[0, 0, 3.0], [0, 0, 6.0], [3.0, 0, 0], [0, 0, 0]])
    found = explain_words(ANSWER, ["▁un", "kind", "▁end", "</s>"], np.array([0.1, 0.2, 0.3, 0.4]), evidence)
    assert found.tokens == ["unkind", "end", "(end)"]
    assert found.weights == pytest.approx([0.3, 0.3, 0.4])
    assert found.evidence == pytest.approx([6.0, -1.0, 0.0])  # of "yes", against the mean of all three


def test_an_explanation_can_be_drawn():
    found = explain_words(ANSWER, ["▁a", "</s>"], np.array([0.5, 0.5]), np.ones((2, 3)))
    left, right = found.plot().axes
    assert [text.get_text() for text in left.get_yticklabels()] == ["a", "(end)"]
    assert "yes 0.60" in left.get_title() and len(right.patches) == 2
