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

from collections.abc import Callable
from dataclasses import dataclass


import tensorflow as tf


@dataclass(frozen=True)
class Step:
    """One step of a recurrence, elementwise except for its products.

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


def _forward(step, x, states, mask, constants, matrices, biases, reverse):
    """Run all steps. Returns the last states, every state, and what the backward loop needs of every step."""
    steps = _steps(x)
    inputs = _read(x)
    masks = None if mask is None else _read(mask)
    lists = [_list(s, steps) for s in states]
    if step.gates is None:
        lists += [_list(x, steps, m.shape[1]) for m in matrices]
    else:
        lists.append(_list(x, steps, 4 * states[0].shape[-1]))

    def body(k, states, lists):
        t = steps - 1 - k if reverse else k
        x_t = inputs.read(t)
        products = _products(step, x_t, states, constants, matrices, biases)
        kept = products if step.gates is None else [step.gates(x_t, products)]
        new = step.advance(x_t, products, states, constants) if step.gates is None else step.mix(kept[0], states)
        if masks is not None:
            here = masks.read(t)
            new = [tf.where(here, n, s) for n, s in zip(new, states)]
        return k + 1, tuple(new), tuple(a.write(t, v) for a, v in zip(lists, [*new, *kept]))

    _, last, lists = tf.while_loop(
        lambda k, *_: k < steps, body, (0, tuple(states), tuple(lists)), maximum_iterations=steps, parallel_iterations=1
    )
    every = [a.stack() for a in lists]
    return last, every[: len(states)], every[len(states) :]


def _undo(step, x, kept, states, constants, transposed, d_states):
    """Gradients of one step: those of x (None if additive), of each product and of the states before it."""
    if step.retreat is not None:
        d_x, d_product, d_states = step.retreat(kept[0], states, d_states)
        d_operand = tf.matmul(d_product, transposed[0])
        return d_x, [d_product], [d_states[0] + d_operand if d_states[0] is not None else d_operand, *d_states[1:]]
    sources = [x, *kept, *states]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        new = step.advance(x, kept, states, constants)
    total = list(tape.gradient(new, sources, d_states, unconnected_gradients="zero"))
    for i in reversed(range(len(kept))):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            operand = step.operands[i](x, kept[:i], states, constants)
        more = tape.gradient(operand, sources, tf.matmul(total[1 + i], transposed[i]))
        total = [a if b is None else a + b for a, b in zip(total, more)]
    return total[0], total[1 : 1 + len(kept)], total[1 + len(kept) :]


def _backward(step, x, first, every, kept, mask, constants, matrices, reverse, d_outputs, d_last):
    """Gradients of x, first states, matrices and biases, from those of all outputs and of the last states."""
    steps, count = _steps(x), len(first)
    before = []
    for values, start in zip(every, first):
        before.append(tf.concat([values[1:], start[None]] if reverse else [start[None], values[:-1]], 0))
    needed = [*before, *kept] if step.retreat is not None else [*before, *kept, x]
    reads = [_read(v) for v in needed]
    masks = None if mask is None else _read(mask)
    d_reads = _read(d_outputs)
    # A product with a matrix transposed on the fly is half as fast as with one transposed once.
    transposed = [tf.transpose(m) for m in matrices]
    lists = [_list(x, steps, m.shape[1]) for m in matrices] + ([] if step.additive else [_list(x, steps)])

    def body(k, d_states, lists):
        t = k if reverse else steps - 1 - k
        d_states = [d_states[0] + d_reads.read(t), *d_states[1:]]
        values = [a.read(t) for a in reads]
        states, found = values[:count], values[count : count + len(kept)]
        if masks is not None:
            here = masks.read(t)
            passed = [tf.where(here, tf.zeros_like(d), d) for d in d_states]
            d_states = [tf.where(here, d, tf.zeros_like(d)) for d in d_states]
        d_x, d_products, d_states = _undo(step, values[-1], found, states, constants, transposed, d_states)
        if masks is not None:
            d_states = [d + p for d, p in zip(d_states, passed)]
        written = d_products if step.additive else [*d_products, d_x]
        return k + 1, tuple(d_states), tuple(a.write(t, v) for a, v in zip(lists, written))

    _, d_first, lists = tf.while_loop(
        lambda k, *_: k < steps, body, (0, tuple(d_last), tuple(lists)), maximum_iterations=steps, parallel_iterations=1
    )
    found = [a.stack() for a in lists]
    d_products = found[: len(matrices)]
    d_matrices = []
    for i, d_product in enumerate(d_products):
        operand = step.operands[i](x, kept[:i], before, constants)
        d_matrices.append(tf.einsum("tbi,tbj->ij", operand, d_product))
    return found[0] if step.additive else found[-1], list(d_first), d_matrices, [tf.reduce_sum(d, [0, 1]) for d in d_products]


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
        last, every, kept = _forward(step, x, states, mask, constants, matrices, filled, reverse)

        def grad(d_outputs, *d_last):
            d_x, d_first, d_matrices, d_biases = _backward(
                step, x, states, every, kept, mask, constants, matrices, reverse, d_outputs, d_last
            )
            d_biases = [d for d, b in zip(d_biases, biases) if b is not None]
            return (d_x, *d_first, *d_matrices, *d_biases)

        return (every[0], *last), grad

    given = [*states, *matrices, *[b for b in biases if b is not None]]
    outputs, *last = run(x, *[tf.convert_to_tensor(t) for t in given])
    return outputs, last
