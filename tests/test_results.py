"""Answers, and explanations put together from pieces by hand."""

import matplotlib
import numpy as np
import pytest

from seqkit.results import Character, Label, Transcript, explain_words

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


READ = [Character("H", 3.0, 12.0, 0.9), Character(" ", 14.0, 20.0, 0.4), Character("$", 22.0, 29.0, 1.0)]
TRANSCRIPT = Transcript("H $", 0.8, READ, [("H $", 0.7), ("N $", 0.3)])


@pytest.mark.parametrize("image", [None, np.zeros((32, 40)), np.zeros((32, 40, 3), np.uint8)])
def test_a_transcript_is_drawn_under_its_picture(image):
    figure = TRANSCRIPT.plot(image)
    shown = figure.axes[-1]
    assert [(text.get_text(), text.get_position()[0]) for text in shown.texts] == [("H", 7.5), ("␣", 17.0), ("$", 25.5)]
    assert len(figure.axes) == (1 if image is None else 2)
    assert shown.get_xlim() == pytest.approx((0, 29 * 1.02 if image is None else 40))
    assert "0.80" in figure.get_suptitle()
    figure.canvas.draw()


def test_a_transcript_is_drawn_over_its_recording():
    figure = Transcript("H $", 0.8, [c._replace(left=c.left / 40, right=c.right / 40) for c in READ], []).plot(
        audio=np.zeros(16000)
    )
    above, below = figure.axes
    assert [(text.get_text(), text.get_position()[0]) for text in above.texts] == [("H", 0.1875), ("$", pytest.approx(0.6375))]
    assert [text.get_text() for text in below.texts] == ["H", "␣", "$"]
    assert above.images[0].get_array().shape == (80, 101) and below.get_xlim() == (0, 1)
    figure.canvas.draw()


def test_an_empty_transcript_can_be_drawn():
    Transcript("", 0.1, [], []).plot(audio=np.zeros(0)).canvas.draw()
    Transcript("", 0.1, [], [("", 1.0)]).plot().canvas.draw()
