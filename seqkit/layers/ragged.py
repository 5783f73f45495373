"""A ragged batch without most of its padding: rows sorted by length and run in groups, each as long as its longest row.

Eight groups of 32 reviews hold little over a third of the steps of the padded batch, a product of few rows is nearly as fast
a row as one of all, and groups run side by side. Steps of a group are padded to few sizes, so that few programs are compiled.

A batch of like lengths runs whole: which it is, is seen when it runs.

Convention: time first. TensorFlow only. Left out: masks with holes, whose rows have no length.
"""

import tensorflow as tf

from seqkit.layers import loop

# Of 2, 4, 6 and 8 groups of IMDB's 32 reviews, 8 trained fastest; fewer than 4 rows leave the processor idle.
GROUPS, ROWS = 8, 4
WORTH = 0.5  # groups run if they hold at most this share of the padded batch's steps: a product of few rows is slower a row


def _permuted(values, order, place, axis):
    """Rows in another order. Its gradient is the way back, where TensorFlow would add into zeros."""

    @tf.custom_gradient
    def permute(values):
        return tf.gather(values, order, axis=axis), lambda upstream: tf.gather(upstream, place, axis=axis)

    return permute(values)


def run(whole, x, states, lengths, constants, masks, weights, reverse):
    """Outputs `(steps, batch, units)` and last states of `whole` over all rows, in groups where that is worth it.

    Args:
        whole: function `(x, states, keep, constants, masks, weights, reverse) -> (outputs, last states)`, of any shape.
        x: `(steps, batch, width)`.
        states, constants, masks: lists of `(batch, units or width)`.
        lengths: `(batch,)` int.
        weights: whatever `whole` takes.
        reverse: whether it starts at the last step.
    """
    steps, batch, lengths = tf.shape(x)[0], tf.shape(x)[1], tf.cast(lengths, tf.int32)
    if x.shape[1] is None:
        size, groups = tf.maximum(ROWS, (batch + GROUPS - 1) // GROUPS), GROUPS
    else:
        size = max(ROWS, -(-x.shape[1] // GROUPS))
        groups = -(-x.shape[1] // size)
    order = tf.argsort(lengths, direction="DESCENDING")
    sorted_lengths = tf.gather(lengths, order)
    padding = (tf.range(steps)[:, None] >= lengths[None, :])[:, :, None]

    def grouped():
        place = tf.math.invert_permutation(order)
        sorted_x = _permuted(x, order, place, 1)
        lists = [[_permuted(t, order, place, 0) for t in values] for values in (states, constants, masks)]
        outputs, last = [], []
        for group in range(groups):
            rows = slice(group * size, (group + 1) * size)
            own = sorted_lengths[rows]
            longest = tf.maximum(1, tf.reduce_max(tf.concat([own, [0]], 0)))
            keep = (tf.range(longest)[:, None] >= own[None, :])[:, :, None]
            own_x, keep = loop.padded(sorted_x[:longest, rows], keep)
            own_states, *drawn = [[t[rows] for t in values] for values in lists]
            found, after = whole(own_x, own_states, keep, *drawn, weights, reverse)
            outputs.append(tf.pad(found[:longest], [[0, steps - longest], [0, 0], [0, 0]]))
            last.append(after)
        last = [_permuted(tf.concat(parts, 0), place, order, 0) for parts in zip(*last)]
        outputs = _permuted(tf.concat(outputs, 1), place, order, 1)
        return [outputs if reverse else tf.where(padding, last[0][None], outputs), *last]

    def at_once():
        outputs, last = whole(x, states, padding, constants, masks, weights, reverse)
        return [outputs, *last]

    in_groups = size * tf.reduce_sum(loop.padded_steps(sorted_lengths[::size]))
    worth = tf.cast(in_groups, tf.float32) <= WORTH * tf.cast(steps * batch, tf.float32)
    outputs, *last = tf.cond(worth, grouped, at_once)
    last = [tf.ensure_shape(state, [x.shape[1], state.shape[1]]) for state in last]
    return tf.ensure_shape(outputs, [x.shape[0], x.shape[1], outputs.shape[2]]), last
