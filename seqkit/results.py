"""What pipelines answer: small frozen dataclasses. Their field names are the exported signature's output names."""

import itertools
from dataclasses import asdict, dataclass
from typing import NamedTuple

import numpy as np

from seqkit.media.mels import mel_picture
from seqkit.media.pictures import read_picture


def drawing():
    """`matplotlib.pyplot`; an ImportError that says what to install where it is not."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise ImportError("Drawing needs matplotlib: pip install 'seqkit[plot]'.") from error
    return pyplot


@dataclass(frozen=True)
class Label:
    """One answer of several possible ones.

    Attributes:
        label: the most probable label, of the kind that the model was given: a text, or a number.
        score: its probability, 0 to 1.
        scores: every label's probability, in the model's order; they sum to 1.
    """

    label: str | int | float
    score: float
    scores: dict[str | int | float, float]

    def top_k(self, k):
        """The `k` most probable labels with their probabilities, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:k]

    def as_row(self):
        """What a table shows of it: dict of column -> text."""
        return {"label": str(self.label), "score": f"{self.score:.2f}"}

    def as_json(self):
        """All of it, as a dict that JSON takes."""
        return asdict(self)


@dataclass(frozen=True)
class Explanation:
    """What a label rests on. Words are as the model reads them: normalised, and the end of the text is `(end)`.

    Attributes:
        answer: the `Label`.
        tokens: the words.
        weights: how much attention each word got; they sum to 1.
        evidence: how much each word speaks for the label (above 0) or against it (below), in logits against the mean
            of all labels. Their sum, but for a constant, is what the softmax sees.
    """

    answer: Label
    tokens: list[str]
    weights: list[float]
    evidence: list[float]

    def plot(self):
        """Draws each word's evidence and attention side by side; returns the matplotlib figure."""
        pyplot = drawing()
        size = (7, 1.2 + 0.25 * len(self.tokens))
        figure, (left, right) = pyplot.subplots(1, 2, sharey=True, figsize=size, width_ratios=(3, 1), layout="constrained")
        places = range(len(self.tokens))
        left.barh(places, self.evidence, color=["tab:blue" if value > 0 else "tab:orange" for value in self.evidence])
        left.axvline(0, color="black", linewidth=0.8)
        left.set_yticks(places, self.tokens)
        left.invert_yaxis()
        left.set_xlabel("evidence: against ← logits → for")
        left.set_title(f"{self.answer.label} {self.answer.score:.2f}")
        right.barh(places, self.weights, color="tab:gray")
        right.set_xlabel("attention")
        return figure


class Character(NamedTuple):
    """One character of a transcript.

    Attributes:
        character: it.
        left, right: from where to where it was recognised, in pixels of the picture (upright, where a photograph says how
            it was held), or in steps of an input that is no picture. A network is sure of a character for a moment, so this
            is where it lies, not how wide it is.
        confidence: its probability there, 0 to 1.
    """

    character: str
    left: float
    right: float
    confidence: float


class Word(NamedTuple):
    """One word of a transcript: the characters between two spaces.

    Attributes:
        text: it.
        start, end: from where to where its characters were recognised: seconds, or pixels.
        confidence: the mean of its characters'.
    """

    text: str
    start: float
    end: float
    confidence: float


def by_word(characters):
    """Characters of a text, in order -> a list of each word's."""
    groups = itertools.groupby(characters, lambda character: character.character.isspace())
    return [list(group) for space, group in groups if not space]


