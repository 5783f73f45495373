"""Running a recurrence over time: three ways that take the same arguments and give the same numbers.

- `plain`: inputs projected, then `loop.recur`, as TensorFlow ops;
- `compiled`: the same, compiled by XLA. A program is traced once for a kind of layer, whatever the batch and the steps, and
  compiled by TensorFlow when it first runs at new shapes; layers of the same width share it. Where the number of steps is
  unknown while tracing, they are padded to 2^n or 3 * 2^n, with steps that change nothing, so a training run compiles a few
  programs, not one a batch. The projection is compiled along: handed over from outside, its result would be copied;
- `scan`: `keras.ops.scan`, on any backend, differentiated by it.

Convention: time first, `(steps, batch, width)`; states, keep, constants as of `loop.recur`; `masks` are input dropout masks
`(batch, width)`, none, one, or one a gate; `weights` are `(kernel, input bias or None, input gain or None, parameters,
matrices, biases or Nones)`. Left out: where these come from (`inner.py`).
"""

from functools import cache

from keras import ops

from seqkit.layers import paths
from seqkit.layers.steps import normal


def projected(x, masks, kernel, bias, gain):
    """Inputs of all gates at all steps, `(steps, batch, gates * units)`; layer-normalised where there is a gain."""
    if masks:
        kernels = ops.split(kernel, len(masks), axis=1)
        x = ops.concatenate([ops.matmul(x * m, k) for m, k in zip(masks, kernels)], axis=-1)
    else:
        x = ops.matmul(x, kernel)
    if gain is not None:
        return normal(x, gain, 0 if bias is None else bias)
    return x if bias is None else x + bias


def plain(step, x, states, keep, constants, masks, weights, reverse):
    """As ops of the graph that is being traced, or at once in eager Python.

    Inputs are projected before the loop, in one product. Inside it, TensorFlow would run some steps ahead with them on another
    core; but there the other direction already runs, and a batch of one row would read the kernel anew at each step.
    """
    return _run(step, x, states, keep, constants, masks, weights, reverse, _recording(), inside=False)


def _recording():
    """Whether a tape may watch this call. A gradient taken all the same is right, and costs one more forward pass."""
    from tensorflow.python.eager import record

    return record.could_possibly_record()


def _run(step, x, states, keep, constants, masks, weights, reverse, recording, inside):
    """With `recording`, keep what the gradient needs; else nothing, and project all steps at once or `inside` the loop."""
    import tensorflow as tf

    from seqkit.layers import loop

    def learn(x, states, weights):
        kernel, bias, gain, parameters, matrices, biases = weights
        x = projected(x, masks, kernel, bias, gain)
        return loop.recur(step, x, states, keep, constants, parameters, matrices, biases, reverse)

    if recording:
        return learn(x, states, weights)
    given = tf.nest.flatten(weights)

    @paths.custom_gradient
    def answer(x, *flat):
        rest = iter(flat[len(states) :])
        filled = tf.nest.pack_sequence_as(weights, [None if w is None else next(rest) for w in given])
        begin, (kernel, bias, gain, parameters, matrices, biases) = list(flat[: len(states)]), filled

        def project(x):
            return projected(x, masks, kernel, bias, gain)

        x_in, each = (x, project) if inside else (project(x), lambda x: x)
        outputs, last = loop.answer(step, x_in, each, begin, keep, [*constants, *parameters], matrices, biases, reverse)

        def grad(*upstream):
            with tf.GradientTape() as tape:
                tape.watch([x, *flat])
                found, after = learn(x, begin, filled)
            return tape.gradient([found, *after], [x, *flat], list(upstream), unconnected_gradients="zero")

        return (outputs, *last), grad

    outputs, *last = answer(x, *states, *[tf.convert_to_tensor(w) for w in given if w is not None])
    return outputs, last


