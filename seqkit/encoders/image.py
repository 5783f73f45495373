"""Pictures of text lines -> one state every four pixel columns, read in both directions."""

from keras import layers, ops

from seqkit.encoders.recurrent import RecurrentEncoder
from seqkit.lengths import mask
from seqkit.parts import Encoder

POOLS = ((2, 2), (2, 2), (2, 1), (1, 1), (2, 1))  # (rows, steps) that each convolution is reduced by
SCALE = 4  # the product of the second: pixel columns in a state


def _blank_padding(image, lengths):
    """Sets the padded steps of `(batch, height, steps, channels)` to zero, so that they cannot leak."""
    real = mask(lengths, ops.shape(image)[2])[:, None, :, None]
    return ops.where(real, image, ops.zeros((), image.dtype))


class LineEncoder(Encoder):
    """Convolutions, then a stack of bidirectional LSTMs (Shi, Bai and Yao, 2017, "CRNN"; Puigcerver, 2017).

    A line's width is rounded up to whole frames of `SCALE` columns of paper, and padding set to zero again after each
    convolution; so a line's states are those it has alone, whatever the batch. Each is pooled before it is normalised, which
    is then done on a quarter as many numbers, over the height and channels of one step (Ba, Kiros and Hinton, 2016):
    nothing is averaged over a batch. Images are `(batch, height, steps, channels)`: kernels for convolutions fill their
    registers along the last place but one, where a line has hundreds of steps and only a few rows.

    Args:
        filters: sequence of int, the channels after each convolution, one for each of `POOLS`.
        units: int, LSTM units in each direction.
        depth: int, number of bidirectional layers.
        dropout: share of the channels that a recurrent layer does not read while training.
    """

    stride = SCALE

    def __init__(self, filters, units, depth, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if len(filters) != len(POOLS):
            raise ValueError(f"filters must be {len(POOLS)} numbers, one a convolution; received {filters}.")
        self.convolutions = [layers.Conv2D(count, 3, padding="same", use_bias=False) for count in filters]
        self.norms = [layers.LayerNormalization(axis=(1, 3)) for _ in filters]
        self.pools = [layers.MaxPooling2D(pool) for pool in POOLS]
        self.dropout = layers.SpatialDropout1D(dropout)
        self.recurrent = RecurrentEncoder(units, depth, dropout)

    def convolved(self, features, lengths):
        """What the convolutions see, before states are told of each other: `(batch, frames, width)`. Lines as in `call`."""
        features = ops.pad(features, ((0, 0), (0, -ops.shape(features)[1] % SCALE), (0, 0)))
        image, frames, rest = ops.transpose(features, (0, 2, 1))[..., None], self.frames(lengths), SCALE
        for convolution, norm, pool, size in zip(self.convolutions, self.norms, self.pools, POOLS):
            rest //= size[1]
            image = _blank_padding(ops.relu(norm(pool(convolution(image)))), frames * rest)
        image = ops.transpose(image, (0, 2, 1, 3))
        shape = ops.shape(image)
        return ops.reshape(image, (shape[0], shape[1], image.shape[2] * image.shape[3]))

    def call(self, features, lengths, training=False):
        """Reads a batch of lines.

        Args:
            features: `(batch, steps, height)` float, 0 on padding.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, steps / 4, 2 * units)`, rounded up, zero on padding; and their lengths.
        """
        states = self.dropout(self.convolved(features, lengths), training=training)
        return self.recurrent(states, self.frames(lengths), training=training)
