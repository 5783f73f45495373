"""Several small networks in one model: each is trained on its own loss, and their answers are averaged.

Convention: the states of all members stand side by side, in their order. Networks that differ only in their first
weights err differently, so together they err less (Hansen and Salamon, 1990, "Neural network ensembles").
Left out: heads that answer step by step.
"""

import keras
from keras import layers, ops

from seqkit.results import Label


@keras.saving.register_keras_serializable("seqkit")
class CommitteeHead(layers.Layer):
    """Args:
    heads: list of `LabelHead`s with the same labels, each for its share of the states.
    """

    result = Label
    monitor = "accuracy"

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = list(heads)
        # What is said, measured and calibrated of one head is so of the average.
        first = self.heads[0]
        self.targets, self.typed, self.evaluate, self.calibrate = first.targets, first.typed, first.evaluate, first.calibrate

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, members * width)` -> `{"logits": (batch, members, labels)}`."""
        shares = ops.split(states, len(self.heads), axis=-1)
        found = [head(share, lengths, training=training)["logits"] for head, share in zip(self.heads, shares)]
        return {"logits": ops.stack(found, axis=1)}

    def loss(self, targets, outputs):
        """The mean of the members' losses, `(batch,)`: none can lean on the others."""
        losses = [head.loss(targets, {"logits": outputs["logits"][:, place]}) for place, head in enumerate(self.heads)]
        return sum(losses) / len(losses)

    def decode(self, states, lengths):
        """The answer, as of a `LabelHead`: the softmax of the members' mean logarithms of probability."""
        return self.heads[0].answer(ops.mean(ops.log_softmax(self(states, lengths)["logits"]), axis=1))
