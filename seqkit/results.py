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

    def plot(self):
        """Draws each word's evidence and attention side by side; returns the matplotlib figure."""
        try:
            from matplotlib import pyplot
        except ImportError as error:
            raise ImportError("Drawing needs matplotlib: pip install 'seqkit[plot]'.") from error
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
