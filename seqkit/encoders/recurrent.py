"""Features that are numbers -> one state a step, read in both directions; by one network, or by several side by side."""

import keras
from keras import layers, ops

from seqkit.layers import LSTM, Bidirectional
from seqkit.lengths import mask_of, zero_padding


@keras.saving.register_keras_serializable("seqkit")
class RecurrentEncoder(layers.Layer):
    """A stack of bidirectional LSTMs (Schuster and Paliwal, 1997; Hochreiter and Schmidhuber, 1997).

    Args:
        units: int, LSTM units in each direction.
        depth: int, number of bidirectional layers.
        dropout: share of the channels that a layer but the first does not read while training, the same at all steps
            (Gal and Ghahramani, 2016).
    """

    def __init__(self, units, depth, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        self.recurrent = [
            Bidirectional(LSTM(units, return_sequences=True, dropout=dropout if place else 0.0)) for place in range(depth)
        ]

    def frames(self, lengths):
        """The lengths of the states of features of `lengths` steps: the same."""
        return lengths

    def call(self, features, lengths, training=False):
        """Reads a batch of sequences.

        Args:
            features: `(batch, steps, width)` float.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, steps, 2 * units)`, the forward half first, zero on padding; and the same lengths.
        """
        # As a mask, not as lengths: batches hold sequences of like length, which the layers need not group once more.
        states, real = features, mask_of(features, lengths)
        for layer in self.recurrent:
            states = layer(states, mask=real, training=training)
        return zero_padding(states, lengths), lengths


@keras.saving.register_keras_serializable("seqkit")
class CommitteeEncoder(layers.Layer):
    """Encoders that read the same and keep its lengths, their states side by side: for a `CommitteeHead`.

    Args:
        encoders: list of layers called with `(features, lengths)`.
    """

    def __init__(self, encoders, **kwargs):
        super().__init__(**kwargs)
        self.encoders = list(encoders)

    def call(self, features, lengths, training=False):
        """States `(batch, steps, the members' widths together)`, and the same lengths."""
        return ops.concatenate([encoder(features, lengths, training=training)[0] for encoder in self.encoders], -1), lengths
