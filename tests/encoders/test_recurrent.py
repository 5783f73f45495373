"""The recurrent encoder against Keras's own layers, one sequence at a time and without padding."""

import keras
import numpy as np

from seqkit.encoders.recurrent import CommitteeEncoder, RecurrentEncoder

FEATURES = np.random.default_rng(0).normal(size=(3, 6, 5)).astype("float32")
LENGTHS = np.array([6, 3, 1], "int32")


def test_states_are_those_of_kerass_layers_on_each_sequence_alone():
    encoder = RecurrentEncoder(units=4, depth=2)
    states, lengths = encoder(FEATURES, LENGTHS)
    assert np.asarray(lengths).tolist() == LENGTHS.tolist()
    theirs = []
    for layer in encoder.recurrent:
        copy = keras.layers.Bidirectional(keras.layers.LSTM(4, return_sequences=True))
        copy.build((None, None, layer.forward_layer.cell.kernel.shape[0]))
        copy.set_weights(layer.get_weights())
        theirs.append(copy)
    for row, length in enumerate(LENGTHS):
        alone = FEATURES[row : row + 1, :length]
        for layer in theirs:
            alone = layer(alone)
        np.testing.assert_allclose(states[row, :length], alone[0], atol=1e-5)
        assert not np.asarray(states[row, length:]).any()


def test_channels_are_dropped_between_layers_and_only_while_training():
    encoder = RecurrentEncoder(units=4, depth=2, dropout=0.5)
    first, again, trained = (np.asarray(encoder(FEATURES, LENGTHS, training=t)[0]) for t in (False, False, True))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - trained).max() > 1e-3
    alone = RecurrentEncoder(units=4, depth=1, dropout=0.5)  # what it is given is never dropped
    np.testing.assert_array_equal(*(np.asarray(alone(FEATURES, LENGTHS, training=t)[0]) for t in (False, True)))


def test_a_committees_states_stand_side_by_side():
    encoders = [RecurrentEncoder(units=4, depth=1), RecurrentEncoder(units=3, depth=2)]
    states, lengths = CommitteeEncoder(encoders)(FEATURES, LENGTHS)
    assert states.shape == (3, 6, 14) and np.asarray(lengths).tolist() == LENGTHS.tolist()
    np.testing.assert_array_equal(states[..., :8], encoders[0](FEATURES, LENGTHS)[0])
    np.testing.assert_array_equal(states[..., 8:], encoders[1](FEATURES, LENGTHS)[0])
