"""The recurrences themselves: SimpleRNN, LSTM and GRU as `Step`s of the loop.

Gate order and equations are Keras's, so weights move both ways: LSTM (Hochreiter and Schmidhuber 1997, with forget gate)
i, f, c, o; GRU (Cho et al. 2014) z, r, h, with the reset gate applied after the product or before it.

Convention: `x` holds the projected inputs of all gates side by side. Equal arguments give the same `Step` object, so
that layers of one kind share compiled programs. Left out: weights and initial states, which the layers own.
"""

from functools import lru_cache

import tensorflow as tf

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


@lru_cache(maxsize=None)
def simple_rnn(activation, dropped=False):
    """h = activation(x + h U)."""

    def advance(x, products, states, constants):
        return [activation(x + products[0])]

    return Step((_dropped(0) if dropped else _output,), advance, additive=True)


@lru_cache(maxsize=None)
def lstm(activation, recurrent_activation, dropped=False):
    """c = f c + i g, h = o activation(c), with i, f, o gates and g the candidate."""

    def advance(x, products, states, constants):
        i, f, g, o = tf.split(x + _joined(products), 4, -1)
        c = recurrent_activation(f) * states[1] + recurrent_activation(i) * activation(g)
        return [recurrent_activation(o) * activation(c), c]

    operands = tuple(_dropped(gate) for gate in range(4)) if dropped else (_output,)
    return Step(operands, advance, additive=not dropped)


@lru_cache(maxsize=None)
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
    return Step(operands, advance, additive=False)
