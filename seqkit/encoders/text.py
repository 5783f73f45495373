"""Text: piece ids -> one state a piece, read in both directions."""

import keras
from keras import layers, ops

from seqkit.layers import LSTM, Bidirectional
from seqkit.lengths import mask_of, zero_padding
from seqkit.parts import Encoder, with_votes


class TextEncoder(Encoder):
    """Embedding and a stack of bidirectional LSTMs (Schuster and Paliwal, 1997; Hochreiter and Schmidhuber, 1997).

    Args:
        vocabulary: int, number of ids; or the layer that embeds them.
        width: int, size of an embedding.
        units: int, LSTM units in each direction.
        depth: int, number of bidirectional layers.
        word_dropout: share of the pieces that are not read while training.
        dropout: share of the values that a layer does not read while training.
        votes: layer called with `(ids, lengths)` whose `(batch, steps, width)` is put behind the states, or None.
    """

    def __init__(self, vocabulary, width, units, depth, word_dropout=0.0, votes=None, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        if isinstance(vocabulary, int):
            vocabulary = layers.Embedding(vocabulary, width, keras.initializers.RandomNormal(stddev=0.1))
        self.embedding = vocabulary
        self.recurrent = [Bidirectional(LSTM(units, return_sequences=True)) for _ in range(depth)]
        self.word_dropout = layers.Dropout(word_dropout, noise_shape=(None, None, 1))
        self.dropout = layers.Dropout(dropout)
        self.votes = votes

    def call(self, features, lengths, training=False):
        """Reads a batch of texts.

        Args:
            features: `(batch, steps)` int32, ids.
            lengths: `(batch,)` int32, each at least 1.
            training: whether dropout applies.

        Returns:
            States `(batch, steps, 2 * units)`, the forward half first, the votes behind; and the same lengths.
        """
        states = self.word_dropout(self.embedding(features), training=training)
        # As a mask, not as lengths: batches hold texts of like length, which the layers need not group once more.
        real = mask_of(features, lengths)
        for layer in self.recurrent:
            states = layer(self.dropout(states, training=training), mask=real, training=training)
        states = zero_padding(states, lengths)
        if self.votes is not None:
            states = with_votes(states, self.votes(features, lengths))
        return states, ops.cast(lengths, "int32")

    def inherit(self, other):
        """As `parts.Encoder.inherit`; embeddings of another vocabulary are left to the head that spells by them."""
        for weight, source in zip(self.weights, other.weights, strict=True):
            if weight.shape == source.shape:
                weight.assign(source)