@dataclass(frozen=True)
class Transcript:
    """What is written, or said.

    Attributes:
        text: the answer.
        score: the share of its characters that can be expected to be right, 0 to 1.
        characters: each `Character` of the text, in order.
        alternatives: `(text, share)` pairs, best first, the answer included: how the probability of the texts that were
            considered, the language model's share in it counted, is divided among them.
        final: false for what a stream has heard so far of words that still go on.
    """

    text: str
    score: float
    characters: list[Character]
    alternatives: list[tuple[str, float]]
    final: bool = True

    @property
    def words(self):
        """Each `Word` of the text, in order."""
        return [
            Word(
                "".join(character.character for character in word),
                word[0].left,
                word[-1].right,
                sum(character.confidence for character in word) / len(word),
            )
            for word in by_word(self.characters)
        ]

    def as_row(self):
        """What a table shows of it: dict of column -> text."""
        return {"score": f"{self.score:.2f}", "text": self.text}

    def as_json(self):
        """All of it, as a dict that JSON takes; each word and character is one too."""
        return {
            **asdict(self),
            "words": [word._asdict() for word in self.words],
            "characters": [character._asdict() for character in self.characters],
        }

    def plot(self, image=None, audio=None):
        """Draws the characters where they were recognised, the darker the surer; returns the matplotlib figure.

        Args:
            image: the picture that was read, in any form that was; without any, the characters are drawn alone.
            audio: the recording that was heard, in any form that was: drawn are how loud it is by time and pitch, its words,
                and below them how sure each character is.
        """
        pyplot = drawing()
        if audio is not None:
            return self._plot_heard(pyplot, audio)
        if image is None:
            figure, below = pyplot.subplots(figsize=(12, 0.9), layout="constrained")
            width = max([character.right for character in self.characters], default=1.0) * 1.02
        else:
            figure, (above, below) = pyplot.subplots(
                2, 1, sharex=True, figsize=(12, 2.2), height_ratios=(2, 1), layout="constrained"
            )
            image = np.asarray(read_picture(image, "The picture")[0])
            width = image.shape[1]
            above.imshow(image, cmap="gray", aspect="auto", extent=(0, width, 0, 1))
            above.set_yticks([])
            above.tick_params(axis="x", length=0)
        for character in self.characters:
            middle = (character.left + character.right) / 2
            if image is not None:
                above.axvline(middle, color="tab:blue", linewidth=0.6, alpha=0.5)
            shown = "␣" if character.character == " " else character.character
            colour = str(0.7 * (1 - character.confidence))
            below.text(middle, 0.5, shown, ha="center", va="center", color=colour, fontsize=11, parse_math=False)
        below.set_xlim(0, width)
        below.set_ylim(0, 1)
        below.set_yticks([])
        figure.suptitle(f"{self.text}   {self.score:.2f}", parse_math=False)
        return figure

    def _plot_heard(self, pyplot, audio):
        loudness, seconds = mel_picture(audio)
        width, bands = max(seconds, 1e-3), loudness.shape[1]
        figure, (above, below) = pyplot.subplots(
            2, 1, sharex=True, figsize=(12, 3.6), height_ratios=(3, 1), layout="constrained"
        )
        above.imshow(loudness.T, origin="lower", aspect="auto", extent=(0, width, 0, bands), cmap="magma")
        above.set_ylabel("mel band")
        above.tick_params(axis="x", length=0)
        for word in self.words:
            above.axvspan(word.start, word.end, fill=False, edgecolor="white", linewidth=0.8)
            above.text(
                (word.start + word.end) / 2,
                bands * 1.03,
                word.text,
                ha="center",
                va="bottom",
                fontsize=10,
                parse_math=False,
            )
        for character in self.characters:
            middle = (character.left + character.right) / 2
            below.vlines(middle, 0, character.confidence, color="tab:blue", linewidth=1.5)
            shown = "␣" if character.character == " " else character.character
            below.text(middle, character.confidence + 0.05, shown, ha="center", fontsize=9, parse_math=False)
        below.set(xlim=(0, width), ylim=(0, 1.3), xlabel="seconds", ylabel="confidence", yticks=(0, 1))
        figure.suptitle(f"{self.text}   {self.score:.2f}", parse_math=False)
        return figure


class Token(NamedTuple):
    """One word, or what is aligned as one.

    Attributes:
        text: it; "" where the input is no text.
        start, end: where it lies: characters of a text, seconds of a recording, pixels of a picture.
    """

    text: str
    start: float
    end: float


