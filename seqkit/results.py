"""What pipelines answer: small frozen dataclasses. Their field names are the exported signature's output names."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Label:
    """One answer of several possible ones.

    Attributes:
        label: the most probable label.
        score: its probability, 0 to 1.
        scores: every label's probability, in the model's order; they sum to 1.
    """

    label: str
    score: float
    scores: dict[str, float]

    def top_k(self, k):
        """The `k` most probable labels with their probabilities, best first."""
        return sorted(self.scores.items(), key=lambda item: -item[1])[:k]


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

    def plot(self, axes=None):
        """Draws the words with their evidence as bars and their attention as dots; returns the matplotlib axes."""
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("Drawing needs matplotlib: pip install 'seqkit[plot]'.") from error
        if axes is None:
            _, axes = pyplot.subplots(figsize=(6, 1.2 + 0.28 * len(self.tokens)), layout="constrained")
        places = range(len(self.tokens))
        colours = ["tab:blue" if value > 0 else "tab:orange" for value in self.evidence]
        axes.barh(places, self.evidence, color=colours)
        axes.set_yticks(places, self.tokens)
        axes.invert_yaxis()
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_xlabel(f"against ← evidence (logits) → for {self.answer.label!r}")
        axes.set_title(f"{self.answer.label} {self.answer.score:.2f}")
        attention = axes.twiny()
        attention.plot(self.weights, places, "o", color="black", markersize=3)
        attention.set_xlim(-1, 1)
        attention.set_xticks([0, 0.5, 1])
        attention.set_xlabel("attention (dots)")
        return axes


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
    spoken = evidence[:, place] - evidence.mean(axis=1)
    words = []
    for piece, weight, speaks in zip(pieces, weights.tolist(), spoken.tolist()):
        if piece.startswith("▁") or piece == "</s>" or not words:
            words.append(["(end)" if piece == "</s>" else piece.removeprefix("▁"), 0.0, 0.0])
        else:
            words[-1][0] += piece
        words[-1][1] += weight
        words[-1][2] += speaks
    tokens, weights, spoken = map(list, zip(*words))
    return Explanation(answer, tokens, weights, spoken)
