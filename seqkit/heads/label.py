"""One answer for the whole sequence, out of a fixed set of labels: sentiment, topic, keyword, speaker."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from seqkit.lengths import masked_softmax
from seqkit.metrics import classification, fit_temperature
from seqkit.results import Label


@keras.saving.register_keras_serializable("seqkit")
class LabelHead(layers.Layer):
    """Attention pooling (Yang et al., 2016, "Hierarchical attention networks") and a softmax.

    The pooled state is the sum of the states, each with its attention weight; the weights of a row sum to 1, so they
    say which steps the answer rests on.

    Args:
        labels: sequence of distinct `str`, the possible answers.
        width: int, size of the layer that scores a step.
        dropout: share of the pooled state that is dropped while training.
        smoothing: label smoothing (Szegedy et al., 2016): probability given to all labels alike.
        class_weights: a factor on the loss for each label, or None.
    """

    result = Label
    monitor = "accuracy"

    def __init__(self, labels, width=64, dropout=0.0, smoothing=0.0, class_weights=None, **kwargs):
        super().__init__(**kwargs)
        self.labels = tuple(labels)
        if len(set(self.labels)) != len(self.labels) or len(self.labels) < 2:
            raise ValueError(f"labels must be two or more, each once; received {self.labels}.")
        if class_weights is not None and len(class_weights) != len(self.labels):
            raise ValueError(f"class_weights must be one number a label, {self.labels}; received {class_weights}.")
        self.smoothing, self.class_weights = smoothing, class_weights
        self.hidden = layers.Dense(width, activation="tanh")
        self.scorer = layers.Dense(1, use_bias=False)
        self.dropout = layers.Dropout(dropout)
        self.dense = layers.Dense(len(self.labels))
        # Fitted on held-out examples once the rest is trained (Guo et al., 2017); 1 leaves the softmax as it is.
        self.temperature = self.add_weight(shape=(), initializer="ones", trainable=False, name="temperature")

    def check(self, targets):
        """Raises ValueError for the first target that is not one of the labels."""
        for place, target in enumerate(targets):
            if target not in self.labels:
                raise ValueError(f"Example {place}: unknown label {target!r}; expected one of {list(self.labels)}.")

    def targets(self, y):
        """`(batch,)` strings -> `{"ids": (batch,) int32}`, the places of the labels."""
        return {"ids": tf.argmax(y[:, None] == tf.constant(self.labels)[None], axis=1, output_type=tf.int32)}

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, width)` -> `{"logits": (batch, labels), "weights": (batch, steps)}`."""
        weights = masked_softmax(self.scorer(self.hidden(states))[..., 0], lengths)
        pooled = ops.einsum("bs,bsw->bw", ops.cast(weights, states.dtype), states)
        logits = self.dense(self.dropout(pooled, training=training))
        return {"logits": ops.cast(logits, "float32"), "weights": weights}

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
        scores = ops.softmax(self(states, lengths)["logits"] / self.temperature)
        label = tf.gather(tf.constant(self.labels), ops.argmax(scores, axis=1))
        return {"label": label, "score": ops.max(scores, axis=1), "scores": scores}

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
