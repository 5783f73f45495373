"""Text: piece ids -> one state a piece, read in both directions."""

import keras
from keras import layers, ops

from seqkit.layers import LSTM, Bidirectional
from seqkit.lengths import zero_padding


@keras.saving.register_keras_serializable("seqkit")
class TextEncoder(layers.Layer):
    """Embedding and a stack of bidirectional LSTMs (Schuster and Paliwal, 1997; Hochreiter and Schmidhuber, 1997).

    Args:
        vocabulary: int, number of ids.
        width: int, size of an embedding.
        units: int, LSTM units in each direction.
        depth: int, number of bidirectional layers.
        dropout: share of the embedding's channels that a text is read without while training, all along.
        word_dropout: share of the pieces that are not read while training.
        votes: layer called with `(ids, lengths)` whose `(batch, steps, width)` is put behind the states, or None.
    """

    def __init__(self, vocabulary, width, units, depth, dropout=0.0, word_dropout=0.0, votes=None, **kwargs):
        super().__init__(**kwargs)
        self.embedding = layers.Embedding(vocabulary, width)
        self.recurrent = [Bidirectional(LSTM(units, return_sequences=True)) for _ in range(depth)]
        self.dropout = layers.SpatialDropout1D(dropout)
        self.word_dropout = layers.Dropout(word_dropout, noise_shape=(None, None, 1))
        self.votes = votes

    def read(self, features, lengths, training=False):
        """ids `(batch, steps)`, lengths `(batch,)` -> states `(batch, steps, 2 * units)`, forward half first."""
        states = self.word_dropout(self.embedding(features), training=training)
        states = self.dropout(states, training=training)
        for layer in self.recurrent:
            states = layer(states, lengths=lengths, training=training)
        return zero_padding(states, lengths)

    def call(self, features, lengths, training=False):
        """Like `read`, with the votes behind the states; returns lengths too: reading changes no time."""
        states = self.read(features, lengths, training=training)
        if self.votes is not None:
            states = ops.concatenate([states, self.votes(features, lengths)], axis=-1)
        return states, ops.cast(lengths, "int32")
