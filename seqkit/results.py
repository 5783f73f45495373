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
