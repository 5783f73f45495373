"""Running the loop: as plain TensorFlow ops, or as a program compiled by XLA for the shapes it meets.

A compiled program is traced once for a kind of layer, whatever the batch and the steps, and compiled by TensorFlow when it
first runs at new shapes; layers of the same width share it. Where the number of steps is unknown while tracing, they
are padded to a power of two with steps that change nothing, so a training run compiles a few programs, not one a batch.

Convention: time first, `(steps, batch, width)`. Left out: the loop (`loop.py`).
"""

from functools import cache

import tensorflow as tf

from seqkit.layers import loop


def plain(step, x, states, mask, constants, matrices, biases, reverse):
    """`loop.recur` as ops of the graph that is being traced (or at once, in eager Python)."""
    return loop.recur(step, x, states, mask, constants, matrices, biases, reverse)


def compiled(step, x, states, mask, constants, matrices, biases, reverse):
    """The same, compiled. Shapes need to be known only when it runs."""
    steps, batch, true = x.shape[0], x.shape[1], tf.shape(x)[0]
    if steps is None:
        x, mask = _padded(x, mask)
    free = [[x], states, [] if mask is None else [mask], constants]
    fixed = [matrices, [b for b in biases if b is not None]]
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
    def run(*flat):
        flat = iter(flat)
        (x,), states, mask, constants, matrices, found = [[next(flat) for _ in range(n)] for n in sizes]
        found = iter(found)
        biases = [next(found) if g else None for g in given]
        outputs, last = loop.recur(step, x, states, mask[0] if mask else None, constants, matrices, biases, reverse)
        return (outputs, *last)

    return tf.function(run, input_signature=specs, jit_compile=True, autograph=False)


def _padded(x, mask):
    """Steps padded to a power of two, at least 8; the mask made where there was none."""
    steps = tf.shape(x)[0]
    if mask is None:
        mask = tf.ones([steps, tf.shape(x)[1], 1], tf.bool)
    sizes = tf.constant([2**n for n in range(3, 31)])
    extra = tf.reduce_min(tf.where(sizes >= steps, sizes, sizes[-1])) - steps
    return tf.pad(x, [[0, extra], [0, 0], [0, 0]]), tf.pad(mask, [[0, extra], [0, 0], [0, 0]])
