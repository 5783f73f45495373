"""The recurrences themselves: SimpleRNN, LSTM and GRU as `Step`s, the same for every loop and every backend.

Gate order and equations are Keras's, so weights move both ways: LSTM (Hochreiter and Schmidhuber 1997, with forget gate)
i, f, c, o; GRU (Cho et al. 2014) z, r, h, with the reset gate applied after the product or before it. `normalised` is layer
normalisation inside the cell (Ba, Kiros and Hinton 2016): of the products, and in an LSTM of the cell state on its way out.

Convention: `x` holds the projected inputs of all gates side by side. `constants` holds, first, the recurrent dropout masks, one
a gate; last, for a normalised step, gain and shift of the products and, in an LSTM, of the cell state. Equal arguments give
the same `Step` object, so that layers of one kind share compiled programs. Left out: weights, initial states, the loops.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from keras import activations, ops


@dataclass(frozen=True)
class Step:
    """One step of a recurrence, elementwise except for its products. `h` is the first state and the output.

    operands: functions `(x, products, states, constants) -> (..., n)`; operand k sees the products before it, is
        multiplied by recurrent matrix k, and the result (with its bias, where there is one) is product k.
    advance: function `(x, products, states, constants) -> states`.
    additive: True where `x` appears only as `x + products[0]`: then one gradient serves both and is stored once.

    A step of one product may have its derivative by hand; without it the derivative is TensorFlow's, from the products.

    gates: function `(x, products) -> (batch, 4 * units)`, what the backward loop keeps of a step in place of its products.
    mix: function `(gates, states) -> states`, the rest of `advance`.
    retreat: function `(gates, states, d_states) -> (d_x, d_product, d_states)`; d_x None if additive, and None in
        d_states where the product is the only way back.

    All work on one step `(batch, width)`; operands also on all steps at once `(steps, batch, width)`.
    """

    operands: tuple
    advance: Callable
    additive: bool
    gates: Callable = None
    mix: Callable = None
    retreat: Callable = None


def normal(values, gain, shift):
    """Layer normalisation over the last axis."""
    mean = ops.mean(values, axis=-1, keepdims=True)
    variance = ops.mean(ops.square(values - mean), axis=-1, keepdims=True)
    return (values - mean) * ops.rsqrt(variance + 1e-5) * gain + shift


def projected(x, masks, kernel, bias, gain):
    """Inputs of all gates `(..., gates * units)`, dropped by `masks`; layer-normalised where there is a gain."""
    if masks:
        kernels = ops.split(kernel, len(masks), axis=1)
        x = ops.concatenate([ops.matmul(x * m, k) for m, k in zip(masks, kernels)], axis=-1)
    else:
        x = ops.matmul(x, kernel)
    if gain is not None:
        return normal(x, gain, 0 if bias is None else bias)
    return x if bias is None else x + bias


def products(step, x, states, constants, matrices, biases):
    """The products of one step, each with its bias."""
    found = []
    for operand, matrix, bias in zip(step.operands, matrices, biases):
        product = ops.matmul(operand(x, found, states, constants), matrix)
        found.append(product if bias is None else product + bias)
    return found


def _output(x, products, states, constants):
    return states[0]


def _dropped(gate):
    def operand(x, products, states, constants):
        return states[0] * constants[gate]

    return operand


def _joined(products, constants=None):
    joined = products[0] if len(products) == 1 else ops.concatenate(products, -1)
    return joined if constants is None else normal(joined, *constants)


@cache
def simple_rnn(activation, dropped=False, normalised=False):
    """h = activation(x + h U)."""

    def advance(x, products, states, constants):
        return [activation(x + _joined(products, constants[-2:] if normalised else None))]

    return Step((_dropped(0) if dropped else _output,), advance, additive=not normalised)


@cache
def lstm(activation, recurrent_activation, dropped=False, normalised=False):
    """c = f c + i g, h = o activation(c), with i, f, o gates and g the candidate."""

    def advance(x, products, states, constants):
        i, f, g, o = ops.split(x + _joined(products, constants[-4:-2] if normalised else None), 4, -1)
        c = recurrent_activation(f) * states[1] + recurrent_activation(i) * activation(g)
        shown = normal(c, *constants[-2:]) if normalised else c
        return [recurrent_activation(o) * activation(shown), c]

    if dropped:
        return Step(tuple(_dropped(gate) for gate in range(4)), advance, additive=False)
    if normalised or (activation, recurrent_activation) != (activations.tanh, activations.sigmoid):
        return Step((_output,), advance, additive=not normalised)

    def gates(x, products):
        i, f, g, o = ops.split(x + products[0], 4, -1)
        return ops.concatenate([ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)], -1)

    def mix(gates, states):
        i, f, g, o = ops.split(gates, 4, -1)
        c = f * states[1] + i * g
        return [o * ops.tanh(c), c]

    def retreat(gates, states, d_states):
        i, f, g, o = ops.split(gates, 4, -1)
        squashed = ops.tanh(f * states[1] + i * g)
        d_o = d_states[0] * squashed
        d_c = d_states[1] + d_states[0] * o * (1 - squashed * squashed)
        d_z = [d_c * g * i * (1 - i), d_c * states[1] * f * (1 - f), d_c * i * (1 - g * g), d_o * o * (1 - o)]
        return None, ops.concatenate(d_z, -1), [None, d_c * f]

    return Step((_output,), advance, True, gates, mix, retreat)


@cache
def gru(activation, recurrent_activation, reset_after, dropped=False, normalised=False):
    """h = z h + (1 - z) candidate; the reset gate r scales the candidate's product (after) or its operand (before)."""

    def advance(x, products, states, constants):
        x_z, x_r, x_h = ops.split(x, 3, -1)
        p_z, p_r, p_h = ops.split(_joined(products, constants[-2:] if normalised else None), 3, -1)
        z, r = recurrent_activation(x_z + p_z), recurrent_activation(x_r + p_r)
        candidate = activation(x_h + (r * p_h if reset_after else p_h))
        return [z * states[0] + (1 - z) * candidate]

    def reset(x, products, states, constants):
        x_r = ops.split(x, 3, -1)[1]
        p_r = products[1] if dropped else ops.split(products[0], 2, -1)[1]
        return recurrent_activation(x_r + p_r) * (states[0] * constants[2] if dropped else states[0])

    if dropped:
        return Step((_dropped(0), _dropped(1), _dropped(2) if reset_after else reset), advance, additive=False)
    if not reset_after:
        return Step((_output, reset), advance, additive=False)
    if normalised or (activation, recurrent_activation) != (activations.tanh, activations.sigmoid):
        return Step((_output,), advance, additive=False)

    def gates(x, products):
        x_z, x_r, x_h = ops.split(x, 3, -1)
        p_z, p_r, p_h = ops.split(products[0], 3, -1)
        r = ops.sigmoid(x_r + p_r)
        return ops.concatenate([ops.sigmoid(x_z + p_z), r, ops.tanh(x_h + r * p_h), p_h], -1)

    def mix(gates, states):
        z, _, candidate, _ = ops.split(gates, 4, -1)
        return [z * states[0] + (1 - z) * candidate]

    def retreat(gates, states, d_states):
        z, r, candidate, p_h = ops.split(gates, 4, -1)
        d_h = d_states[0]
        d_candidate = d_h * (1 - z) * (1 - candidate * candidate)
        d_z = d_h * (states[0] - candidate) * z * (1 - z)
        d_r = d_candidate * p_h * r * (1 - r)
        return ops.concatenate([d_z, d_r, d_candidate], -1), ops.concatenate([d_z, d_r, d_candidate * r], -1), [d_h * z]

    return Step((_output,), advance, False, gates, mix, retreat)
