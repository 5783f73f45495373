"""Features that are numbers -> one state a step, read in both directions or in one; by one network or by several."""

from keras import ops

from seqkit.layers import LSTM, Bidirectional
from seqkit.lengths import mask_of, zero_padding
from seqkit.parts import Encoder, Sequence, apart, together


class RecurrentEncoder(Encoder):
    """A stack of LSTMs (Hochreiter and Schmidhuber, 1997), bidirectional (Schuster and Paliwal, 1997) or forwards only.

    Args:
        units: int, LSTM units in each direction.
        depth: int, number of layers.
        dropout: share of the channels that a layer but the first does not read while training, the same at all steps
            (Gal and Ghahramani, 2016).
        bidirectional: whether each layer reads in both directions. Forwards only, it streams.
    """

    def __init__(self, units, depth, dropout=0.0, bidirectional=True, **kwargs):
        super().__init__(**kwargs)
        self.units, self.streams = units, not bidirectional
        layers = [
            LSTM(units, return_sequences=True, return_state=not bidirectional, dropout=dropout if place else 0.0)
            for place in range(depth)
        ]
        self.recurrent = [Bidirectional(layer) for layer in layers] if bidirectional else layers

    def call(self, features, lengths, training=False):
        """Reads a batch of sequences.

        Args:
            features: `(batch, steps, width)` float.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, steps, 2 * units)`, the forward half first (forwards only, `units`), zero on padding; and the same
            lengths.
        """
        # As a mask, not as lengths: batches hold sequences of like length, which the layers need not group once more.
        states, real = features, mask_of(features, lengths)
        for layer in self.recurrent:
            states = layer(states, mask=real, training=training)
            if self.streams:
                states = states[0]
        return zero_padding(states, lengths), lengths

    def start(self, batch):
        """Zeros, `(batch, units)`: each layer's output and cell."""
        names = [f"{kind}{place}" for place in range(len(self.recurrent)) for kind in ("output", "cell")]
        return {name: ops.zeros((batch, self.units)) for name in names}

    def step(self, sequence, state, last):
        """Reads what came: as `parts.Encoder.step`."""
        count = ops.max(ops.pad(sequence.lengths, [[0, 1]]))
        # Padding where there is nothing else: layers cannot read no step.
        states = ops.pad(sequence.values, [[0, 0], [0, 1], [0, 0]])[:, : ops.maximum(count, 1)]
        after = {}
        real = mask_of(states, sequence.lengths)
        for place, layer in enumerate(self.recurrent):
            names = f"output{place}", f"cell{place}"
            states, *carried = layer(states, mask=real, initial_state=[state[name] for name in names])
            after.update(zip(names, carried))
        return Sequence(zero_padding(states, sequence.lengths)[:, :count], sequence.lengths, sequence.spans[:, :count]), after


class CommitteeEncoder(Encoder):
    """Encoders that read the same and keep its lengths, their states side by side: for a `CommitteeHead`.

    Args:
        encoders: list of `Encoder`s.
    """

    def __init__(self, encoders, **kwargs):
        super().__init__(**kwargs)
        self.encoders = list(encoders)
        self.streams = all(encoder.streams for encoder in self.encoders)

    def call(self, features, lengths, training=False):
        """States `(batch, steps, the members' widths together)`, and the same lengths."""
        return ops.concatenate([encoder(features, lengths, training=training)[0] for encoder in self.encoders], -1), lengths

    def start(self, batch):
        """The members' states."""
        return together({str(place): encoder.start(batch) for place, encoder in enumerate(self.encoders)})

    def step(self, sequence, state, last):
        """Reads what came: as `parts.Encoder.step`."""
        names = list(map(str, range(len(self.encoders))))
        steps = [encoder.step(sequence, own, last) for encoder, own in zip(self.encoders, apart(state, names))]
        values = ops.concatenate([new.values for new, _ in steps], -1)
        return sequence._replace(values=values), together({name: own for name, (_, own) in zip(names, steps)})
