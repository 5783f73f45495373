"""From frames to characters: searches over the outputs of connectionist temporal classification (CTC; Graves et al., 2006).

Convention: `log_probs` is `(batch, frames, symbols)`, and symbol 0 the blank. A path has one symbol a frame; it spells what
is left when repeats are merged and blanks are removed. Everything is batched, in graph, of TensorFlow's core operations,
and a row is searched as if it were alone. Left out: words; beams over states, as attention needs them.
"""

import tensorflow as tf

_NOTHING = -1e30  # log of a probability of 0; unlike -inf, it can be subtracted
_SPREAD = -0x61C8864680B583EB  # odd, so that products of 64 bits tell prefixes apart (Knuth, 6.4)


def greedy(log_probs, lengths):
    """Spells the best path: each frame's most probable symbol.

    Args:
        log_probs: `(batch, frames, symbols)` float32.
        lengths: `(batch,)` int32, real frames.

    Returns:
        ids `(batch, longest)` int32, padded with 0, and counts `(batch,)` int32.
    """
    best = tf.argmax(log_probs, axis=2, output_type=tf.int32)
    before = tf.pad(best[:, :-1], [[0, 0], [1, 0]])
    return _packed(best, (best != 0) & (best != before) & tf.sequence_mask(lengths, tf.shape(best)[1]))


