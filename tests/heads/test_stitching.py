"""Stitching, on transcripts that were written by hand."""

import pytest

from seqkit.heads.stitching import stitch
from seqkit.results import Character, Transcript


def heard(text, begin, score=0.5):
    """Each character a second long, from `begin` on."""
    characters = [Character(c, begin + place, begin + place + 1.0, 0.9) for place, c in enumerate(text)]
    return Transcript(text, score, characters, [])


@pytest.mark.parametrize(
    ("first", "second", "begin", "text"),
    [
        ("one two thr", "two three", 4, "one two three"),  # the word that the edge cut off comes from the other
        ("one two three", "wo three four", 5, "one two three four"),
        ("one two three", "xo tree four", 5, "one two tree four"),  # nothing in common: in the middle, at 9
        ("one", "two", 4, "one two"),
        ("", "two", 4, "two"),
        ("one", "", 4, "one"),
        ("a a a a a a", "a a a a", 6, "a a a a a a a"),
    ],
)
def test_two_pieces_are_one(first, second, begin, text):
    found = stitch([heard(first, 0.0), heard(second, 0.0, 0.7)], [0.0, float(begin)])
    assert found.text == text and found.alternatives == [(text, 1.0)]
    lefts = [character.left for character in found.characters]
    assert lefts == sorted(lefts) and "".join(c.character for c in found.characters) == text
    sizes = max(len(first), 1), max(len(second), 1)
    assert found.score == pytest.approx((0.5 * sizes[0] + 0.7 * sizes[1]) / sum(sizes))


def test_many_pieces_are_one_with_places_from_the_begin_on():
    text = "zero one two three four five six seven eight nine ten eleven twelve"
    begins = [0.0, 15.0, 30.0, 45.0]
    pieces = [heard(text[int(begin) : int(begin) + 25], 0.0) for begin in begins]
    found = stitch(pieces, begins)
    assert found.text == text
    assert [character.left for character in found.characters] == [float(place) for place in range(len(text))]
