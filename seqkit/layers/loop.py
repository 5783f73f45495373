"""One recurrent loop for TensorFlow, with its gradient written by hand.

What makes it fast, forwards and backwards:

- the inputs of all steps arrive projected (`x @ W + b`, one matrix product before the loop);
- the backward loop computes only the gradients of the gates; the gradient of a recurrent matrix is afterwards one matrix
  product over (steps x batch), not a sum kept up step by step;
- the loop compiles under XLA, whose programs read and write the per-step arrays in place.

The recurrence is a `Step` (`steps.py`). LSTM and SimpleRNN have one product; GRU with `reset_after=False` has two, one behind
the other; recurrent dropout, with its own mask for each gate, has one a gate.

Convention: time comes first, `(steps, batch, width)`. `keep` says how much of the old states stays at each step: bool
`(steps, batch, 1)`, True on padding, which then neither changes a state nor receives a gradient; or, for zoneout, the share as
a float `(steps, batch, units of all states)`. Left out: input projection, dropout, choosing a path.
"""

import tensorflow as tf


def _list(like, steps, width=None):
    width = like.shape[-1] if width is None else width
    return tf.TensorArray(like.dtype, size=steps, element_shape=[like.shape[-2], width])


def _read(values):
    return tf.TensorArray(values.dtype, size=tf.shape(values)[0], element_shape=values.shape[1:]).unstack(values)


def _steps(x):
    return x.shape[0] if x.shape[0] is not None else tf.shape(x)[0]


def _loop(steps, body, carried, lists):
    """`body(k, carried) -> (carried, values to write at k's place, place)` for k in 0..steps: (carried, stacked lists)."""

    def whole(k, carried, lists):
        carried, values, place = body(k, carried)
        return k + 1, tuple(carried), tuple(a.write(place, v) for a, v in zip(lists, values))

    _, carried, lists = tf.while_loop(
        lambda k, *_: k < steps,
        whole,
        (0, tuple(carried), tuple(lists)),
        maximum_iterations=steps,
        parallel_iterations=10,
    )
    return carried, [a.stack() for a in lists]


def mixed(keep, new, old):
    """States after a step of which `keep` stays old."""
    if keep.dtype == tf.bool:
        return [tf.where(keep, o, n) for n, o in zip(new, old)]
    return [k * o + (1 - k) * n for k, n, o in zip(tf.split(keep, len(new), -1), new, old)]


def _shared(keep, d_states):
    """A gradient of mixed states, shared out between the new ones and the old ones."""
    if keep.dtype == tf.bool:
        nothing = [tf.zeros_like(d) for d in d_states]
        return mixed(keep, d_states, nothing), mixed(keep, nothing, d_states)
    old = [k * d for k, d in zip(tf.split(keep, len(d_states), -1), d_states)]
    return [d - o for d, o in zip(d_states, old)], old


def _products(step, x, states, constants, matrices, biases):
    products = []
    for operand, matrix, bias in zip(step.operands, matrices, biases):
        product = tf.matmul(operand(x, products, states, constants), matrix)
        products.append(product if bias is None else product + bias)
    return products


def advanced(step, x, states, constants, matrices, biases):
    """The states after one step."""
    return step.advance(x, _products(step, x, states, constants, matrices, biases), states, constants)


def _kept_and_advanced(step, x, states, constants, matrices, biases):
    """What the backward loop needs of one step, and the states after it."""
    products = _products(step, x, states, constants, matrices, biases)
    if step.gates is None:
        return products, step.advance(x, products, states, constants)
    gates = step.gates(x, products)
    return [gates], step.mix(gates, states)


def _forward(step, x, states, keep, constants, matrices, biases, reverse):
    """Run all steps. Returns the last states, every state, and what the backward loop needs of every step."""
    steps, inputs = _steps(x), _read(x)
    keeps = None if keep is None else _read(keep)
    widths = [m.shape[1] for m in matrices] if step.gates is None else [4 * states[0].shape[-1]]
    lists = [_list(s, steps) for s in states] + [_list(x, steps, w) for w in widths]

    def body(k, states):
        t = steps - 1 - k if reverse else k
        kept, new = _kept_and_advanced(step, inputs.read(t), states, constants, matrices, biases)
        if keeps is not None:
            new = mixed(keeps.read(t), new, states)
        return new, [*new, *kept], t

    last, every = _loop(steps, body, states, lists)
    return last, every[: len(states)], every[len(states) :]


def _undo(step, x, kept, states, constants, parameters, back, d_states):
    """Gradients of one step: those of x (None if additive), each product, the states before it, the parameters."""
    if step.retreat is not None:
        d_x, d_product, d_states = step.retreat(kept[0], states, d_states)
        d_operand = back(0, d_product)
        d_output = d_operand if d_states[0] is None else d_states[0] + d_operand
        return d_x, [d_product], [d_output, *d_states[1:]], []
    sources = [x, *kept, *states, *parameters]
    with tf.GradientTape() as tape:
        tape.watch(sources)
        new = step.advance(x, kept, states, [*constants, *parameters])
    total = list(tape.gradient(new, sources, d_states, unconnected_gradients="zero"))
    for i in reversed(range(len(kept))):
        with tf.GradientTape() as tape:
            tape.watch(sources)
            operand = step.operands[i](x, kept[:i], states, constants)
        more = tape.gradient(operand, sources, back(i, total[1 + i]))
        total = [a if b is None else a + b for a, b in zip(total, more)]
    a, b = 1 + len(kept), 1 + len(kept) + len(states)
    return total[0], total[1:a], total[a:b], total[b:]


