"""The loop over time in TensorFlow: as plain ops, and as XLA programs with a gradient written by hand.

`plain` is ops and nothing else. It goes into every export, and TensorFlow differentiates it, to any order.

`fused` gives the same numbers and is what makes the layers fast, forwards and backwards:

- the inputs of all steps are projected (`x @ W + b`) in one matrix product before the loop;
- the backward loop computes only the gradients of the gates; the gradient of a recurrent matrix is afterwards one matrix
  product over (steps x batch), not a sum kept up step by step;
- both loops are XLA programs, which read and write the per-step arrays in place. A program is traced once for a kind of layer,
  whatever the batch and the steps, and compiled by TensorFlow when it first runs at new shapes; layers of the same width share
  it. Where the number of steps is unknown while tracing, they are padded to 2^n or 3 * 2^n, with steps that change nothing, so
  a training run compiles a few programs, not one a batch.

A gradient of the gradient (penalties, Hessians, forward mode) is that of `plain`: slower, and right.

The recurrence is a `Step` (`steps.py`). LSTM and SimpleRNN have one product; GRU with `reset_after=False` has two, one behind
the other; recurrent dropout, with its own mask for each gate, has one a gate.

Convention: time comes first, `(steps, batch, width)`. `keep` says how much of the old states stays at each step: None; bool
`(steps, batch, 1)`, True on padding, which then neither changes a state nor receives a gradient; or, for zoneout, the share as
a float `(steps, batch, units of all states)`. `constants` are handed to the step, `masks` are input dropout masks
`(batch, width)`, none, one, or one a gate: none of the three has a gradient. `weights` are `(kernel, input bias or None, input
gain or None, parameters, matrices, biases or Nones)`. Left out: where these come from (`recurrent.py`), and padding that is
saved rather than run over (`ragged.py`).
"""

from functools import cache

import tensorflow as tf

from seqkit.layers.steps import products, projected


def plain(step, x, states, keep, constants, masks, weights, reverse):
    """Apply `step` along time, in ops of TensorFlow's own.

    Args:
        step: `Step`.
        x: `(steps, batch, width)`, inputs.
        states: list of `(batch, units)`, the first states.
        keep, constants, masks, weights: see above.
        reverse: read from the last step to the first. Outputs stay where their inputs are.

    Returns:
        `(outputs, last)`: the first state after every step `(steps, batch, units)`, and the list of last states.
    """
    kernel, bias, gain, *recurrent = weights
    x = projected(x, masks, kernel, bias, gain)
    return _answered(step, x, lambda x: x, states, keep, constants, *recurrent, reverse)


def fused(step, x, states, keep, constants, masks, weights, reverse, training):
    """As `plain`, as XLA programs. Shapes need to be known only when they run.

    Args:
        training: whether to keep what the gradient needs. A gradient taken all the same costs one more forward pass.
    """
    steps, batch, count = x.shape[0], x.shape[1], len(states)
    if steps is None:
        true = tf.shape(x)[0]
        x, keep = padded(x, keep)
    varied = [x, states, weights]

    def placed(given):
        given = iter(given)
        filled = [None if t is None else next(given) for t in tf.nest.flatten(varied)]
        x, states, weights = tf.nest.pack_sequence_as(varied, filled)
        return x, states, keep, constants, masks, weights

    def program(work, given, more, **how):
        return _program(work, step, placed(given), more, reverse, batch, **how)

    def forwards(*given):
        found = program(_learnt if training else _answer, given, [])
        return found[: 1 + count], [found[0], *found[1 + count :]] if training else []

    def backwards(given, kept, upstream):
        return program(_undone, given, [*kept, *upstream])

    def twice(given, upstream, second):
        return program(_twice, given, [*upstream, *second], compiled=False)

    given = [tf.convert_to_tensor(t) for t in tf.nest.flatten(varied) if t is not None]
    outputs, *last = differentiated(forwards, backwards, twice)(*given)
    if tf.executing_eagerly():  # where shapes are known, and every op costs
        return outputs, last
    if steps is None:
        outputs = outputs[:true]
    last = [tf.ensure_shape(s, [batch, s.shape[-1]]) for s in last]
    return tf.ensure_shape(outputs, [steps, batch, states[0].shape[-1]]), last