def compiled(step, x, states, keep, constants, masks, weights, reverse):
    """As an XLA program. Shapes need to be known only when it runs."""
    import tensorflow as tf

    steps, batch, true = x.shape[0], x.shape[1], tf.shape(x)[0]
    if steps is None:
        x, keep = padded(x, keep)
    free = tf.nest.flatten([x, states, keep, constants, masks])
    specs = [None if t is None else tf.TensorSpec(_free(t.shape, batch), t.dtype) for t in free]
    fixed = tf.nest.flatten(weights)
    specs += [None if t is None else tf.TensorSpec(t.shape, t.dtype) for t in fixed]
    sizes = len(states), len(constants), len(masks), len(weights[3]), len(weights[4])
    program = _program(step, reverse, sizes, tuple(specs), _recording(), tf.executing_eagerly())
    outputs, *last = program(*[t for t in free + fixed if t is not None])
    if steps is None:
        outputs = outputs[:true]
    last = [tf.ensure_shape(s, [batch, s.shape[-1]]) for s in last]
    return tf.ensure_shape(outputs, [steps, batch, states[0].shape[-1]]), last


@cache
def _program(step, reverse, sizes, specs, recording, eager):
    """The program. Eager calls have one of their own: where a graph has taken a gradient of it before, TensorFlow 2.21 takes
    what that gradient reads for answers of the program, and differentiates them too, which XLA refuses."""
    import tensorflow as tf

    states, constants, masks, parameters, matrices = ([0] * n for n in sizes)
    structure = [0, states, 0, constants, masks, (0, 0, 0, parameters, matrices, matrices)]

    def run(*flat):
        flat = iter(flat)
        filled = [None if spec is None else next(flat) for spec in specs]
        x, states, keep, constants, masks, weights = tf.nest.pack_sequence_as(structure, filled)
        # Without a gradient to prepare, projected inputs of many rows cost more to write and read than to make in place.
        inside = x.shape[1] != 1
        outputs, last = _run(step, x, states, keep, constants, masks, weights, reverse, recording, inside)
        return (outputs, *last)

    signature = [spec for spec in specs if spec is not None]
    return tf.function(run, input_signature=signature, jit_compile=True, autograph=False)


def _free(shape, batch):
    """The shape of one program's argument: any steps, any batch but one, which is worth a program of its own."""
    rows = 1 if batch == 1 else None
    return [rows, shape[-1]] if len(shape) == 2 else [None, rows, shape[-1]]


def padded_steps(steps):
    """The next of 32, 48, 64, 96, 128 and so on, of each of the integers `steps`."""
    import tensorflow as tf

    sizes = tf.constant([half * 2**n for n in range(4, 28) for half in (2, 3)])
    return tf.gather(sizes, tf.searchsorted(sizes, tf.reshape(steps, [-1])))


def padded(x, keep):
    """Steps padded to `padded_steps`, on which every state is kept."""
    import tensorflow as tf

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
    import tensorflow as tf

    from seqkit.layers import loop

    kernel, bias, gain, parameters, matrices, biases = weights
    x = projected(x, masks, kernel, bias, gain)
    every = [None] * x.shape[0]
    for k in range(len(every)):
        t = len(every) - 1 - k if reverse else k
        if cut and k and (t + 1 if reverse else t) % cut == 0:
            states = [tf.stop_gradient(state) for state in states]
        new = loop.advanced(step, x[t], states, [*constants, *parameters], matrices, biases)
        states = new if keep is None else loop.mixed(keep[t], new, states)
        every[t] = states[0]
    return tf.stack(every), list(states), every


def scan(step, x, states, keep, constants, masks, weights, reverse):
    """As one scan, which TPU compilers and JAX know how to differentiate."""
    kernel, bias, gain, parameters, matrices, biases = weights
    x = projected(x, masks, kernel, bias, gain)
    constants = [*constants, *parameters]

    def advance(states, now):
        x_t, keep_t = now
        products = []
        for operand, matrix, bias in zip(step.operands, matrices, biases):
            product = ops.matmul(operand(x_t, products, states, constants), matrix)
            products.append(product if bias is None else product + bias)
        new = step.advance(x_t, products, states, constants)
        shares = ops.split(keep_t, len(new), -1) if keep_t.shape[-1] > 1 else [keep_t] * len(new)
        new = [k * s + (1 - k) * n for k, n, s in zip(shares, new, states)]
        return new, new

    if keep is None:
        keep = ops.zeros_like(x[:, :, :1])
    last, every = ops.scan(advance, list(states), [x, ops.cast(keep, x.dtype)], length=x.shape[0], reverse=reverse)
    return every[0], list(last)
