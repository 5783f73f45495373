"""One answer for the whole sequence, out of a fixed set of labels: sentiment, topic, keyword, speaker."""

import numpy as np
import tensorflow as tf
from keras import layers, ops

from seqkit.lengths import mask_of, masked_max, masked_softmax
from seqkit.metrics import classification, fit_temperature
from seqkit.parts import Head, votes_apart
from seqkit.results import Label

_LOWEST = -1e30


class LabelHead(Head):
    """Attention pooling (Yang et al., 2016, "Hierarchical attention networks") beside max pooling, and a softmax.

    The answer is linear in what is pooled, so each step's share in it can be told exactly: see `explain`.

    Args:
        labels: sequence of distinct labels, the possible answers: `str`, `int`, `bool` or `float`, answered as they are.
        width: int, size of the layer that scores a step for attention.
        votes: the factor on the encoder's votes, the last `len(labels)` columns of the states, which are summed, not
            pooled; 0 for an encoder without them.
        dropout: share of the states' channels that a sequence is judged without while training (the same at all its
            steps), and then of the pooled state.
        smoothing: label smoothing (Szegedy et al., 2016): probability given to all labels alike.
        class_weights: a factor on the loss for each label, or None.
        dense: what is made of the pooled state; a dense layer that gives logits, if left out.
    """

    monitor = "accuracy"
    shared = ("hidden", "scorer")  # the layers that are the same for any labels

    def __init__(self, labels, width=64, votes=0.0, dropout=0.0, smoothing=0.0, class_weights=None, dense=None, **kwargs):
        super().__init__(**kwargs)
        self.labels = tuple(labels)
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"labels must be two or more, each once; received {self.labels}.")
        if class_weights is not None and len(class_weights) != len(self.labels):
            raise ValueError(f"class_weights must be one number a label, {self.labels}; received {class_weights}.")
        self.spelt = [str(label) for label in self.labels]  # as the graph has them
        self.votes, self.smoothing, self.class_weights = votes, smoothing, class_weights
        self.hidden = layers.Dense(width, activation="tanh")
        self.scorer = layers.Dense(1, use_bias=False)
        self.channel_dropout, self.dropout = layers.SpatialDropout1D(dropout), layers.Dropout(dropout)
        self.dense = dense or layers.Dense(len(self.labels))
        # Fitted on held-out examples once the rest is trained (Guo et al., 2017); 1 leaves the softmax as it is.
        self.streams = not votes
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False, name="temperature")

    def targets(self, y):
        """A list of labels -> `{"ids": (batch,) int32}`, their places."""
        return {"ids": np.array([self.labels.index(label) for label in y], np.int32)}

    def inherit(self, other):
        """Takes over all that another `LabelHead` has learnt but of labels that this one does not have; both must be built."""
        for layer in self.shared:
            getattr(self, layer).set_weights(getattr(other, layer).get_weights())
        for weight, source in zip(self.by_label, other.by_label):
            values, theirs = weight.numpy(), dict(zip(other.labels, np.moveaxis(source.numpy(), -1, 0)))
            for place, label in enumerate(self.labels[: values.shape[-1]]):
                values[..., place] = theirs.get(label, values[..., place])
            weight.assign(values)
        self.temperature.assign(other.temperature)

    @property
    def by_label(self):
        """The weights whose last axis is the labels."""
        return self.dense.weights

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, width)` -> `{"logits": (batch, labels), "weights": (batch, steps)}`."""
        states, votes = self._parted(states)
        pooled, weights = self.pooled(self.channel_dropout(states, training=training), lengths)
        logits = self.logits(self.dropout(pooled, training=training))
        if votes is not None and not training:
            # Silent while training: votes were learnt from the same examples, and would leave nothing else to learn.
            logits = logits + ops.cast(ops.sum(votes, axis=1), "float32")
        return {"logits": logits, "weights": weights}

    def pooled(self, states, lengths):
        """states `(batch, steps, width)` -> what an answer rests on, `(batch, 2 * width)`, and the attention."""
        weights = masked_softmax(self._relevance(states), lengths)
        attended = ops.einsum("bs,bsw->bw", ops.cast(weights, states.dtype), states)
        return ops.concatenate([attended, masked_max(states, lengths)], axis=-1), weights

    def logits(self, pooled):
        """What is pooled `(batch, 2 * width)` -> logits `(batch, labels)` float32."""
        return ops.cast(self.dense(pooled), "float32")

    def _relevance(self, states):
        return self.scorer(self.hidden(states))[..., 0]

    def _parted(self, states):
        """What is pooled, and the votes with their factor (None without)."""
        if not self.votes:
            return states, None
        states, votes = votes_apart(states, len(self.labels))
        return states, votes * self.votes

    def loss(self, targets, outputs):
        """Cross-entropy of each row, `(batch,)`, with smoothing and class weights."""
        truth = ops.one_hot(targets["ids"], len(self.labels))
        smooth = truth * (1 - self.smoothing) + self.smoothing / len(self.labels)
        loss = -ops.sum(smooth * ops.log_softmax(outputs["logits"]), axis=1)
        if self.class_weights is not None:
            loss = loss * ops.sum(truth * ops.convert_to_tensor(self.class_weights, "float32"), axis=1)
        return loss

    def log_prob(self, targets, outputs):
        """The log probability of each label, `(batch,)` in nats, as it is answered."""
        log_probs = ops.log_softmax(outputs["logits"] / self.temperature)
        return ops.take_along_axis(log_probs, targets["ids"][:, None], axis=1)[:, 0]

    def decode(self, states, lengths, spans=None):
        """The answer: `{"label": (batch,), "score": (batch,), "scores": (batch, labels)}`."""
        return self.answer(self(states, lengths)["logits"])

    def answer(self, logits):
        """The answer of logits `(batch, labels)`: see `decode`."""
        scores = ops.softmax(logits / self.temperature)
        label = tf.gather(tf.constant(self.spelt), ops.argmax(scores, axis=1))
        return {"label": label, "score": ops.max(scores, axis=1), "scores": scores}

    def start(self, batch):
        """What is pooled, of nothing: the highest relevance of a step, the sum of all relative to it and of the states with
        these weights, and the states' maximum."""
        width = self.dense.kernel.shape[0] // 2
        return {
            "highest": ops.full((batch,), _LOWEST),
            "weight": ops.zeros((batch,)),
            "attended": ops.zeros((batch, width)),
            "maximum": ops.full((batch, width), _LOWEST),
        }

    def pool(self, states, lengths, state):
        """Pools what came with what there was: the logits of all, `(batch, labels)`, and the state."""
        states = ops.pad(states, [[0, 0], [0, 1], [0, 0]])  # one step more, which is padding: no maximum is of nothing
        real = mask_of(states, lengths)
        relevance = ops.where(real, ops.cast(self._relevance(states), "float32"), _LOWEST)
        highest = ops.maximum(state["highest"], ops.max(relevance, axis=1))
        before = ops.exp(state["highest"] - highest)
        weights = ops.where(real, ops.exp(relevance - highest[:, None]), 0.0)
        state = {
            "highest": highest,
            "weight": state["weight"] * before + ops.sum(weights, axis=1),
            "attended": state["attended"] * before[:, None] + ops.einsum("bs,bsw->bw", weights, ops.cast(states, "float32")),
            "maximum": ops.maximum(state["maximum"], ops.max(ops.where(real[..., None], states, _LOWEST), axis=1)),
        }
        attended = state["attended"] / ops.maximum(state["weight"], 1e-30)[:, None]
        maximum = ops.where(state["weight"][:, None] > 0, state["maximum"], 0.0)
        return self.logits(ops.concatenate([attended, maximum], axis=-1)), state

    def step(self, states, lengths, spans, state, last):
        """The answer to all that came: as `parts.Head.step`."""
        logits, state = self.pool(states, lengths, state)
        return self.answer(logits), state

    def explain(self, states, lengths, spans=None):
        """`decode`, and what it rests on, step by step.

        Returns:
            The fields of `decode`, and `weights` `(batch, steps)`, the attention, which sums to 1 over the real steps;
            and `evidence` `(batch, steps, labels)`, the step's share in each logit: summed over the steps, with the
            bias, it is the logits of `decode`.
        """
        weights = self(states, lengths)["weights"]
        pooled, votes = self._parted(states)
        attention, maximum = ops.split(self.dense.kernel, 2, axis=0)
        highest = ops.where(mask_of(pooled, lengths)[..., None], pooled, -1e30)
        chosen = ops.one_hot(ops.argmax(highest, axis=1), ops.shape(pooled)[1], axis=1)
        evidence = weights[..., None] * ops.matmul(pooled, attention) + ops.matmul(pooled * chosen, maximum)
        if votes is not None:
            evidence = evidence + votes
        return {**self.decode(states, lengths), "weights": weights, "evidence": evidence / self.temperature}

    def typed(self, label, score, scores):
        """One row of `decode`, as NumPy has it -> a `Label`."""
        return Label(self.labels[self.spelt.index(label.decode())], float(score), dict(zip(self.labels, scores.tolist())))

    def evaluate(self, predictions, references):
        """Metrics of `Label`s against the right labels: see `metrics.classification`."""
        return classification([a.label for a in predictions], [a.score for a in predictions], references)

    def calibrate(self, predictions, references):
        """Fits the temperature on held-out answers, so that a score is a probability one can trust."""
        scores = np.array([[answer.scores[label] for label in self.labels] for answer in predictions])
        logits = np.log(np.maximum(scores, 1e-30)) * float(self.temperature)
        self.temperature.assign(fit_temperature(logits, [self.labels.index(label) for label in references]))
