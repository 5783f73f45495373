"""Running the loop: as plain TensorFlow ops, or as a program compiled by XLA for the shapes it meets.

A compiled program is traced once for a kind of layer, whatever the batch and the steps, and compiled by TensorFlow when it
first runs at new shapes; layers of the same width share it. Where the number of steps is unknown while tracing, they
are padded to a power of two with steps that change nothing, so a training run compiles a few programs, not one a batch.

Convention: batch first, `(batch, steps, width)`; time comes first only inside. Left out: the loop (`loop.py`).
"""

from functools import cache

import tensorflow as tf

from seqkit.layers import loop


def plain(step, x, states, mask, constants, matrices, biases, reverse, training):
    """`loop.recur`, batch first, as ops of the graph that is being traced (or at once, in eager Python)."""
    x = tf.transpose(x, [1, 0, 2])
    mask = None if mask is None else tf.transpose(tf.cast(mask, tf.bool))[:, :, None]
    outputs, last = loop.recur(step, x, states, mask, constants, matrices, biases, reverse)
    return tf.transpose(outputs, [1, 0, 2]), last


def compiled(step, x, states, mask, constants, matrices, biases, reverse, training):
    """The same, compiled. Shapes need to be known only when it runs."""
    batch, steps, true = x.shape[0], x.shape[1], tf.shape(x)[1]
    if steps is None:
        x, mask = _padded(x, mask)
    groups = [[x], states, [] if mask is None else [tf.cast(mask, tf.bool)], constants, matrices]
    groups.append([b for b in biases if b is not None])
    flat = [tf.convert_to_tensor(t) for group in groups for t in group]
    fixed = len(matrices) + len(groups[-1])
    specs = tuple(_spec(t, relaxed=i < len(flat) - fixed) for i, t in enumerate(flat))
    sizes = tuple(len(g) for g in groups)
    given = tuple(b is not None for b in biases)
    outputs, *last = _program(step, reverse, sizes, given, specs)(*flat)
    if steps is None:
        outputs = outputs[:, :true]
    outputs = tf.ensure_shape(outputs, [batch, steps, states[0].shape[-1]])
    return outputs, last


@cache
def _program(step, reverse, sizes, given, specs):
    def run(*flat):
        flat = iter(flat)
        (x,), states, mask, constants, matrices, found = [[next(flat) for _ in range(n)] for n in sizes]
        found = iter(found)
        biases = [next(found) if g else None for g in given]
        outputs, last = plain(step, x, states, mask[0] if mask else None, constants, matrices, biases, reverse, True)
        return (outputs, *last)

    return tf.function(run, input_signature=specs, jit_compile=True, autograph=False)


def _spec(tensor, relaxed):
    shape = [None] * (len(tensor.shape) - 1) + [tensor.shape[-1]] if relaxed and tensor.dtype != tf.bool else tensor.shape
    if tensor.dtype == tf.bool:
        shape = [None] * len(tensor.shape)
    return tf.TensorSpec(shape, tensor.dtype)


def _padded(x, mask):
    """Steps padded to a power of two, at least 8; the mask made where there was none."""
    steps = tf.shape(x)[1]
    if mask is None:
        mask = tf.ones(tf.shape(x)[:2], tf.bool)
    size = 8
    target = tf.constant(size)
    target = tf.while_loop(lambda n: n < steps, lambda n: [2 * n], [target])[0]
    extra = target - steps
    return tf.pad(x, [[0, 0], [0, extra], [0, 0]]), tf.pad(mask, [[0, 0], [0, extra]])
