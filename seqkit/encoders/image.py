"""Pictures of text lines -> one state every four pixel columns, read in both directions."""

import keras
from keras import layers, ops

from seqkit.encoders.recurrent import RecurrentEncoder
from seqkit.lengths import zero_padding

POOLS = ((2, 2), (2, 2), (1, 2), (1, 1), (1, 2))  # (steps, height) that each convolution is reduced by
SCALE = 4  # the product of the first: pixel columns in a state


@keras.saving.register_keras_serializable("seqkit")
class LineEncoder(layers.Layer):
    """Convolutions, then a stack of bidirectional LSTMs (Shi, Bai and Yao, 2017, "CRNN"; Puigcerver, 2017).

    A line's width is rounded up to whole frames of `SCALE` columns of paper, and padding set to zero again after each
    convolution; so a line's states are those it has alone, whatever the batch. Each is pooled before it is normalised, which
    is then done on a quarter as many numbers, over the height and channels of one step (Ba, Kiros and Hinton, 2016):
    nothing is averaged over a batch.

    Args:
        filters: sequence of int, the channels after each convolution, one for each of `POOLS`.
        units: int, LSTM units in each direction.
        depth: int, number of bidirectional layers.
        dropout: share of the channels that a recurrent layer does not read while training.
    """

    def __init__(self, filters, units, depth, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if len(filters) != len(POOLS):
            raise ValueError(f"filters must be {len(POOLS)} numbers, one a convolution; received {filters}.")
        self.convolutions = [layers.Conv2D(count, 3, padding="same", use_bias=False) for count in filters]
        self.norms = [layers.LayerNormalization(axis=(-2, -1)) for _ in filters]
        self.pools = [layers.MaxPooling2D(pool) for pool in POOLS]
        self.dropout = layers.SpatialDropout1D(dropout)
        self.recurrent = RecurrentEncoder(units, depth, dropout)

    def frames(self, lengths):
        """The lengths of the states of features of `lengths` steps."""
        return -(-lengths // SCALE)

    def call(self, features, lengths, training=False):
        """Reads a batch of lines.

        Args:
            features: `(batch, steps, height)` float, 0 on padding.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, steps / 4, 2 * units)`, rounded up, zero on padding; and their lengths.
        """
        image = ops.pad(features, ((0, 0), (0, -ops.shape(features)[1] % SCALE), (0, 0)))[..., None]
        lengths = self.frames(lengths)
        rest = SCALE
        for convolution, norm, pool, size in zip(self.convolutions, self.norms, self.pools, POOLS):
            rest //= size[0]
            image = zero_padding(ops.relu(norm(pool(convolution(image)))), lengths * rest)
        shape = ops.shape(image)
        states = ops.reshape(image, (shape[0], shape[1], image.shape[2] * image.shape[3]))
        return self.recurrent(self.dropout(states, training=training), lengths, training=training)