@dataclass(frozen=True)
class Alignment:
    """Which words of a text come from which of another, by the attention of the model that wrote it.

    Attributes:
        source, target: each `Token`, in order.
        weights: for each word of the target how much attention each of the source had while it was written, 0 to 1.
    """

    source: list[Token]
    target: list[Token]
    weights: list[list[float]]

    @property
    def pairs(self):
        """For each word of the target the one of the source with most attention: list of places `(source, target)`."""
        return [(max(range(len(row)), key=row.__getitem__), place) for place, row in enumerate(self.weights) if row]

    @property
    def pharaoh(self):
        """The pairs in the form of Pharaoh: "0-0 1-2"."""
        return " ".join(f"{source}-{target}" for source, target in sorted(self.pairs))

    def plot(self):
        """Draws the attention, the darker the more; returns the matplotlib figure."""
        pyplot = drawing()
        columns = [token.text or f"{token.start:.2f}" for token in self.source]
        rows = [token.text for token in self.target]
        size = (1.5 + 0.45 * max(len(columns), 1), 1.2 + 0.35 * max(len(rows), 1))
        figure, axes = pyplot.subplots(figsize=size, layout="constrained")
        if rows and columns:
            axes.imshow(np.array(self.weights), cmap="Blues", vmin=0, vmax=1, aspect="auto")
        axes.set_xticks(range(len(columns)), columns, rotation=60, ha="left", rotation_mode="anchor", parse_math=False)
        axes.set_yticks(range(len(rows)), rows, parse_math=False)
        axes.xaxis.tick_top()
        return figure


@dataclass(frozen=True)
class Translation:
    """A text in another language.

    Attributes:
        text: the answer.
        score: what chrF it can be expected to have, 0 to 1.
        alignment: which of its words come from where.
        alternatives: `(text, share)` pairs, best first, the answer included: how those that were considered compare.
        source: what was translated; None where that is no text.
        heard: the `Transcript` of what was translated, where that was said.
    """

    text: str
    score: float
    alignment: Alignment
    alternatives: list[tuple[str, float]]
    source: str | None = None
    heard: Transcript | None = None

    @property
    def words(self):
        """Each `Word` of the text, where the word of the source that it comes from lies, as far as its attention goes."""
        pairs = {target: source for source, target in self.alignment.pairs}
        places = ((place, self.alignment.source[pairs[place]]) for place in sorted(pairs))
        weights = self.alignment.weights
        return [
            Word(self.alignment.target[place].text, token.start, token.end, weights[place][pairs[place]])
            for place, token in places
        ]

    def as_row(self):
        """What a table shows of it: dict of column -> text."""
        return {"score": f"{self.score:.2f}", "text": self.text}

    def as_json(self):
        """All of it, as a dict that JSON takes."""
        tokens = {side: [token._asdict() for token in getattr(self.alignment, side)] for side in ("source", "target")}
        heard = {} if self.heard is None else {"heard": self.heard.as_json(), "words": [word._asdict() for word in self.words]}
        return {**asdict(self), "alignment": {**tokens, "weights": self.alignment.weights}, **heard}

    def plot(self):
        """Draws the alignment: see `Alignment.plot`."""
        return self.alignment.plot()


def explain_words(answer, pieces, weights, evidence):
    """Sums what pieces got over the words they make up.

    Args:
        answer: `Label`.
        pieces: list of `str`; `▁` opens a word.
        weights: `(steps,)` attention.
        evidence: `(steps, labels)`, in the order of `answer.scores`.

    Returns:
        An `Explanation`.
    """
    place = list(answer.scores).index(answer.label)
    shares = evidence[:, place] - evidence.mean(axis=1)
    words = []
    for piece, weight, share in zip(pieces, weights.tolist(), shares.tolist()):
        if piece.startswith("▁") or piece == "</s>" or not words:
            words.append(["(end)" if piece == "</s>" else piece.removeprefix("▁"), 0.0, 0.0])
        else:
            words[-1][0] += piece
        words[-1][1] += weight
        words[-1][2] += share
    tokens, weights, shares = map(list, zip(*words))
    return Explanation(answer, tokens, weights, shares)