def differentiated(forwards, backwards, twice):
    """A function with a gradient of its own, which further gradients, and forward mode, pass too.

    Args:
        forwards: function `(*given) -> (list of results, list of what the gradient needs)`.
        backwards: function `(given, needed, upstream) -> gradients of given`.
        twice: function `(given, upstream, second) -> gradients of given and upstream`, for those of the gradients; as of
            `gradient_of_gradient`.
    """

    @tf.custom_gradient
    def function(*given):
        found, needed = forwards(*given)

        def gradient(*upstream):
            @tf.custom_gradient
            def once(*both):
                given, upstream = both[: -len(found)], both[-len(found) :]
                return backwards(given, needed, upstream), lambda *second: twice(given, upstream, second)

            return once(*given, *upstream)

        return found, gradient

    return function


def gradient_of_gradient(function, given, upstream, second):
    """Gradients of given and upstream from `second`, those of the gradients of given, in a graph.

    Not by tapes, which do not record while a forward accumulator does.

    Args:
        function: function `(*given) -> list of results`, in ops that TensorFlow differentiates to any order.
    """
    first = _gradients(function(*given), given, upstream)
    return _gradients(first, [*given, *upstream], second)


def _gradients(results, sources, upstream):
    return tf.gradients(results, sources, list(upstream), unconnected_gradients=tf.UnconnectedGradients.ZERO)


def _program(work, step, arguments, more, reverse, batch, compiled=True):
    """What `work` answers, from its program. `stop_gradient` has tapes look away from what is compiled."""
    *free, weights = arguments
    sizes = [len(part) if isinstance(part, list) else None for part in free]
    sizes += [len(weights[3]), len(weights[4])]
    flat = [*tf.nest.flatten(free), *more]
    specs = [None if t is None else tf.TensorSpec(_free(t.shape, batch) if compiled else t.shape, t.dtype) for t in flat]
    fixed = tf.nest.flatten(weights)
    fixed_specs = [None if t is None else tf.TensorSpec(t.shape, t.dtype) for t in fixed]
    traced = _traced(work, step, reverse, tuple(sizes), tuple(specs), tuple(fixed_specs), compiled)
    given = [t for t in flat + fixed if t is not None]
    if not compiled:
        return traced(*given)
    found = traced(*[tf.stop_gradient(t) for t in given])
    return found if tf.executing_eagerly() else [tf.stop_gradient(t) for t in found]


@cache
def _traced(work, step, reverse, sizes, specs, fixed, compiled):
    *free, parameters, matrices = ([0] * n if n is not None else 0 for n in sizes)
    weights = (0, 0, 0, parameters, matrices, matrices)
    count = len(tf.nest.flatten(free))

    def run(*flat):
        flat = iter(flat)
        filled = [None if spec is None else next(flat) for spec in [*specs, *fixed]]
        more = filled[count : len(specs)]
        arguments = tf.nest.pack_sequence_as([*free, weights], filled[:count] + filled[len(specs) :])
        return work(step, reverse, *arguments, more)

    signature = [spec for spec in [*specs, *fixed] if spec is not None]
    return tf.function(run, input_signature=signature, jit_compile=compiled or None, autograph=False)


def _free(shape, batch):
    """The shape of one program's argument: any steps, any batch but one, which is worth a program of its own."""
    rows = 1 if batch == 1 else None
    return [rows, shape[-1]] if len(shape) == 2 else [None, rows, shape[-1]]


def _answer(step, reverse, x, states, keep, constants, masks, weights, _):
    """Outputs and last states, nothing kept for a gradient."""
    kernel, bias, gain, *recurrent = weights

    def project(x):
        return projected(x, masks, kernel, bias, gain)

    # Projected inputs of many rows cost more to write and read than to make in place; one row would read the kernel each time.
    x, project = (project(x), lambda x: x) if x.shape[1] == 1 else (x, project)
    outputs, last = _answered(step, x, project, states, keep, constants, *recurrent, reverse)
    return [outputs, *last]


def _learnt(step, reverse, x, states, keep, constants, masks, weights, _):
    """Outputs, last states, and what `_undone` needs behind the outputs."""
    kernel, bias, gain, parameters, matrices, biases = weights
    x = projected(x, masks, kernel, bias, gain)
    last, every, kept = _forward(step, x, states, keep, [*constants, *parameters], matrices, biases, reverse)
    return [every[0], *last, *every[1:], *kept, *([] if step.retreat else [x])]


