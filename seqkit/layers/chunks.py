"""Long sequences in bounded memory: run chunk by chunk, keep only the states between chunks, run each again for its gradient.

Exact gradients at one more forward pass, with memory for (steps / size) states and one chunk's working set instead of all
steps' (Chen et al. 2016, for recurrent networks Gruslys et al. 2016). Without `carried` no gradient passes from a chunk to the
one before it: truncated backpropagation through time (Williams and Peng 1990), states still carried.

Convention: time first. TensorFlow only. Left out: what a chunk computes.
"""

import functools

import tensorflow as tf

from seqkit.layers import loop


def run(piece, step, x, states, keep, constants, masks, weights, reverse, size, carried):
    """Outputs `(steps, batch, units)` and last states of `piece` over all of `x`.

    Args:
        piece: function `(x, states, keep, constants, masks, weights, reverse) -> (outputs, last states)`, of any steps.
        step, x, states, keep, constants, masks, weights, reverse: as of `loop.plain`.
        size: steps a chunk.
        carried: whether gradients pass between chunks.
    """
    steps = tf.shape(x)[0]
    count = (steps + size - 1) // size
    if keep is None:
        keep = tf.zeros([steps, tf.shape(x)[1], 1], tf.bool)
    extra = [[0, count * size - steps], [0, 0], [0, 0]]
    keep = tf.pad(keep, extra, constant_values=tf.cast(1, keep.dtype))
    flat, n = tf.nest.flatten(weights), len(states)

    def whole(run, x_c, keep_c, states, given):
        rest = iter(given)
        filled = tf.nest.pack_sequence_as(weights, [None if w is None else next(rest) for w in flat])
        return run(x_c, states, keep_c, constants, masks, filled, reverse)

    def plain(*arguments):
        return loop.plain(step, *arguments)

    def cut(values, k):
        place = (count - 1 - k if reverse else k) * size
        part = values[place : place + size]
        return tf.ensure_shape(part, [size, *values.shape[1:]])

    def array(shape):
        return tf.TensorArray(x.dtype, size=count, element_shape=shape)

    def all_chunks(run, x, *rest):
        """Outputs, last states, and the states before every chunk."""
        states, given = rest[:n], rest[n:]

        def body(k, states, starts, outputs):
            if not carried:
                states = [tf.where(k > 0, tf.stop_gradient(s), s) for s in states]
            starts = tuple(a.write(k, s) for a, s in zip(starts, states))
            found, states = whole(run, cut(x, k), cut(keep, k), list(states), given)
            return k + 1, tuple(states), starts, outputs.write(count - 1 - k if reverse else k, found)

        starts = tuple(array(s.shape) for s in states)
        outputs = array([size, *states[0].shape])
        _, last, starts, outputs = tf.while_loop(
            lambda k, *_: k < count, body, (0, tuple(states), starts, outputs), parallel_iterations=1
        )
        outputs = tf.ensure_shape(outputs.concat(), [None, *states[0].shape])
        return [outputs, *last], [a.stack() for a in starts]

    def undone(arguments, starts, upstream):
        """Gradients of x, first states and weights, chunk by chunk from the last one read to the first."""
        x, *rest = arguments
        given, (d_outputs, *d_last) = rest[n:], upstream

        def undo(k, d_states, d_given, d_x):
            chunk, kept = cut(x, k), cut(keep, k)
            begin = [s[k] for s in starts]
            with tf.GradientTape() as tape:
                tape.watch([chunk, *begin, *given])
                found, after = whole(piece, chunk, kept, begin, given)
            ours = tape.gradient(
                [found, *after],
                [chunk, *begin, *given],
                [cut(d_outputs, k), *d_states],
                unconnected_gradients="zero",
            )
            d_states = ours[1 : 1 + n]
            if not carried:
                d_states = [tf.where(k > 0, tf.zeros_like(d), d) for d in d_states]
            # What comes out of a compiled program has lost its batch size.
            d_states = [tf.ensure_shape(d, s.shape) for d, s in zip(d_states, states)]
            d_given = tuple(a + b for a, b in zip(d_given, ours[1 + n :]))
            return k - 1, tuple(d_states), d_given, d_x.write(count - 1 - k if reverse else k, ours[0])

        zeros = tuple(tf.zeros_like(w) for w in given)
        _, d_states, d_given, d_x = tf.while_loop(
            lambda k, *_: k >= 0,
            undo,
            (count - 1, tuple(d_last), zeros, array([size, *x.shape[1:]])),
            parallel_iterations=1,
        )
        return [d_x.concat(), *d_states, *d_given]

    def twice(*everything):
        @tf.function(autograph=False)
        def traced(*everything):
            return loop.gradient_of_gradient(lambda *arguments: all_chunks(plain, *arguments)[0], *everything)

        return traced(*everything)

    given = [tf.convert_to_tensor(t) for t in [*states, *[w for w in flat if w is not None]]]
    forwards = functools.partial(all_chunks, piece)
    outputs, *last = loop.differentiated(forwards, undone, twice)(tf.pad(x, extra), *given)
    return tf.ensure_shape(outputs[:steps], [x.shape[0], *outputs.shape[1:]]), last
