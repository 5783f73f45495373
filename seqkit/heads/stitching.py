"""Stitching: transcripts of overlapping pieces of a recording -> one of all of it.

Convention: where two pieces overlap, both have heard the same words, each worst at its own edge. Their words there are aligned
(Ratcliff and Obershelp, 1988), and one goes over to the other at the word in common that is nearest to the middle; where they
have none, in the middle. Left out: speech that is cut by the edge of both.
"""

import difflib
import itertools

from seqkit.results import Character, Transcript, by_word


def stitch(transcripts, begins):
    """Makes one transcript of several.

    Args:
        transcripts: list of `Transcript`s of pieces, in order, each with places from its own begin on.
        begins: list of float, where the pieces begin.

    Returns:
        A `Transcript` with places from the first begin on. Its score is the mean, each character counted alike, and it is
        its own alternative.
    """
    words = []
    for transcript, begin in zip(transcripts, begins):
        new = by_word(c._replace(left=c.left + begin, right=c.right + begin) for c in transcript.characters)
        words = _joined(words, new, begin) if words else new
    characters = _spaced(words)
    sizes = [max(len(transcript.characters), 1) for transcript in transcripts]
    score = sum(size * transcript.score for size, transcript in zip(sizes, transcripts)) / sum(sizes)
    text = "".join(character.character for character in characters)
    return Transcript(text, score, characters, [(text, 1.0)])


def _joined(before, after, begin):
    """The words of two pieces, of which the second begins at `begin`, as those of one."""
    end = before[-1][-1].right
    middle = (begin + max(end, begin)) / 2
    first = next((place for place, word in enumerate(before) if word[-1].right > begin), len(before))
    last = next((place for place, word in enumerate(after) if word[0].left >= end), len(after))
    spelt = [["".join(c.character for c in word) for word in words] for words in (before[first:], after[:last])]
    blocks = difflib.SequenceMatcher(None, *spelt, autojunk=False).get_matching_blocks()
    pairs = [(first + block.a + place, block.b + place) for block in blocks for place in range(block.size)]
    if pairs:
        one, other = min(pairs, key=lambda pair: abs(_middle(before[pair[0]]) - middle))
        return before[: one + 1] + after[other + 1 :]
    return [word for word in before if _middle(word) < middle] + [word for word in after if _middle(word) >= middle]


def _middle(word):
    return (word[0].left + word[-1].right) / 2


def _spaced(words):
    """Words -> their characters, with a space between two."""
    characters = list(words[0]) if words else []
    for one, other in itertools.pairwise(words):
        gap = Character(" ", one[-1].right, max(other[0].left, one[-1].right), min(one[-1].confidence, other[0].confidence))
        characters += [gap, *other]
    return characters