def _undone(step, reverse, x, states, keep, constants, masks, weights, more):
    """The gradients of x, states and weights. `more` is what `_learnt` kept, or nothing, and what comes from upstream."""
    kernel, bias, gain, parameters, matrices, biases = weights
    count = len(states)
    kept, (d_outputs, *d_last) = more[: -1 - count], more[-1 - count :]
    if not kept:
        outputs, *rest = _learnt(step, reverse, x, states, keep, constants, masks, weights, None)
        kept = [outputs, *rest[count:]]
    outer = [t for t in (x, kernel, bias, gain) if t is not None]
    inputs = projected(x, masks, kernel, bias, gain)
    every, kept = kept[:count], kept[count:]
    if not step.retreat:
        *kept, inputs_read = kept
    d_inputs, d_first, d_parameters, d_matrices, d_biases = _backward(
        step,
        None if step.retreat else inputs_read,
        states,
        every,
        kept,
        keep,
        constants,
        parameters,
        matrices,
        reverse,
        d_outputs,
        d_last,
    )
    d_x, *d_outer = _gradients(inputs, outer, [d_inputs])
    d_biases = [d for d, b in zip(d_biases, biases) if b is not None]
    return [d_x, *d_first, *d_outer, *d_parameters, *d_matrices, *d_biases]


def _twice(step, reverse, x, states, keep, constants, masks, weights, more):
    """`gradient_of_gradient` of x, states and weights. `more` is what comes from upstream of either gradient."""
    varied = [x, states, weights]
    count = 1 + len(states)

    def function(*given):
        given = iter(given)
        filled = [None if t is None else next(given) for t in tf.nest.flatten(varied)]
        x, states, weights = tf.nest.pack_sequence_as(varied, filled)
        outputs, last = plain(step, x, states, keep, constants, masks, weights, reverse)
        return [outputs, *last]

    given = [t for t in tf.nest.flatten(varied) if t is not None]
    return gradient_of_gradient(function, given, more[:count], more[count:])


def padded_steps(steps):
    """The next of 32, 48, 64, 96, 128 and so on, of each of the integers `steps`."""
    sizes = tf.constant([half * 2**n for n in range(4, 28) for half in (2, 3)])
    return tf.gather(sizes, tf.searchsorted(sizes, tf.reshape(steps, [-1])))


def padded(x, keep):
    """Steps padded to `padded_steps`, on which every state is kept."""
    steps = tf.shape(x)[0]
    if keep is None:
        keep = tf.zeros([steps, tf.shape(x)[1], 1], tf.bool)
    extra = [[0, padded_steps(steps)[0] - steps], [0, 0], [0, 0]]
    return tf.pad(x, extra), tf.pad(keep, extra, constant_values=tf.ones([], keep.dtype) if keep.dtype != tf.bool else True)


def watched(step, x, states, keep, constants, masks, weights, reverse, cut=None):
    """One step after the other in eager TensorFlow; no gradient crosses a multiple of `cut` steps.

    Returns:
        `(outputs, last states, every first state)`, the last a list in the order of time: the very tensors that the later
        steps read, so that a tape knows their total derivatives.
    """
    kernel, bias, gain, parameters, matrices, biases = weights
    x = projected(x, masks, kernel, bias, gain)
    every = [None] * x.shape[0]
    for k in range(len(every)):
        t = len(every) - 1 - k if reverse else k
        if cut and k and (t + 1 if reverse else t) % cut == 0:
            states = [tf.stop_gradient(state) for state in states]
        new = _advanced(step, x[t], states, [*constants, *parameters], matrices, biases)
        states = new if keep is None else _mixed(keep[t], new, states)
        every[t] = states[0]
    return tf.stack(every), list(states), every


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


def _mixed(keep, new, old):
    """States after a step of which `keep` stays old."""
    if keep.dtype == tf.bool:
        return [tf.where(keep, o, n) for n, o in zip(new, old)]
    return [k * o + (1 - k) * n for k, n, o in zip(tf.split(keep, len(new), -1), new, old)]