def prefix_beam(log_probs, lengths, beam=16, candidates=12, language_model=None, weight=0.5, bonus=0.0, certain=1.0):
    """The most probable texts, by prefix beam search (Graves, 2012, section 7.5.3; Hannun et al., 2014).

    A text's probability is the sum of its paths'. Equal prefixes are merged, and each keeps the probability of its paths
    that end in a blank apart from that of the others. What a search drops for lack of room is lost, so probabilities are
    lower bounds; they are exact where `beam` holds all prefixes and `candidates` all symbols.

    Args:
        log_probs: `(batch, frames, symbols)` float32.
        lengths: `(batch,)` int32, real frames.
        beam: int, prefixes kept at each frame.
        candidates: int, most probable symbols of a frame that prefixes are extended by.
        language_model: has `start_states` and `step` over the same symbols, 0 the end, as `LanguageModel`; or None.
        weight: factor on the log probability that the language model gives to the text and its end.
        bonus: added for each character, as a language model prefers short texts.
        certain: of frames in a row whose blank is more probable than this, the first stands for all; 1 reads every frame.
            Where three frames of four are such, 0.999 halves the time and moves scores by some hundredths.

    Returns:
        ids `(batch, beam, longest)` int32 padded with 0, counts `(batch, beam)` int32, and scores `(batch, beam)` float32:
        log probability, weighted language model and bonuses; best first. A place that no text was found for has the
        score -inf.
    """
    if certain < 1.0:
        log_probs, lengths = _without_certain_blanks(log_probs, lengths, certain)
    batch, frames = tf.unstack(tf.shape(log_probs)[:2])
    candidates = min(candidates, log_probs.shape[2] - 1)
    # After its end, a row has nothing but certain blanks: they change no prefix.
    real = tf.sequence_mask(lengths, frames)
    blanks = tf.where(real, log_probs[:, :, 0], 0.0)
    symbols = tf.where(real[..., None], log_probs[:, :, 1:], _NOTHING)
    chances, chosen = tf.math.top_k(symbols, candidates)
    chosen += 1
    symbols = tf.pad(symbols, [[0, 0], [0, 0], [1, 0]], constant_values=_NOTHING)  # the empty prefix has nothing to repeat

    def extend(frame, ended, open_, fused, states, last, keys, counts, ids):
        """One frame: `ended` and `open_` are log probabilities of the paths that end in a blank, and in a character."""
        total = _log_add(ended, open_)
        symbol, chance = chosen[:, None, frame], chances[:, None, frame]
        grown = tf.where(last[..., None] == symbol, ended[..., None], total[..., None]) + chance
        grown_fused, after = fused[..., None] + bonus, states[..., None]
        if language_model is not None:
            log_probs, after = language_model.step(after, symbol)
            grown_fused += weight * log_probs
        ended = total + blanks[:, None, frame]
        open_ += tf.gather(symbols[:, frame], last, batch_dims=1)
        # A prefix grown into one that is in the beam already joins it. Places that have no prefix yet are no danger: they
        # are the last of the first frame's, whose key nothing grows into, as among equals `top_k` prefers earlier places.
        grown_keys = keys[..., None] * _SPREAD + tf.cast(symbol, tf.int64)
        same = grown_keys[..., None] == keys[:, None, None]
        open_ = _log_add(open_, tf.reduce_max(tf.where(same, grown[..., None], _NOTHING), axis=[1, 2]))
        grown = tf.where(tf.reduce_any(same, axis=3), _NOTHING, grown)

        def pool(kept, new):
            new = tf.broadcast_to(new, tf.shape(grown))
            return tf.concat([kept, tf.reshape(new, [batch, beam * candidates])], axis=1)

        def chose(kept, new):
            return tf.gather(pool(kept, new), places, batch_dims=1)

        _, places = tf.math.top_k(pool(_log_add(ended, open_) + fused, grown + grown_fused), beam)
        parents = tf.where(places < beam, places, (places - beam) // candidates)
        added = chose(zeros, symbol)
        counts = tf.gather(counts, parents, batch_dims=1)
        here = (tf.range(frames) == counts[..., None]) & (added > 0)[..., None]
        return (
            frame + 1,
            chose(ended, _NOTHING),
            chose(open_, grown),
            chose(fused, grown_fused),
            chose(states, after),
            chose(last, symbol),
            chose(keys, grown_keys),
            counts + tf.cast(added > 0, tf.int32),
            tf.where(here, added[..., None], tf.gather(ids, parents, batch_dims=1)),
        )

    zeros = tf.zeros([batch, beam], tf.int32)
    nothing = tf.fill([batch, beam], _NOTHING)
    first = tf.concat([tf.zeros([batch, 1]), nothing[:, 1:]], axis=1)
    states = tf.zeros([batch, beam], tf.int64)
    if language_model is not None:
        states += language_model.start_states(batch)[:, None]
    _, ended, open_, fused, states, _, _, counts, ids = tf.while_loop(
        lambda frame, *_: frame < frames,
        extend,
        (
            0,
            first,
            nothing,
            tf.zeros_like(first),
            states,
            zeros,
            tf.zeros_like(states),
            zeros,
            tf.zeros([batch, beam, frames], tf.int32),
        ),
    )
    scores = _log_add(ended, open_)
    possible = scores > _NOTHING / 2
    scores += fused
    if language_model is not None:
        scores += weight * language_model.step(states, tf.zeros_like(counts))[0]
    scores, order = tf.math.top_k(tf.where(possible, scores, -float("inf")), beam)
    counts = tf.gather(tf.where(possible, counts, 0), order, batch_dims=1)
    ids = tf.gather(ids, order, batch_dims=1)[:, :, : tf.reduce_max(counts)]
    return tf.where(tf.sequence_mask(counts, tf.shape(ids)[2]), ids, 0), counts, scores


def align(log_probs, lengths, ids, counts):
    """Where each character of a text stands, on the most probable path that spells it (Viterbi, 1967).

    Args:
        log_probs: `(batch, frames, symbols)` float32.
        lengths: `(batch,)` int32, real frames.
        ids: `(batch, longest)` int32, the texts' symbols.
        counts: `(batch,)` int32, characters of each.

    Returns:
        first, end `(batch, longest)` int32: a character has the frames from `first` up to, and without, `end`. And
        confidence `(batch, longest)` float32: the character's highest probability among its frames, for it stands if one
        frame is sure of it; at its edges it shares them with the blank. All are 0 in the padding, and for a text that has
        no path as its frames are too few.
    """
    log_probs = tf.pad(log_probs, [[0, 0], [0, 1], [0, 0]])  # a loop needs a frame, which a batch of nothing lacks
    batch, frames, longest = tf.shape(log_probs)[0], tf.shape(log_probs)[1], tf.shape(ids)[1]
    real = tf.sequence_mask(lengths, frames)
    # A path's places: before the first character, on it, behind it, on the second, ...
    symbols = tf.reshape(tf.stack([tf.zeros_like(ids), ids], axis=2), [batch, 2 * longest])
    symbols = tf.pad(symbols, [[0, 0], [0, 1]])
    emitted = tf.transpose(tf.gather(log_probs, symbols, axis=2, batch_dims=1), [1, 0, 2])
    before = tf.pad(symbols, [[0, 0], [2, 0]])[:, :-2]
    leap = tf.where((symbols != 0) & (symbols != before), 0.0, _NOTHING)  # from one character to the next, without a blank

    def moves(score):
        """What comes into each place, by staying, by one step and by a leap; `(..., places)`."""
        none = [[0, 0]] * (len(score.shape) - 1)
        padded = tf.pad(score, [*none, [2, 0]], constant_values=_NOTHING)
        return score, padded[..., 1:-1], padded[..., :-2] + leap

    def forward(frame, score, scores):
        stay, once, twice = moves(score)
        score = tf.maximum(tf.maximum(stay, once), twice) + emitted[frame]
        return frame + 1, score, scores.write(frame, score)

    # Before the first frame it stands on the first place, so that one step leads onto the first character.
    start = tf.fill([batch, 2 * longest + 1], _NOTHING)
    start = tf.concat([tf.zeros([batch, 1]), start[:, 1:]], axis=1)
    array = tf.TensorArray(tf.float32, frames)
    _, _, scores = tf.while_loop(lambda frame, *_: frame < frames, forward, (0, start, array))
    scores = tf.concat([start[None], scores.stack()], axis=0)
    steps = tf.argmax(tf.stack(moves(scores[:-1])), axis=0, output_type=tf.int32)
    steps = tf.where(tf.transpose(real)[..., None], steps, 0)  # behind its end a row stays where it ended
    lasts = tf.stack([2 * counts, tf.maximum(2 * counts - 1, 0)], axis=1)
    ends = tf.gather_nd(scores, tf.stack([lengths, tf.range(batch)], axis=1))
    ends = tf.gather(ends, lasts, batch_dims=1)
    place = tf.gather(lasts, tf.argmax(ends, axis=1), batch_dims=1)

    def backward(frame, place, path):
        path = path.write(frame, place)
        return frame - 1, place - tf.gather(steps[frame], place, batch_dims=1), path

    array = tf.TensorArray(tf.int32, frames)
    _, _, path = tf.while_loop(lambda frame, *_: frame >= 0, backward, (frames - 1, place, array))
    path = tf.transpose(path.stack())[..., None]
    possible = (tf.reduce_max(ends, axis=1) > _NOTHING / 2)[:, None] & tf.sequence_mask(counts, longest)
    on = (path == 2 * tf.range(longest) + 1) & real[..., None] & possible[:, None]
    moment = tf.range(frames)[None, :, None]
    first = tf.reduce_min(tf.where(on, moment, frames), axis=1)
    end = tf.reduce_max(tf.where(on, moment + 1, 0), axis=1)
    on_characters = tf.transpose(emitted, [1, 0, 2])[:, :, 1::2]
    confidence = tf.exp(tf.reduce_max(tf.where(on, on_characters, _NOTHING), axis=1))
    return tf.where(possible, first, 0), end, confidence


def _without_certain_blanks(log_probs, lengths, certain):
    """Keeps the first of each run of frames whose blank is more probable than `certain`."""
    frames = tf.shape(log_probs)[1]
    sure = log_probs[:, :, 0] > tf.math.log(certain)
    again = sure & tf.pad(sure[:, :-1], [[0, 0], [1, 0]])
    places = tf.broadcast_to(tf.range(frames), tf.shape(sure))
    places, lengths = _packed(places, ~again & tf.sequence_mask(lengths, frames))
    return tf.gather(log_probs, places, batch_dims=1), lengths


def _packed(values, kept):
    """Moves the kept values of each row `(batch, steps)` to its front: them, padded with 0, and their number."""
    rows = tf.ragged.boolean_mask(values, kept)
    return rows.to_tensor(), tf.cast(rows.row_lengths(), tf.int32)


def _log_add(first, second):
    """log(exp(first) + exp(second)), for logs down to `_NOTHING` and beyond."""
    higher = tf.maximum(first, second)
    return higher + tf.math.softplus(tf.minimum(first, second) - higher)
