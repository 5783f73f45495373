"""One answer for the whole sequence, out of a fixed set of labels: sentiment, topic, keyword, speaker."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from seqkit.lengths import mask_of, masked_max, masked_softmax
from seqkit.metrics import classification, fit_temperature
from seqkit.results import Label


@keras.saving.register_keras_serializable("seqkit")
class LabelHead(layers.Layer):
    """Attention pooling (Yang et al., 2016, "Hierarchical attention networks") beside max pooling, and a softmax.

    The answer is linear in what is pooled, so each step's share in it can be told exactly: see `explain`.

    Args:
        labels: sequence of distinct `str`, the possible answers.
        width: int, size of the layer that scores a step for attention.
        votes: the factor on the encoder's votes, the last `len(labels)` columns of the states, which are summed, not
            pooled; 0 for an encoder without them.
        dropout: share of the states' channels that a sequence is judged without while training (the same at all its
            steps), and then of the pooled state.
        smoothing: label smoothing (Szegedy et al., 2016): probability given to all labels alike.
        class_weights: a factor on the loss for each label, or None.
    """

    result = Label
    monitor = "accuracy"

    def __init__(self, labels, width=64, votes=0.0, dropout=0.0, smoothing=0.0, class_weights=None, **kwargs):
        super().__init__(**kwargs)
        self.labels = tuple(labels)
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"labels must be two or more, each once; received {self.labels}.")
        if class_weights is not None and len(class_weights) != len(self.labels):
            raise ValueError(f"class_weights must be one number a label, {self.labels}; received {class_weights}.")
        self.votes, self.smoothing, self.class_weights = votes, smoothing, class_weights
        self.hidden = layers.Dense(width, activation="tanh")
        self.scorer = layers.Dense(1, use_bias=False)
        self.channel_dropout, self.dropout = layers.SpatialDropout1D(dropout), layers.Dropout(dropout)
        self.dense = layers.Dense(len(self.labels))
        # Fitted on held-out examples once the rest is trained (Guo et al., 2017); 1 leaves the softmax as it is.
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False, name="temperature")

    def targets(self, y):
        """`(batch,)` strings -> `{"ids": (batch,) int32}`, the places of the labels."""
        return {"ids": tf.argmax(y[:, None] == tf.constant(self.labels)[None], axis=1, output_type=tf.int32)}

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, width)` -> `{"logits": (batch, labels), "weights": (batch, steps)}`."""
        states, votes = self._parted(states)
        states = self.channel_dropout(states, training=training)
        weights = masked_softmax(self.scorer(self.hidden(states))[..., 0], lengths)
        attended = ops.einsum("bs,bsw->bw", ops.cast(weights, states.dtype), states)
        pooled = ops.concatenate([attended, masked_max(states, lengths)], axis=-1)
        logits = ops.cast(self.dense(self.dropout(pooled, training=training)), "float32")
        if votes is not None and not training:
            # Silent while training: votes were learnt from the same examples, and would leave nothing else to learn.
            logits = logits + ops.cast(ops.sum(votes, axis=1), "float32")
        return {"logits": logits, "weights": weights}

    def _parted(self, states):
        """What is pooled, and the votes with their factor (None without)."""
        if not self.votes:
            return states, None
        return states[..., : -len(self.labels)], states[..., -len(self.labels) :] * self.votes

    def loss(self, targets, outputs):
        """Cross-entropy of each row, `(batch,)`, with smoothing and class weights."""
        truth = ops.one_hot(targets["ids"], len(self.labels))
        smooth = truth * (1 - self.smoothing) + self.smoothing / len(self.labels)
        loss = -ops.sum(smooth * ops.log_softmax(outputs["logits"]), axis=1)
        if self.class_weights is not None:
            loss = loss * ops.sum(truth * ops.convert_to_tensor(self.class_weights, "float32"), axis=1)
        return loss

    def decode(self, states, lengths):
        """The answer: `{"label": (batch,), "score": (batch,), "scores": (batch, labels)}`."""
        return self.answer(self(states, lengths)["logits"])

    def answer(self, logits):
        """The answer of logits `(batch, labels)`: see `decode`."""
        scores = ops.softmax(logits / self.temperature)
        label = tf.gather(tf.constant(self.labels), ops.argmax(scores, axis=1))
        return {"label": label, "score": ops.max(scores, axis=1), "scores": scores}

    def explain(self, states, lengths):
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
        return Label(label.decode(), float(score), dict(zip(self.labels, scores.tolist())))

    def evaluate(self, answers, truths):
        """Metrics of `Label`s against the right labels: see `metrics.classification`."""
        return classification([a.label for a in answers], [a.score for a in answers], truths)

    def calibrate(self, answers, truths):
        """Fits the temperature on held-out answers, so that a score is a probability one can trust."""
        scores = np.array([[answer.scores[label] for label in self.labels] for answer in answers])
        logits = np.log(np.maximum(scores, 1e-30)) * float(self.temperature)
        self.temperature.assign(fit_temperature(logits, [self.labels.index(truth) for truth in truths]))
