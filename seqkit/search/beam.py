"""Beam search over a decoder that writes a text piece by piece, in graph: for attention heads.

Convention: hypotheses of a row lie side by side, `(rows, beam, ...)`, so that the encoder's states are there once a row. A
hypothesis ends with `END`. A row is over once it has as many finished hypotheses as the beam is wide, or at its limit; rows
that are over leave the batch, and cost nothing from then on. With a beam of 1 it is the greedy search, and the greedy search
with noise of Gumbel's distribution is sampling. Left out: what a step computes, and what its pieces spell.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from seqkit.parts import END, START, UNKNOWN

LOWEST = -1e9  # the log probability of what cannot be
_NONE = LOWEST / 2  # what is below is of no hypothesis
_FORCED = -30.0  # the least that a piece of a prefix counts


class Hypotheses(NamedTuple):
    """The finished hypotheses of each row, best first.

    Attributes:
        ids: `(rows, beam, longest)` int32, without `END`, 0 behind the last piece.
        copied: the same shape, the step of the source that an `UNKNOWN` there stands for.
        lengths: `(rows, beam)` int32, pieces; 0 too where there are fewer hypotheses.
        scores: `(rows, beam)` float32, by which they are in order; `LOWEST` where there is none.
        log_probs: `(rows, beam)` float32, the model's.
        weights: `(rows, longest, steps)` float32, the attention of the best one's pieces.
    """

    ids: Any
    copied: Any
    lengths: Any
    scores: Any
    log_probs: Any
    weights: Any


class Prefix(NamedTuple):
    """What each text begins with, in whatever pieces, of which the last may go on beyond it.

    Attributes:
        fits: `(places + 1, vocabulary)` bool, which pieces go on as it does, by how many of its places are written.
        sizes: `(vocabulary,)` int32, how many places each piece writes.
    """

    fits: Any
    sizes: Any


class _Alive(NamedTuple):
    """The rows that are not over, and their hypotheses that go on."""

    row: Any  # (active,) which row of the batch
    memory: Any  # dict of what does not change: (active, ...)
    state: Any  # dict of the decoder's state: (active, beam, ...)
    tokens: Any  # (active, beam), the last piece
    log_probs: Any  # (active, beam)
    coverage: Any  # (active, beam, steps), attention that each step of the source has had
    place: Any  # (active, beam), how much of the prefix is written
    free: Any  # (active, beam, steps) bool, steps that can be copied, and have not been
    history: Any  # (active, beam, longest, 3): each piece, what it copies, and its place in the beam


class _Pool(NamedTuple):
    """Finished hypotheses of the rows that are not over, best first: (active, beam, ...)."""

    scores: Any
    log_probs: Any
    lengths: Any
    history: Any


def beam_search(step, state, memory, beam, length_penalty=0.0, coverage_penalty=0.0, no_repeat=0, prefix=None, perturb=None):
    """Finds the likeliest texts.

    Args:
        step: function of the last pieces `(rows, beam)`, the state and the memory -> log probabilities of the next
            `(rows, beam, vocabulary)`, attention `(rows, beam, steps)` and the state.
        state: dict of name -> `(rows, beam, ...)`, before the first piece.
        memory: dict of name -> `(rows, ...)`, what `step` reads besides. It has `limit` `(rows,)` int32, the most pieces of a
            text; `real` `(rows, steps)` bool, the true steps of the source; and `copyable`, the same shape, those that
            `UNKNOWN` may stand for: each once, and all of them before a text may end.
        beam: int, hypotheses that go on at each step.
        length_penalty, coverage_penalty: alpha and beta of Wu et al. (2016): a score is the log probability over
            `((5 + length) / 6) ** alpha`, and to it beta times the sum over the source of `log(min(attention, 1))`.
        no_repeat: int, a sequence of so many pieces stands in a text only once; 0 allows all.
        prefix: `Prefix`; None for nothing.
        perturb: function of log probabilities and the step, from 0 -> what the next piece is chosen by; for a beam of 1.

    Returns:
        `Hypotheses`.
    """
    copyable, limits = memory["copyable"], memory["limit"]
    rows, steps, longest = tf.shape(limits)[0], tf.shape(copyable)[1], tf.maximum(tf.reduce_max(limits), 1)

    written = None if prefix is None else tf.shape(prefix.fits)[0] - 1  # places, all of them

    def penalised(log_probs, lengths, coverage, memory):
        scores = log_probs / ((5.0 + tf.cast(lengths, tf.float32)) / 6.0) ** length_penalty
        if coverage_penalty:
            attended = tf.where(memory["real"][:, None], tf.clip_by_value(coverage, 1e-6, 1.0), 1.0)
            scores += coverage_penalty * tf.reduce_sum(tf.math.log(attended), axis=2)
        return scores

    def body(t, alive, pool, results, attention):
        log_probs, weights, state = step(alive.tokens, alive.state, alive.memory)
        left = tf.reduce_sum(tf.cast(alive.free, tf.int32), axis=2)
        log_probs = with_copies(log_probs, left, alive.memory["limit"][:, None] - t)
        if no_repeat:
            log_probs = _without_repeats(log_probs, alive.history[..., 0], t, no_repeat)
        if prefix is not None:
            forced = tf.where(tf.gather(prefix.fits, alive.place), tf.maximum(log_probs, _FORCED), LOWEST)
            log_probs = tf.where((alive.place < written)[:, :, None], forced, log_probs)
        where = tf.broadcast_to(alive.row[:, None], [tf.shape(alive.row)[0], 1])
        attention = attention.write(t, tf.scatter_nd(where, weights, [rows, beam, steps]))

        vocabulary = tf.shape(log_probs)[2]
        total = alive.log_probs[:, :, None] + log_probs
        chosen = total if perturb is None else perturb(log_probs, t)
        chosen, best = tf.math.top_k(tf.reshape(chosen, [-1, beam * vocabulary]), 2 * beam)
        total = tf.gather(tf.reshape(total, [-1, beam * vocabulary]), best, batch_dims=1)
        parents, tokens = best // vocabulary, best % vocabulary
        ends = tokens == END

        # Those among the best `beam` that end are finished, as long as they come.
        over = tf.where(ends[:, :beam], total[:, :beam], LOWEST)
        parent = parents[:, :beam]
        lengths = tf.fill(tf.shape(over), t)
        scores = penalised(over, lengths, tf.gather(alive.coverage, parent, batch_dims=1), alive.memory)
        pool = _best(pool, _Pool(tf.where(over > _NONE, scores, LOWEST), over, lengths, _of(alive.history, parent)))

        # The best `beam` of the others go on.
        _, going = tf.math.top_k(tf.where(ends, LOWEST * 2, chosen), beam)
        parents, tokens, total = (tf.gather(value, going, batch_dims=1) for value in (parents, tokens, total))
        pointers = pointers_of(weights, alive.free)
        alive = alive._replace(
            state=tf.nest.map_structure(lambda value: _of(value, parents), state),
            tokens=tokens,
            log_probs=total,
            coverage=_of(alive.coverage + weights, parents),
        )
        copied = _of(pointers, parents)
        free = free_after(_of(alive.free, parents), tokens, copied)
        place = _of(alive.place, parents)
        if prefix is not None:
            place = tf.minimum(place + tf.gather(prefix.sizes, tokens), written)
        entry = tf.stack([tokens, copied, parents], axis=2)
        history = tf.where((tf.range(longest) == t)[:, None], entry[:, :, None], _of(alive.history, parents))
        alive = alive._replace(place=place, free=free, history=history)

        # At its limit a row takes what it has.
        late = (t + 1 >= alive.memory["limit"])[:, None] & (alive.log_probs > _NONE)
        lengths = tf.repeat(tf.minimum(t + 1, alive.memory["limit"])[:, None], beam, axis=1)
        scores = tf.where(late, penalised(alive.log_probs, lengths, alive.coverage, alive.memory), LOWEST)
        late = _Pool(scores, alive.log_probs, lengths, alive.history)
        unfinished = pool.scores[:, :1] <= _NONE  # only where nothing has ended: what is broken off is no good hypothesis
        pool = _best(pool, late._replace(scores=tf.where(unfinished, scores, LOWEST)))
        done = (pool.scores[:, -1] > _NONE) | (t + 1 >= alive.memory["limit"])

        def leave():
            place = tf.boolean_mask(alive.row, done)[:, None]
            written = [tf.tensor_scatter_nd_update(kept, place, tf.boolean_mask(new, done)) for kept, new in zip(results, pool)]
            some = tf.nest.map_structure(lambda value: tf.boolean_mask(value, ~done), (alive, pool))
            return (*some, _Pool(*written))

        alive, pool, results = tf.cond(tf.reduce_any(done), leave, lambda: (alive, pool, results))
        return t + 1, alive, pool, results, attention

    alive = _Alive(
        row=tf.range(rows),
        memory=memory,
        state=state,
        tokens=tf.fill([rows, beam], START),
        log_probs=tf.tile([[0.0] + [LOWEST] * (beam - 1)], [rows, 1]),  # all begin alike: one is enough
        coverage=tf.zeros([rows, beam, steps]),
        place=tf.zeros([rows, beam], tf.int32),
        free=tf.repeat(copyable[:, None], beam, axis=1),
        history=tf.zeros(tf.stack([rows, beam, longest, 3]), tf.int32),
    )
    pool = _Pool(
        scores=tf.fill([rows, beam], LOWEST),
        log_probs=tf.fill([rows, beam], LOWEST),
        lengths=tf.zeros([rows, beam], tf.int32),
        history=alive.history,
    )
    attention = tf.TensorArray(tf.float32, size=longest, element_shape=[None, beam, None])
    loop = (tf.constant(0), alive, pool, pool, attention)
    _, _, _, pool, attention = tf.while_loop(
        lambda t, alive, *_: tf.size(alive.row) > 0,
        body,
        loop,
        shape_invariants=tf.nest.map_structure(_any_number, loop),
    )
    real = tf.sequence_mask(pool.lengths, longest)
    ids, copied, _ = tf.unstack(tf.where(real[..., None], pool.history, 0), axis=3)
    return Hypotheses(
        ids, copied, pool.lengths, pool.scores, pool.log_probs, _attention_of_best(pool, attention.stack(), longest)
    )


def _any_number(value):
    """The shape of what a loop carries, for any number of rows, and of places in a history."""
    if isinstance(value, tf.TensorArray) or not value.shape.rank:
        return tf.TensorShape([])
    return tf.TensorShape(
        [None, *(None if value.shape.rank == 4 and at == 2 else size for at, size in enumerate(value.shape) if at)]
    )


def _of(value, parents):
    """What each hypothesis takes over from its parent: (active, beam, ...), by (active, n)."""
    return tf.gather(value, parents, batch_dims=1)


def _best(pool, more):
    """The best of both, as many as before."""
    both = _Pool(*(tf.concat([first, second], axis=1) for first, second in zip(pool, more)))
    _, places = tf.math.top_k(both.scores, tf.shape(pool.scores)[1])
    return _Pool(*(_of(value, places) for value in both))


def with_copies(log_probs, left, room):
    """Lets a text have an `UNKNOWN` only where something is left to copy, and end only where nothing is.

    Where it would end before, the probability of that is the copy's; and where there is no room but for what is left, `room`
    `(rows, 1)` for `left` `(rows, beam)` int32, nothing else is written: so all that is to be copied gets into each text.
    """
    unknown, end = log_probs[:, :, UNKNOWN], log_probs[:, :, END]
    both = tf.where(left > 0, tf.reduce_logsumexp(tf.stack([unknown, end]), axis=0), LOWEST)
    end = tf.where(left > 0, LOWEST, end)
    log_probs = tf.where(((left > 0) & (left >= room))[:, :, None], LOWEST, log_probs)
    lowest = tf.fill(tf.shape(end), LOWEST)
    first = tf.stack([lowest, lowest, end, both], axis=2)  # PAD, START, END, UNKNOWN
    return tf.concat([first, log_probs[:, :, UNKNOWN + 1 :]], axis=2)


def pointers_of(weights, free):
    """What an `UNKNOWN` of each hypothesis would copy: the step with most attention among those that are left, int32."""
    return tf.argmax(tf.where(free, weights + 1.0, 0.0), axis=2, output_type=tf.int32)


def free_after(free, tokens, copied):
    """Which steps `(rows, beam, steps)` can still be copied once pieces `(rows, beam)` are written, each `UNKNOWN` a copy."""
    return free & ~((tokens == UNKNOWN)[:, :, None] & tf.one_hot(copied, tf.shape(free)[2], True, False))


def _without_repeats(log_probs, ids, t, size):
    """Takes the pieces away that would make a sequence of `size` pieces stand in a text, `ids` up to `t`, once more."""
    ends = tf.range(tf.shape(ids)[2])  # where a sequence that is there has its last piece
    same = tf.broadcast_to((ends >= size - 1) & (ends < t), tf.shape(ids))
    for back in range(1, size):
        now = ids[:, :, tf.maximum(t - back, 0)][:, :, None]
        same &= (tf.roll(ids, back, axis=2) == now) & (t >= back)
    places = tf.where(same)
    banned = tf.scatter_nd(
        tf.concat([places[:, :2], tf.cast(tf.gather_nd(ids, places), tf.int64)[:, None]], axis=1),
        tf.ones([tf.shape(places)[0]]),
        tf.shape(log_probs, out_type=tf.int64),
    )
    return tf.where(banned > 0, LOWEST, log_probs)


def _attention_of_best(pool, attention, longest):
    """`(longest, rows, beam, steps)` of all -> `(rows, longest, steps)` of each row's best hypothesis, 0 behind its end."""
    places = tf.transpose(pool.history[:, 0, :, 2])  # (longest, rows)
    weights = tf.transpose(tf.gather(attention, places, batch_dims=2), [1, 0, 2])
    return tf.where(tf.sequence_mask(pool.lengths[:, 0], longest)[..., None], weights, 0.0)
