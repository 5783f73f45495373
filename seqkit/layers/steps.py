"""The recurrences themselves: SimpleRNN, LSTM and GRU as `Step`s of the loop.

Gate order and equations are Keras's, so weights move both ways: LSTM (Hochreiter and Schmidhuber 1997, with forget gate)
i, f, c, o; GRU (Cho et al. 2014) z, r, h, with the reset gate applied after the product or before it.

Convention: `x` holds the projected inputs of all gates side by side. Equal arguments give the same `Step` object, so
that layers of one kind share compiled programs. Left out: weights and initial states, which the layers own.
"""

from functools import cache

import tensorflow as tf
from keras import activations

from seqkit.layers.loop import Step


def _output(x, products, states, constants):
    return states[0]


def _dropped(gate):
    """The operand of one gate under recurrent dropout: constants hold one mask a gate, for the whole sequence."""

    def operand(x, products, states, constants):
        return states[0] * constants[gate]

    return operand


def _joined(products):
    return products[0] if len(products) == 1 else tf.concat(products, -1)


@cache
def simple_rnn(activation, dropped=False):
    """h = activation(x + h U)."""

    def advance(x, products, states, constants):
        return [activation(x + products[0])]

    return Step((_dropped(0) if dropped else _output,), advance, additive=True)


@cache
def lstm(activation, recurrent_activation, dropped=False):
    """c = f c + i g, h = o activation(c), with i, f, o gates and g the candidate."""

    def advance(x, products, states, constants):
        i, f, g, o = tf.split(x + _joined(products), 4, -1)
        c = recurrent_activation(f) * states[1] + recurrent_activation(i) * activation(g)
        return [recurrent_activation(o) * activation(c), c]

    if dropped:
        return Step(tuple(_dropped(gate) for gate in range(4)), advance, additive=False)
    if (activation, recurrent_activation) != (activations.tanh, activations.sigmoid):
        return Step((_output,), advance, additive=True)

    def gates(x, products):
        i, f, g, o = tf.split(x + products[0], 4, -1)
        return tf.concat([tf.sigmoid(i), tf.sigmoid(f), tf.tanh(g), tf.sigmoid(o)], -1)

    def mix(gates, states):
        i, f, g, o = tf.split(gates, 4, -1)
        c = f * states[1] + i * g
        return [o * tf.tanh(c), c]

    def retreat(gates, states, d_states):
        i, f, g, o = tf.split(gates, 4, -1)
        squashed = tf.tanh(f * states[1] + i * g)
        d_o = d_states[0] * squashed
        d_c = d_states[1] + d_states[0] * o * (1 - squashed * squashed)
        d_z = [d_c * g * i * (1 - i), d_c * states[1] * f * (1 - f), d_c * i * (1 - g * g), d_o * o * (1 - o)]
        return None, tf.concat(d_z, -1), [None, d_c * f]

    return Step((_output,), advance, additive=True, gates=gates, mix=mix, retreat=retreat)


@cache
def gru(activation, recurrent_activation, reset_after, dropped=False):
    """h = z h + (1 - z) candidate; the reset gate r scales the candidate's product (after) or its operand (before)."""

    def advance(x, products, states, constants):
        x_z, x_r, x_h = tf.split(x, 3, -1)
        p_z, p_r, p_h = tf.split(_joined(products), 3, -1)
        z, r = recurrent_activation(x_z + p_z), recurrent_activation(x_r + p_r)
        candidate = activation(x_h + (r * p_h if reset_after else p_h))
        return [z * states[0] + (1 - z) * candidate]

    def reset(x, products, states, constants):
        x_r = tf.split(x, 3, -1)[1]
        p_r = products[1] if dropped else tf.split(products[0], 2, -1)[1]
        return recurrent_activation(x_r + p_r) * (states[0] * constants[2] if dropped else states[0])

    if dropped:
        operands = (_dropped(0), _dropped(1), _dropped(2) if reset_after else reset)
    else:
        operands = (_output,) if reset_after else (_output, reset)
    by_hand = reset_after and not dropped and (activation, recurrent_activation) == (activations.tanh, activations.sigmoid)

    def gates(x, products):
        x_z, x_r, x_h = tf.split(x, 3, -1)
        p_z, p_r, p_h = tf.split(products[0], 3, -1)
        r = tf.sigmoid(x_r + p_r)
        return tf.concat([tf.sigmoid(x_z + p_z), r, tf.tanh(x_h + r * p_h), p_h], -1)

    def mix(gates, states):
        z, _, candidate, _ = tf.split(gates, 4, -1)
        return [z * states[0] + (1 - z) * candidate]

    def retreat(gates, states, d_states):
        z, r, candidate, p_h = tf.split(gates, 4, -1)
        d_h = d_states[0]
        d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
        d_z = d_h * (states[0] - candidate) * z * (1 - z)
        d_r = d_candidate * p_h * r * (1 - r)
        return tf.concat([d_z, d_r, d_candidate], -1), tf.concat([d_z, d_r, d_candidate * r], -1), [d_h * z]

    if by_hand:
        return Step(operands, advance, additive=False, gates=gates, mix=mix, retreat=retreat)
    return Step(operands, advance, additive=False)
