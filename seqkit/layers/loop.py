"""One recurrent loop for TensorFlow, with its gradient written by hand.

What makes it fast, forwards and backwards:

- the inputs of all steps arrive projected (`x @ W + b`, one matrix product before the loop);
- the backward loop computes only the gradients of the gates; the gradient of a recurrent matrix is afterwards one matrix
  product over (steps x batch), not a sum kept up step by step;
- the loop compiles under XLA, whose programs read and write the per-step arrays in place.

A recurrence is described by a `Step`: which operands are multiplied by which recurrent matrices, and how the products
become the next states. LSTM and SimpleRNN have one product; GRU with `reset_after=False` has two, one behind the other;
recurrent dropout, with its own mask for each gate, has one a gate. `h` is always the first state and the output.

Convention: inside this file time comes first, `(steps, batch, width)`; callers transpose. A padded step (mask False)
leaves every state as it was and receives no gradient. Left out: input projection, dropout, choosing a path: see the layers.
"""

from dataclasses import dataclass
from typing import Callable

import tensorflow as tf


@dataclass(frozen=True)
class Step:
    """One step of a recurrence, elementwise except for its products.

    operands: functions `(x, products, states, constants) -> (..., n)`; operand k sees the products before it, is
        multiplied by recurrent matrix k, and the result (with its bias, where there is one) is product k.
    advance: function `(x, products, states, constants) -> states`.
    additive: True where `x` appears only as `x + products[0]`: then one gradient serves both and is stored once.

    Both work on one step `(batch, width)` and on all steps at once `(steps, batch, width)`.
    """

    operands: tuple
    advance: Callable
    additive: bool


def _list(like, steps, width=None):
    width = like.shape[-1] if width is None else width
    return tf.TensorArray(like.dtype, size=steps, element_shape=[like.shape[-2], width])


def _read(values):
    return tf.TensorArray(values.dtype, size=tf.shape(values)[0], element_shape=values.shape[1:]).unstack(values)


def _products(step, x, states, constants, matrices, biases):
    products = []
    for operand, matrix, bias in zip(step.operands, matrices, biases):
        product = tf.matmul(operand(x, products, states, constants), matrix)
        products.append(product if bias is None else product + bias)
    return products


def _steps(x):
    return x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]


def _forward(step, x, states, mask, constants, matrices, biases, reverse, keep):
    """Run all steps; with `keep`, also return every state and product, which the backward loop needs."""
    steps = _steps(x)
    inputs = _read(x)
    masks = None if mask is None else _read(mask)
    kept = [_list(s, steps) for s in states]
    if keep:
        kept += [_list(x, steps, m.shape[1]) for m in matrices]
    else:
        kept = kept[:1]

    def body(k, states, kept):
        t = steps - 1 - k if reverse else k
        x_t = inputs.read(t)
        products = _products(step, x_t, states, constants, matrices, biases)
        new = step.advance(x_t, products, states, constants)
        if masks is not None:
            here = masks.read(t)
            new = [tf.where(here, n, s) for n, s in zip(new, states)]
        values = [*new, *products] if keep else new[:1]
        return k + 1, tuple(new), tuple(a.write(t, v) for a, v in zip(kept, values))

    _, states, kept = tf.while_loop(
        lambda k, *_: k < steps, body, (0, tuple(states), tuple(kept)), maximum_iterations=steps, parallel_iterations=1
    )
    return states, [a.stack() for a in kept]


