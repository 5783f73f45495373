"""Running a recurrence over time: three loops that take the same arguments and give the same numbers.

- `plain`: `loop.recur` as TensorFlow ops;
- `compiled`: the same, compiled by XLA. A program is traced once for a kind of layer, whatever the batch and the steps, and
  compiled by TensorFlow when it first runs at new shapes; layers of the same width share it. Where the number of steps is
  unknown while tracing, they are padded to a power of two with steps that change nothing, so a training run compiles a
  few programs, not one a batch;
- `scan`: `keras.ops.scan`, on any backend, differentiated by it.

Convention: time first, `(steps, batch, width)`; arguments as of `loop.recur`. Left out: input projection.
"""

from functools import cache

from keras import ops


def plain(step, x, states, keep, constants, parameters, matrices, biases, reverse):
    """As ops of the graph that is being traced, or at once in eager Python."""
    from seqkit.layers import loop

    return loop.recur(step, x, states, keep, constants, parameters, matrices, biases, reverse)


def compiled(step, x, states, keep, constants, parameters, matrices, biases, reverse):
    """As an XLA program. Shapes need to be known only when it runs."""
    import tensorflow as tf

    steps, batch, true = x.shape[0], x.shape[1], tf.shape(x)[0]
    if steps is None:
        x, keep = _padded(x, keep)
    free = [[x], states, [] if keep is None else [keep], constants]
    fixed = [parameters, matrices, [b for b in biases if b is not None]]
    specs = [tf.TensorSpec([None] * (len(t.shape) - 1) + [t.shape[-1]], t.dtype) for group in free for t in group]
    specs += [tf.TensorSpec(t.shape, t.dtype) for group in fixed for t in group]
    sizes = tuple(len(group) for group in free + fixed)
    given = tuple(b is not None for b in biases)
    program = _program(step, reverse, sizes, given, tuple(specs))
    outputs, *last = program(*[t for group in free + fixed for t in group])
    if steps is None:
        outputs = outputs[:true]
    return tf.ensure_shape(outputs, [steps, batch, states[0].shape[-1]]), last


@cache
def _program(step, reverse, sizes, given, specs):
    import tensorflow as tf

    from seqkit.layers import loop

    def run(*flat):
        flat = iter(flat)
        (x,), states, keep, constants, parameters, matrices, found = [[next(flat) for _ in range(n)] for n in sizes]
        found = iter(found)
        biases = [next(found) if g else None for g in given]
        keep = keep[0] if keep else None
        outputs, last = loop.recur(step, x, states, keep, constants, parameters, matrices, biases, reverse)
        return (outputs, *last)

    return tf.function(run, input_signature=specs, jit_compile=True, autograph=False)


def _padded(x, keep):
    """Steps padded to a power of two, at least 8, on which every state is kept."""
    import tensorflow as tf

    steps = tf.shape(x)[0]
    if keep is None:
        keep = tf.zeros([steps, tf.shape(x)[1], 1], tf.bool)
    sizes = tf.constant([2**n for n in range(3, 31)])
    extra = [[0, tf.reduce_min(tf.where(sizes >= steps, sizes, sizes[-1])) - steps], [0, 0], [0, 0]]
    return tf.pad(x, extra), tf.pad(keep, extra, constant_values=tf.ones([], keep.dtype) if keep.dtype != tf.bool else True)


def scan(step, x, states, keep, constants, parameters, matrices, biases, reverse):
    """As one scan, which TPU compilers and JAX know how to differentiate."""
    constants = [*constants, *parameters]

    def advance(states, now):
        x_t, keep_t = now
        products = []
        for operand, matrix, bias in zip(step.operands, matrices, biases):
            product = ops.matmul(operand(x_t, products, states, constants), matrix)
            products.append(product if bias is None else product + bias)
        new = step.advance(x_t, products, states, constants)
        shares = ops.split(keep_t, len(new), -1) if keep_t.shape[-1] > 1 else [keep_t] * len(new)
        new = [n + k * (s - n) for k, n, s in zip(shares, new, states)]
        return new, new

    if keep is None:
        keep = ops.zeros_like(x[:, :, :1])
    last, every = ops.scan(advance, list(states), [x, ops.cast(keep, x.dtype)], length=x.shape[0], reverse=reverse)
    return every[0], list(last)
