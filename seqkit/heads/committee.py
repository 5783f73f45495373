"""Several small networks in one model: each is trained on its own loss, and their answers are averaged.

Convention: the states of all members stand side by side, in their order. Networks that differ only in their first
weights err differently, so together they err less (Hansen and Salamon, 1990, "Neural network ensembles").
Left out: heads that answer step by step.
"""

from keras import ops

from seqkit.parts import Head, apart, together


class CommitteeHead(Head):
    """Args:
    heads: list of `LabelHead`s with the same labels, each for its share of the states.
    """

    monitor = "accuracy"

    def __init__(self, heads, **kwargs):
        super().__init__(**kwargs)
        self.heads = list(heads)
        # What is said, measured and calibrated of one head is so of the average.
        first = self.heads[0]
        self.targets, self.typed, self.evaluate, self.calibrate = first.targets, first.typed, first.evaluate, first.calibrate
        self.streams = first.streams

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, members * width)` -> `{"logits": (batch, members, labels)}`."""
        shares = ops.split(states, len(self.heads), axis=-1)
        logits = [head(share, lengths, training=training)["logits"] for head, share in zip(self.heads, shares)]
        return {"logits": ops.stack(logits, axis=1)}

    def loss(self, targets, outputs):
        """The mean of the members' losses, `(batch,)`: none can lean on the others."""
        losses = [head.loss(targets, {"logits": outputs["logits"][:, place]}) for place, head in enumerate(self.heads)]
        return sum(losses) / len(losses)

    def decode(self, states, lengths, spans=None):
        """The answer, as of a `LabelHead`: the softmax of the members' mean logarithms of probability."""
        return self._answer(self(states, lengths)["logits"])

    def _answer(self, logits):
        return self.heads[0].answer(ops.mean(ops.log_softmax(logits), axis=1))

    def start(self, batch):
        """The members' states."""
        return together({str(place): head.start(batch) for place, head in enumerate(self.heads)})

    def step(self, states, lengths, spans, state, last):
        """The answer to all that came: as `parts.Head.step`."""
        names = list(map(str, range(len(self.heads))))
        shares = zip(self.heads, ops.split(states, len(self.heads), axis=-1), apart(state, names))
        logits, after = zip(*(head.pool(share, lengths, own) for head, share, own in shares))
        return self._answer(ops.stack(logits, axis=1)), together(dict(zip(names, after)))

    def inherit(self, other):
        """Each member takes over what the other's member has learnt."""
        for head, theirs in zip(self.heads, other.heads, strict=True):
            head.inherit(theirs)