def _shared(keep, d_states):
    """A gradient of mixed states, shared out between the new ones and the old ones."""
    if keep.dtype == tf.bool:
        nothing = [tf.zeros_like(d) for d in d_states]
        return _mixed(keep, d_states, nothing), _mixed(keep, nothing, d_states)
    old = [k * d for k, d in zip(tf.split(keep, len(d_states), -1), d_states)]
    return [d - o for d, o in zip(d_states, old)], old


def _advanced(step, x, states, constants, matrices, biases):
    """The states after one step."""
    return step.advance(x, products(step, x, states, constants, matrices, biases), states, constants)


def _answered(step, x, project, states, keep, constants, parameters, matrices, biases, reverse):
    """Outputs and last states, nothing kept for a gradient; `project` is applied to x at each step."""
    steps, inputs, constants = _steps(x), _read(x), [*constants, *parameters]
    keeps = None if keep is None else _read(keep)

    def body(k, states):
        t = steps - 1 - k if reverse else k
        new = _advanced(step, project(inputs.read(t)), states, constants, matrices, biases)
        if keeps is not None:
            new = _mixed(keeps.read(t), new, states)
        # Written one behind the other, whichever way the loop reads: converters to ONNX take no other place.
        return new, new[:1], k

    last, (outputs,) = _loop(steps, body, states, [_list(states[0], steps)])
    return tf.reverse(outputs, [0]) if reverse else outputs, list(last)


def _forward(step, x, states, keep, constants, matrices, biases, reverse):
    """Run all steps. Returns the last states, every state, and what the backward loop needs of every step."""
    steps, inputs = _steps(x), _read(x)
    keeps = None if keep is None else _read(keep)
    widths = [m.shape[1] for m in matrices] if step.gates is None else [4 * states[0].shape[-1]]
    lists = [_list(s, steps) for s in states] + [_list(x, steps, w) for w in widths]

    def body(k, states):
        t = steps - 1 - k if reverse else k
        now = inputs.read(t)
        kept = products(step, now, states, constants, matrices, biases)
        if step.gates is None:
            new = step.advance(now, kept, states, constants)
        else:
            kept = [step.gates(now, kept)]
            new = step.mix(kept[0], states)
        if keeps is not None:
            new = _mixed(keeps.read(t), new, states)
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
    # In the loop's own graph, where gradients are sought.
    x, *rest = [tf.identity(t) for t in [x, *kept, *states, *parameters]]
    kept, rest = rest[: len(kept)], rest[len(kept) :]
    states, parameters = rest[: len(states)], rest[len(states) :]
    sources = [x, *kept, *states, *parameters]
    total = _gradients(step.advance(x, kept, states, [*constants, *parameters]), sources, d_states)
    for i in reversed(range(len(kept))):
        more = _gradients(step.operands[i](x, kept[:i], states, constants), sources, [back(i, total[1 + i])])
        total = [a + b for a, b in zip(total, more)]
    a, b = 1 + len(kept), 1 + len(kept) + len(states)
    return total[0], total[1:a], total[a:b], total[b:]


def _backward(step, x, first, every, kept, keep, constants, parameters, matrices, reverse, d_outputs, d_last):
    """Gradients of x, first states, parameters, matrices and biases, from those of all outputs and of the last states.

    `x` is the projected inputs, or None where the step's derivative, written by hand, does not read them.
    """
    steps, count, batch = _steps(d_outputs), len(first), d_outputs.shape[1]
    before = []
    for values, start in zip(every, first):
        before.append(tf.concat([values[1:], start[None]] if reverse else [start[None], values[:-1]], 0))
    reads = [_read(v) for v in ([*before, *kept] if x is None else [*before, *kept, x])]
    keeps = None if keep is None else _read(keep)
    d_reads = _read(d_outputs)
    # A product with a matrix transposed on the fly is half as fast as with one transposed once; one row is read once.
    once = batch != 1
    turned = [tf.transpose(m) if once else m for m in matrices]

    def back(i, d_product):
        return tf.matmul(d_product, turned[i], transpose_b=not once)

    widths = [m.shape[1] for m in matrices]
    lists = [_list(d_outputs, steps, width) for width in ([*widths] if step.additive else [*widths, sum(widths)])]

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
