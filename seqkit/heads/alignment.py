"""Words on both sides of a translation, out of the pieces that were read and written, and how they belong together.

Convention: a word of the text is a piece that opens one, with the pieces behind it; a word of the source is what its pieces
cover without a gap. Of an input that is no text each step is by itself. Left out: the attention between them.
"""

import itertools

import numpy as np

from seqkit.results import Alignment, Token, Translation


def aligned(pieces, weights, left, right, source=None):
    """The alignment of one text.

    Args:
        pieces: list of `str` of which the text is made, a space before what opens a word, "" in the padding.
        weights: `(pieces, steps)` attention.
        left, right: `(steps,)` where each step begins and ends on the input; a step of no width is none.
        source: `str`, the input, where it is a text.

    Returns:
        `Alignment`.
    """
    pieces = list(itertools.takewhile(bool, pieces))
    opens = [place for place, piece in enumerate(pieces) if not place or piece[0].isspace()]
    groups = [range(*ends) for ends in itertools.pairwise([*opens, len(pieces)])]
    ends = list(itertools.accumulate(map(len, pieces)))
    offset = 1 if pieces and pieces[0][0] == " " else 0
    tokens, kept = [], []
    for group in groups:
        text = "".join(pieces[place] for place in group)
        end = ends[group[-1]] - offset
        if word := text.lstrip():
            tokens.append(Token(word, end - len(word), end))
            kept.append(group)
    steps = [place for place in range(len(left)) if right[place] > left[place]]
    starts = [place for at, place in enumerate(steps) if source is None or not at or left[place] > right[steps[at - 1]]]
    columns = [[step for step in steps if start <= step < stop] for start, stop in itertools.pairwise([*starts, len(left)])]
    sources = [
        Token(
            "" if source is None else source[int(left[column[0]]) : int(right[column[-1]])],
            float(left[column[0]]),
            float(right[column[-1]]),
        )
        for column in columns
    ]
    matrix = np.array([[weights[np.ix_(group, column)].sum(1).mean() for column in columns] for group in kept])
    return Alignment(sources, tokens, matrix.tolist())


def margins(text):
    """The white space before and behind what a text says; all of one that says nothing is behind."""
    return text[: len(text) - len(text.lstrip())] if text.strip() else "", text[len(text.rstrip()) :]


def joined_up(answers, begins):
    """Translations of the sentences of a text, which have the white space around them, and where they begin -> that of all."""
    text, sources, targets, places = "", [], [], []
    for answer, begin in zip(answers, begins):
        (before, after), alignment = margins(answer.source), answer.alignment
        text += before
        sources += [Token(token.text, token.start + begin, token.end + begin) for token in alignment.source]
        targets += [Token(token.text, token.start + len(text), token.end + len(text)) for token in alignment.target]
        places.append((len(alignment.target), len(alignment.source)))
        text += answer.text + after
    matrix, row, column = np.zeros((len(targets), len(sources))), 0, 0
    for answer, (rows, columns) in zip(answers, places):
        if rows and columns:
            matrix[row : row + rows, column : column + columns] = answer.alignment.weights
        row, column = row + rows, column + columns
    sizes = [max(len(answer.text), 1) for answer in answers]
    score = float(np.average([answer.score for answer in answers], weights=sizes))
    source = "".join(answer.source for answer in answers)
    return Translation(text, score, Alignment(sources, targets, matrix.tolist()), [(text, 1.0)], source)