def _backward(step, x, first, kept, mask, constants, matrices, reverse, d_outputs, d_last):
    """Gradients of (x, first states, matrices, product gradients), from those of all outputs and of the last states."""
    steps = _steps(x)
    count = len(first)
    before = []
    for values, start in zip(kept[:count], first):
        parts = [values[1:], start[None]] if reverse else [start[None], values[:-1]]
        before.append(tf.concat(parts, 0))
    products = kept[count:]
    reads = [_read(v) for v in [x, *before, *products]]
    masks = None if mask is None else _read(mask)
    d_reads = None if d_outputs is None else _read(d_outputs)
    d_products = [_list(x, steps, p.shape[-1]) for p in products]
    d_x = [] if step.additive else [_list(x, steps)]

    def body(k, d_states, written):
        t = k if reverse else steps - 1 - k
        d_states = list(d_states)
        if d_reads is not None:
            d_states[0] += d_reads.read(t)
        x_t, *rest = [a.read(t) for a in reads]
        states, found = rest[:count], rest[count:]
        passed = None
        if masks is not None:
            here = masks.read(t)
            passed = [tf.where(here, tf.zeros_like(d), d) for d in d_states]
            d_states = [tf.where(here, d, tf.zeros_like(d)) for d in d_states]
        sources = [x_t, *found, *states]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            new = step.advance(x_t, found, states, constants)
        total = list(tape.gradient(new, sources, d_states, unconnected_gradients="zero"))
        for i in reversed(range(len(found))):
            d_operand = tf.matmul(total[1 + i], matrices[i], transpose_b=True)
            with tf.GradientTape() as tape:
                tape.watch(sources)
                operand = step.operands[i](x_t, found[:i], states, constants)
            more = tape.gradient(operand, sources, d_operand)
            total = [a if b is None else a + b for a, b in zip(total, more)]
        d_states = total[1 + len(found) :]
        if passed is not None:
            d_states = [d + p for d, p in zip(d_states, passed)]
        values = total[1 : 1 + len(found)] + ([] if step.additive else total[:1])
        return k + 1, tuple(d_states), tuple(a.write(t, v) for a, v in zip(written, values))

    _, d_first, written = tf.while_loop(
        lambda k, *_: k < steps,
        body,
        (0, tuple(d_last), tuple(d_products + d_x)),
        maximum_iterations=steps,
        parallel_iterations=1,
    )
    written = [a.stack() for a in written]
    d_products = written[: len(products)]
    d_matrices = []
    for i, d_product in enumerate(d_products):
        operand = step.operands[i](x, products[:i], before, constants)
        d_matrices.append(tf.einsum("tbi,tbj->ij", operand, d_product))
    d_x = d_products[0] if step.additive else written[-1]
    return d_x, list(d_first), d_matrices, [tf.reduce_sum(d, [0, 1]) for d in d_products]


def recur(step, x, states, mask, constants, matrices, biases, reverse=False):
    """Apply `step` along time.

    Args:
        x: `(steps, batch, width)`, projected inputs.
        states: list of `(batch, units)`, the first states.
        mask: `(steps, batch, 1)` bool or None; False leaves the states of that row as they were.
        constants: list of tensors handed to the step, without gradient.
        matrices: list of recurrent matrices, one for each operand of the step.
        biases: list as long, of vectors or None.
        reverse: read from the last step to the first. Outputs stay where their inputs are.

    Returns:
        `(outputs, last)`: the first state after every step `(steps, batch, units)`, and the list of last states.
    """
    count, width = len(states), len(matrices)

    @tf.custom_gradient
    def run(x, *flat):
        states, matrices = list(flat[:count]), list(flat[count : count + width])
        rest = iter(flat[count + width :])
        filled = [None if b is None else next(rest) for b in biases]
        last, kept = _forward(step, x, states, mask, constants, matrices, filled, reverse, keep=True)

        def grad(d_outputs, *d_last):
            d_x, d_first, d_matrices, d_biases = _backward(
                step, x, states, kept, mask, constants, matrices, reverse, d_outputs, d_last
            )
            d_biases = [d for d, b in zip(d_biases, biases) if b is not None]
            return (d_x, *d_first, *d_matrices, *d_biases)

        return (kept[0], *last), grad

    given = [*states, *matrices, *[b for b in biases if b is not None]]
    outputs, *last = run(x, *[tf.convert_to_tensor(t) for t in given])
    return outputs, last