def _backward(step, x, first, every, kept, keep, constants, parameters, matrices, reverse, d_outputs, d_last):
    """Gradients of x, first states, parameters, matrices and biases, from those of all outputs and of the last states."""
    steps, count = _steps(x), len(first)
    before = []
    for values, start in zip(every, first):
        before.append(tf.concat([values[1:], start[None]] if reverse else [start[None], values[:-1]], 0))
    reads = [_read(v) for v in ([*before, *kept] if step.retreat is not None else [*before, *kept, x])]
    keeps = None if keep is None else _read(keep)
    d_reads = _read(d_outputs)
    # A product with a matrix transposed on the fly is half as fast as with one transposed once; one row is read once.
    once = x.shape[1] != 1
    turned = [tf.transpose(m) if once else m for m in matrices]

    def back(i, d_product):
        return tf.matmul(d_product, turned[i], transpose_b=not once)

    lists = [_list(x, steps, m.shape[1]) for m in matrices] + ([] if step.additive else [_list(x, steps)])

    def body(k, carried):
        d_states, d_parameters = carried
        t = k if reverse else steps - 1 - k
        d_states = [d_states[0] + d_reads.read(t), *d_states[1:]]
        values = [a.read(t) for a in reads]
        if keeps is not None:
            d_states, passed = _shared(keeps.read(t), d_states)
        d_x, d_products, d_states, more = _undo(
            step, values[-1], values[count : count + len(kept)], values[:count], constants, parameters, back, d_states
        )
        if keeps is not None:
            d_states = [d + p for d, p in zip(d_states, passed)]
        d_parameters = tuple(d + m for d, m in zip(d_parameters, more))
        return (tuple(d_states), d_parameters), d_products if step.additive else [*d_products, d_x], t

    carried = (tuple(d_last), tuple(tf.zeros_like(p) for p in parameters))
    (d_first, d_parameters), found = _loop(steps, body, carried, lists)
    d_matrices = []
    for i, d_product in enumerate(found[: len(matrices)]):
        operand = step.operands[i](x, kept[:i], before, constants)
        d_matrices.append(tf.einsum("tbi,tbj->ij", operand, d_product))
    d_biases = [tf.reduce_sum(d, [0, 1]) for d in found[: len(matrices)]]
    return found[0] if step.additive else found[-1], d_first, d_parameters, d_matrices, d_biases


def answer(step, x, project, states, keep, constants, matrices, biases, reverse):
    """The outputs and last states of `recur`, nothing kept for a gradient; `project` is applied to x at each step."""
    steps, inputs = _steps(x), _read(x)
    keeps = None if keep is None else _read(keep)

    def body(k, states):
        t = steps - 1 - k if reverse else k
        new = advanced(step, project(inputs.read(t)), states, constants, matrices, biases)
        if keeps is not None:
            new = mixed(keeps.read(t), new, states)
        return new, new[:1], t

    last, (outputs,) = _loop(steps, body, states, [_list(states[0], steps)])
    return outputs, list(last)


def recur(step, x, states, keep, constants, parameters, matrices, biases, reverse=False):
    """Apply `step` along time.

    Args:
        x: `(steps, batch, width)`, projected inputs.
        states: list of `(batch, units)`, the first states.
        keep: None, or how much of the old states stays at each step; see above.
        constants: list of tensors handed to the step, without gradient.
        parameters: list of weights handed to the step behind the constants, with gradient.
        matrices: list of recurrent matrices, one for each operand of the step.
        biases: list as long, of vectors or None.
        reverse: read from the last step to the first. Outputs stay where their inputs are.

    Returns:
        `(outputs, last)`: the first state after every step `(steps, batch, units)`, and the list of last states.
    """
    sizes = [len(states), len(parameters), len(matrices)]

    @tf.custom_gradient
    def run(x, *flat):
        flat = iter(flat)
        states, parameters, matrices = [[next(flat) for _ in range(n)] for n in sizes]
        filled = [None if b is None else next(flat) for b in biases]
        last, every, kept = _forward(step, x, states, keep, [*constants, *parameters], matrices, filled, reverse)

        def grad(d_outputs, *d_last):
            d_x, d_first, d_parameters, d_matrices, d_biases = _backward(
                step, x, states, every, kept, keep, constants, parameters, matrices, reverse, d_outputs, d_last
            )
            return (d_x, *d_first, *d_parameters, *d_matrices, *[d for d, b in zip(d_biases, biases) if b is not None])

        return (every[0], *last), grad

    given = [*states, *parameters, *matrices, *[b for b in biases if b is not None]]
    outputs, *last = run(x, *[tf.convert_to_tensor(t) for t in given])
    return outputs, last
