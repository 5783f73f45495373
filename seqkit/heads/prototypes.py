"""One label for the whole sequence, by what it is like: voices, and any sounds of which more come to be known later.

Convention: a sequence is one point on a sphere, a label another, its prototype, and the nearest answers; labels are added
without training, each by a few examples (Snell, Swersky and Zemel, 2017, "Prototypical networks"). "unknown" answers where
none is near enough. Left out: several prototypes a label.
"""

import numpy as np
from keras import layers, ops

from seqkit.heads.label import LabelHead
from seqkit.metrics import equal_error_rate
from seqkit.results import Label

UNKNOWN = "unknown"
_NEAR = 0.4  # the cosine at which a label is near enough, until it is fitted


class PrototypeHead(LabelHead):
    """Attention and max pooling, a projection to the sphere, and a softmax of cosines (Wang et al., 2018, "Additive margin
    softmax for face verification").

    Args:
        labels: as of `LabelHead`; one is enough where there is "unknown".
        unknown: whether "unknown" is a label too, the last: its logit is that of a cosine, the same for all inputs.
        size: int, dimensions of the sphere's space.
        scale: the factor on cosines that makes logits of them.
        margin: what the right label's cosine lacks while training.
        **kwargs: of `LabelHead`.
    """

    monitor = "rank_1"
    shared = (*LabelHead.shared, "dense")

    def __init__(self, labels, unknown=True, size=128, scale=30.0, margin=0.2, **kwargs):
        super().__init__((*labels, UNKNOWN) if unknown else labels, dense=layers.Dense(size, use_bias=False), **kwargs)
        self.unknown, self.scale, self.margin = unknown, scale, margin
        self.prototypes = self.add_weight(shape=(size, len(labels)), initializer="random_normal", name="prototypes")
        self.threshold = self.add_weight(
            shape=(), initializer=lambda shape, dtype: ops.full(shape, _NEAR, dtype), trainable=False, name="threshold"
        )

    explain = None  # it is not linear in what is pooled

    @property
    def by_label(self):
        """The weights whose last axis is the labels but "unknown"."""
        return [self.prototypes]

    def inherit(self, other):
        """As `LabelHead.inherit`."""
        super().inherit(other)
        self.threshold.assign(other.threshold)

    def logits(self, pooled):
        """What is pooled `(batch, 2 * width)` -> logits `(batch, labels)` float32."""
        logits = self.scale * ops.matmul(self._placed(pooled), _unit(ops.cast(self.prototypes, "float32"), axis=0))
        if not self.unknown:
            return logits
        return ops.concatenate([logits, ops.zeros_like(logits[:, :1]) + self.scale * self.threshold], axis=1)

    def _placed(self, pooled):
        return _unit(ops.cast(self.dense(pooled), "float32"), axis=1)

    def embed(self, states, lengths, spans=None):
        """A `Sequence` of states -> `{"embedding": (batch, size)}`, points on the sphere."""
        return {"embedding": self._placed(self.pooled(states, lengths)[0])}

    def enroll(self, label, embeddings):
        """Puts a label's prototype amid the points of its examples, `(examples, size)`."""
        if self.unknown and label == UNKNOWN:
            raise ValueError(f"{UNKNOWN!r} is what is answered to all others; it cannot be enrolled.")
        prototypes = self.prototypes.numpy()
        prototypes[:, self.labels.index(label)] = np.mean(embeddings, axis=0)
        self.prototypes.assign(prototypes)

    def loss(self, targets, outputs):
        """As `LabelHead.loss`, the right label's cosine being less by the margin."""
        truth = ops.one_hot(targets["ids"], len(self.labels))
        return super().loss(targets, {**outputs, "logits": outputs["logits"] - self.scale * self.margin * truth})

    def stitched(self, answers, begins):
        """Answers to pieces of an input -> one, of the mean of their probabilities."""
        scores = {label: float(np.mean([answer.scores[label] for answer in answers])) for label in self.labels}
        return _best(scores)

    def evaluate(self, predictions, references):
        """Metrics of `metrics.classification`; "rank_1", the share of inputs with a label of which it is the nearest, near
        enough or not; and, where there is "unknown", the "equal_error_rate" of claims: each input against each label."""
        known = self.labels[: self.prototypes.shape[1]]
        nearest = [
            max(known, key=answer.scores.get) == label for answer, label in zip(predictions, references) if label in known
        ]
        metrics = {**super().evaluate(predictions, references), "rank_1": float(np.mean(nearest)) if nearest else 0.0}
        claims = self._claims(predictions, references) if self.unknown else None
        return {**metrics, "equal_error_rate": equal_error_rate(*claims)[0]} if claims else metrics

    def calibrate(self, predictions, references):
        """Fits the threshold, so that as large a share of what is known is not recognised as of what is unknown is, where
        there are examples of both; and then the temperature."""
        near = self._nearness(predictions).max(axis=1)
        unknown = np.array([reference == UNKNOWN for reference in references])
        if self.unknown and unknown.any() and not unknown.all():
            shift = equal_error_rate(near[~unknown], near[unknown])[1]
            self.threshold.assign_add(shift * float(self.temperature) / self.scale)
            predictions = [self._shifted(answer, shift) for answer in predictions]
        super().calibrate(predictions, references)

    def _shifted(self, answer, shift):
        """An answer as it would be if "unknown" had a logit more by `shift`."""
        logits = np.log(np.maximum(np.array([answer.scores[label] for label in self.labels]), 1e-30))
        logits[-1] += shift
        scores = np.exp(logits - logits.max())
        scores = dict(zip(self.labels, (scores / scores.sum()).tolist()))
        return _best(scores)

    def _nearness(self, predictions):
        """How far above "unknown" each other label's logit is: `(answers, labels)`."""
        scores = np.array([[answer.scores[label] for label in self.labels] for answer in predictions])
        logits = np.log(np.maximum(scores, 1e-30))
        return logits[:, :-1] - logits[:, -1:]

    def _claims(self, predictions, references):
        """The nearness of inputs to their own label and to others, two flat arrays; None where one would be empty."""
        near = self._nearness(predictions)
        own = np.array([[label == reference for label in self.labels[:-1]] for reference in references])
        return (near[own], near[~own]) if own.any() and not own.all() else None


def _best(scores):
    label = max(scores, key=scores.get)
    return Label(label, scores[label], scores)


def _unit(values, axis):
    return values / ops.sqrt(ops.maximum(ops.sum(values * values, axis=axis, keepdims=True), 1e-12))
