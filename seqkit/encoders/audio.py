"""Spectrograms -> one state every four frames, read in both directions, or forwards with a little look ahead."""

from keras import layers, ops

from seqkit.encoders.recurrent import RecurrentEncoder
from seqkit.lengths import zero_padding
from seqkit.parts import Encoder, Sequence, apart, together
from seqkit.windows import Windows

HALVING = Windows(3, 2, 1, 1)  # of a convolution: three steps, every other one
JOINED = Windows(4, 4, 0, 3)  # the steps of a state


class Halving(layers.Layer):
    """A convolution over time and bands that halves both, then a normalisation of each step by itself (Ba, Kiros and Hinton,
    2016): nothing is averaged over a batch or over time."""

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        self.convolution = layers.Conv2D(filters, 3, strides=2, padding="valid", use_bias=False)
        self.norm = layers.LayerNormalization(axis=(2, 3))

    def call(self, stretch):
        """`(batch, steps, bands, channels)`, with zeros around its steps as `HALVING` has them -> `(batch, steps, ...)`."""
        return ops.relu(self.norm(self.convolution(ops.pad(stretch, [[0, 0], [0, 0], [1, 1], [0, 0]]))))


class AudioEncoder(Encoder):
    """Two convolutions that leave a quarter of the frames, then a stack of LSTMs (Amodei et al., 2016, "Deep Speech 2").

    In both directions for accuracy; or forwards only, with a convolution of each channel over a few states to come (there:
    row convolution), which streams so many states behind.

    Args:
        bands: int, width of the features.
        filters: int, channels of the convolutions.
        units: int, LSTM units in each direction.
        depth: int, number of LSTM layers.
        dropout: share of the channels that a recurrent layer does not read while training.
        bidirectional: whether they read in both directions.
        lookahead: int, states to come that one is told of, where they read forwards only.
    """

    stride = 4

    def __init__(self, bands, filters, units, depth, dropout=0.0, bidirectional=True, lookahead=0, **kwargs):
        super().__init__(**kwargs)
        self.bands, self.filters = bands, filters
        self.streams = not bidirectional
        self.convolutions = [Halving(filters), Halving(filters)]
        self.dropout = layers.SpatialDropout1D(dropout)
        self.recurrent = RecurrentEncoder(units, depth, dropout, bidirectional)
        self.ahead = Windows(1 + lookahead, 1, 0, lookahead)
        self.row = layers.DepthwiseConv1D(1 + lookahead, use_bias=False) if self.streams and lookahead else None

    def call(self, features, lengths, training=False):
        """Reads a batch of spectrograms.

        Args:
            features: `(batch, frames, bands)` float, 0 on padding.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, frames / 4, 2 * units)`, rounded up (forwards only, `units`), zero on padding; and their lengths.
        """
        image, lengths = features[..., None], ops.cast(lengths, "int32")
        for convolution in self.convolutions:
            steps = HALVING.count(ops.shape(image)[1])
            lengths = HALVING.count(lengths)
            image = zero_padding(convolution(HALVING.padded(image))[:, :steps], lengths)
        states = self.dropout(_flat(image), training=training)
        states, _ = self.recurrent(states, lengths, training=training)
        if self.row is not None:
            steps = ops.shape(states)[1]
            states = zero_padding(self.row(self.ahead.padded(states))[:, :steps], lengths)
        return states, lengths

    def start(self, batch):
        """What is still in a window of a convolution, of the spans, and of the look ahead; and the LSTMs' states."""
        bands, shapes = self.bands, {}
        for place, channels in enumerate((1, self.filters)):
            shapes[f"convolution{place}"] = HALVING.start(ops.zeros((batch, 0, bands, channels)))
            bands = -(-bands // 2)
        shapes["spans"] = JOINED.start(ops.zeros((batch, 0, 2)))
        shapes["recurrent"] = self.recurrent.start(batch)
        if self.row is not None:
            shapes["ahead"] = self.ahead.start(ops.zeros((batch, 0, self.recurrent.units + 2)))
        return together(shapes)

    def step(self, sequence, state, last):
        """Reads what came: as `parts.Encoder.step`."""
        names = ["convolution0", "convolution1", "spans", "recurrent", *["ahead"] * (self.row is not None)]
        after = dict(zip(names, apart(state, names)))
        image, lengths = sequence.values[..., None], sequence.lengths
        for place, convolution in enumerate(self.convolutions):
            name = f"convolution{place}"
            stretch, lengths, after[name] = HALVING.step(image, lengths, after[name], last)
            image = zero_padding(convolution(stretch), lengths)
        spans, _, after["spans"] = JOINED.step(sequence.spans, sequence.lengths, after["spans"], last)
        spans = _joined(spans, ops.shape(image)[1])
        new, after["recurrent"] = self.recurrent.step(Sequence(_flat(image), lengths, spans), after["recurrent"], last)
        if self.row is not None:
            width = self.recurrent.units
            both = ops.concatenate([new.values, new.spans], axis=-1)
            stretch, lengths, after["ahead"] = self.ahead.step(both, lengths, after["ahead"], last)
            values = self.row(stretch[..., :width])
            spans = stretch[:, : ops.shape(values)[1], width:]
            new = Sequence(zero_padding(values, lengths), lengths, spans)
        return new, together(after)


def _flat(image):
    """`(batch, steps, bands, channels)` -> `(batch, steps, bands * channels)`."""
    shape = ops.shape(image)
    return ops.reshape(image, (shape[0], shape[1], image.shape[2] * image.shape[3]))


def _joined(spans, states):
    """Spans of frames `(batch, frames, 2)` -> of so many states, of four frames each; frames after the end are zero."""
    spans = ops.pad(spans, [[0, 0], [0, 4], [0, 0]])[:, : 4 * states]
    spans = ops.reshape(spans, (ops.shape(spans)[0], -1, 4, 2))
    return ops.stack([spans[:, :, 0, 0], ops.max(spans[..., 1], axis=2)], axis=2)
