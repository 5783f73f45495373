"""The text encoder against Keras's own layers, one text at a time and without padding."""

import keras
import numpy as np

from seqkit.encoders.ngrams import NgramVotes
from seqkit.encoders.text import TextEncoder

IDS = np.array([[5, 6, 7, 8, 2], [9, 5, 2, 0, 0], [2, 0, 0, 0, 0]], "int32")
LENGTHS = np.array([5, 3, 1], "int32")


def test_states_are_those_of_kerass_layers_on_each_text_alone():
    encoder = TextEncoder(vocabulary=12, width=4, units=3, depth=2)
    states, lengths = encoder(IDS, LENGTHS)
    assert lengths.numpy().tolist() == LENGTHS.tolist()
    theirs = []
    for layer in encoder.recurrent:
        copy = keras.layers.Bidirectional(keras.layers.LSTM(3, return_sequences=True))
        copy.build((None, None, layer.forward_layer.cell.kernel.shape[0]))
        copy.set_weights(layer.get_weights())
        theirs.append(copy)
    for row, length in enumerate(LENGTHS):
        alone = encoder.embedding(IDS[row : row + 1, :length])
        for layer in theirs:
            alone = layer(alone)
        np.testing.assert_allclose(states[row, :length], alone[0], atol=1e-5)
        assert not states[row, length:].numpy().any()


def test_votes_stand_behind_the_states():
    votes = NgramVotes(np.array([[0, 0, 5]]), np.array([[2.0, 3.0]]), every=[0.0, 0.0])
    encoder = TextEncoder(vocabulary=12, width=4, units=3, depth=1, votes=votes)
    states, _ = encoder(IDS, LENGTHS)
    assert states.shape == (3, 5, 8)
    np.testing.assert_array_equal(states[..., 6:], votes(IDS, LENGTHS))


def test_words_are_dropped_whole_and_only_while_training():
    encoder = TextEncoder(vocabulary=12, width=64, units=3, depth=1, word_dropout=0.5)
    seen = []
    encoder.recurrent = [lambda x, **_: seen.append(np.asarray(x)) or x]
    for training in (True, False):
        encoder(np.full((8, 20), 5, "int32"), np.full(8, 20, "int32"), training=training)
    dropped = (seen[0] == 0).all(axis=-1)
    assert 0.3 < dropped.mean() < 0.7
    assert ((seen[0] == 0).any(axis=-1) == dropped).all()
    assert (seen[1] != 0).any(axis=-1).all()
