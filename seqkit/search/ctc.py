"""From frames to characters: searches over the outputs of connectionist temporal classification (CTC; Graves et al., 2006).

Convention: `log_probs` is `(batch, frames, symbols)`, and symbol 0 the blank. A path has one symbol a frame; it spells what
is left when repeats are merged and blanks are removed. A search is carried along the frames: `start` gives its state, a flat
dict of tensors, `step` takes frames with the state and gives the next one, and `hypotheses` reads off what a state spells:
frames come all at once or some at a time, with one result. A character's place is where its frames begin and end on the
likeliest path that spells the text (Viterbi, 1967), and its highest probability among them, for it stands if one frame is sure
of it. `settle` finds what no frame to come can change, which the next step leaves out, so that a state does not grow.
All is batched, in graph, of TensorFlow's core operations, and a row is searched as if it were alone. Left out: beams over
states, as attention needs them.
"""

from typing import Any, NamedTuple

import tensorflow as tf

from seqkit.lengths import mask_of, zero_padding

_NOTHING = -1e30  # log of a probability of 0; unlike -inf, it can be subtracted
_SPREAD = -0x61C8864680B583EB  # odd, so that products of 64 bits tell prefixes apart (Knuth, 6.4)


class Hypotheses(NamedTuple):
    """What a state spells, but for what the last step left out as settled.

    Attributes:
        ids: `(batch, n, longest)` int32, padded with 0, best first.
        counts: `(batch, n)` int32, characters of each.
        scores: `(batch, n)` float32, log probability and what is added to it; -inf where no text was found.
        places: `(batch, longest, 3)` float32, where the best one's characters begin, end, and their probability.
        settled: `(batch,)` int32, how many of the best one's characters will stay as they are.
        total: `(batch,)` int32, characters of the whole best text; certainty: `(batch,)` float32, their probabilities' sum.
        familiar: `(batch,)` float32, the language model's log probability of the whole best text and its end; 0 without one.
    """

    ids: Any
    counts: Any
    scores: Any
    places: Any
    settled: Any
    total: Any
    certainty: Any
    familiar: Any


class Greedy:
    """Spells the best path: each frame's most probable symbol."""

    def start(self, batch):
        """The state before any frame, for so many rows."""
        return {**_no_frames(batch), "symbols": tf.zeros([batch, 0], tf.int32), "chances": tf.zeros([batch, 0])}

    def step(self, log_probs, lengths, spans, state):
        """Reads frames: as of `PrefixBeam.step`."""
        symbols = tf.argmax(log_probs, axis=2, output_type=tf.int32)
        chances = tf.exp(tf.reduce_max(log_probs, axis=2))
        return _appended(state, {"symbols": symbols, "chances": chances, "spans": spans}, lengths)

    def settle(self, state):
        """The state with what is settled in it: all but a character that may go on."""
        return _settled(state, state["symbols"], state["chances"], state["frames"])

    def hypotheses(self, state):
        """What a state spells: `Hypotheses`."""
        ids, counts = spelt(state["symbols"][:, None])
        places = placed(state["symbols"], state["chances"], state["spans"])
        nothing = tf.zeros(tf.shape(counts))
        return _hypotheses(state, ids, counts, nothing, places, nothing[:, 0])


class PrefixBeam:
    """Finds the most probable texts, by prefix beam search (Graves, 2012, section 7.5.3; Hannun et al., 2014).

    A text's probability is the sum of its paths'. Equal prefixes are merged, and each keeps the probability of its paths
    that end in a blank apart from that of the others. What a search drops for lack of room is lost, so probabilities are
    lower bounds; they are exact where `beam` holds all prefixes and `candidates` all symbols.

    Args:
        beam: int, prefixes kept at each frame.
        candidates: int, most probable symbols of a frame that prefixes are extended by.
        language_model: has `start_states` and `step` over the same symbols, 0 the end, as `LanguageModel`; or None.
        weight: factor on the log probability that the language model gives to the text and its end.
        bonus: added for each character, as a language model prefers short texts.
        certain: of frames in a row whose blank is more probable than this, the first stands for all; 1 reads every frame.
            Where three frames of four are such, 0.999 halves the time and moves scores by some hundredths.
        boosts: `Boosts`, texts that are looked for; or None.
        horizon: int, frames after which `settle` lets the best path decide: two that are nearly alike stay in a beam for
            ever, though what follows them is the same.
    """

    def __init__(
        self, beam=16, candidates=12, language_model=None, weight=0.5, bonus=0.0, certain=1.0, boosts=None, horizon=200
    ):
        self.beam, self.candidates, self.language_model = beam, candidates, language_model
        self.weight, self.bonus, self.certain, self.boosts, self.horizon = weight, bonus, certain, boosts, horizon

    def start(self, batch):
        """The state before any frame, for so many rows: one text, of nothing, and room for others."""
        zeros = tf.zeros([batch, self.beam])
        whole = tf.cast(zeros, tf.int32)
        nothing = tf.fill([batch, self.beam], _NOTHING)
        first = tf.concat([zeros[:, :1], nothing[:, 1:]], axis=1)
        language = tf.cast(zeros, tf.int64)
        if self.language_model is not None:
            language += self.language_model.start_states(batch)[:, None]
        state = {
            **_no_frames(batch),
            # Of each prefix, log probabilities: of all paths that end in a blank, and in a character; of the best of either.
            "log_probs": tf.stack([first, nothing, first, nothing], axis=2),
            "key": tf.cast(zeros, tf.int64),
            "last": whole,
            "number": whole,  # characters
            "language": language,
            "familiar": zeros,
            # Of each frame and node: the symbol, and a character's probability, on the best path to the node. Nodes `2 * place`
            # and `2 * place + 1` are where a prefix ends in a blank, and in a character.
            "symbols": tf.zeros([batch, 0, 2 * self.beam], tf.int32),
            "chances": tf.zeros([batch, 0, 2 * self.beam]),
            "blank": tf.zeros([batch], tf.bool),  # whether the last frame was certain of a blank
        }
        return state if self.boosts is None else {**state, "reached": self.boosts.start(whole), "reward": zeros}

    def step(self, log_probs, lengths, spans, state):
        """Reads frames.

        Args:
            log_probs: `(batch, frames, symbols)` float32.
            lengths: `(batch,)` int32, real frames; may be 0.
            spans: `(batch, frames, 2)` float32, where each frame begins and ends.
            state: as of `start`, or of the step before.

        Returns:
            The state after them.
        """
        if self.certain < 1.0:
            kept, blank = _certain_blanks_once(log_probs, lengths, self.certain, state["blank"])
            places, lengths = _packed(tf.broadcast_to(tf.range(tf.shape(kept)[1]), tf.shape(kept)), kept)
            log_probs, spans = (tf.gather(values, places, batch_dims=1) for values in (log_probs, spans))
            state = {**state, "blank": blank}
        # One frame more, which is padding: a loop needs one, where nothing came.
        frames = tf.maximum(tf.reduce_max(tf.pad(lengths, [[0, 1]])), 1)
        log_probs, spans = (tf.pad(values, [[0, 0], [0, 1], [0, 0]])[:, :frames] for values in (log_probs, spans))
        chances, symbols = tf.math.top_k(log_probs[:, :, 1:], min(self.candidates, log_probs.shape[2] - 1))
        slots = {name: value for name, value in state.items() if name in _SLOTS}
        arrays = [tf.TensorArray(tf.int32, frames) for _ in range(2)]

        def read(frame, slots, arrays):
            now = log_probs[:, frame], symbols[:, None, frame] + 1, chances[:, None, frame], frame < lengths[:, None]
            slots, back = self._read(*now, slots)
            return frame + 1, slots, [array.write(frame, value) for array, value in zip(arrays, (back, slots["last"]))]

        _, slots, (back, last) = tf.while_loop(lambda frame, *_: frame < frames, read, (0, slots, arrays))
        back = tf.ensure_shape(back.stack(), [None, None, self.beam, 2])
        last = tf.transpose(tf.ensure_shape(last.stack(), [None, None, self.beam]), [1, 0, 2])
        before, nodes = _traced_back(back, lengths)
        symbols = tf.where(nodes % 2 == 1, tf.gather(last, nodes // 2, batch_dims=2), 0)
        chances = tf.where(symbols > 0, tf.exp(tf.gather(log_probs, symbols, batch_dims=2)), 0.0)
        new = {"symbols": symbols, "chances": chances}
        old = {name: tf.gather(state[name], before, axis=2, batch_dims=1) for name in new}
        return _appended({**state, **slots, **old}, {**new, "spans": spans}, lengths)

    def _read(self, log_probs, symbol, chance, real, slots):
        """One frame: `(batch, symbols)`; its candidates and their log probabilities, `(batch, 1, candidates)`; and where it is
        one, `(batch, 1)`: behind its end a row stays as it is."""
        batch, candidates = tf.shape(symbol)[0], symbol.shape[2]
        last, key = slots["last"], slots["key"]
        ended, open_, ended_path, open_path = tf.unstack(slots["log_probs"], axis=2)
        total, path = _log_add(ended, open_), tf.maximum(ended_path, open_path)
        again = last[..., None] == symbol  # which is a new character behind a blank only
        blank, repeat = log_probs[:, :1], tf.gather(log_probs, last, batch_dims=1)
        repeat = tf.where(last > 0, repeat, _NOTHING)  # the empty prefix has nothing to repeat
        grown = tf.where(again, ended[..., None], total[..., None]) + chance
        grown_path = tf.where(again, ended_path[..., None], path[..., None]) + chance
        own = 2 * tf.range(self.beam) + tf.zeros_like(last)
        likelier = own + tf.cast(open_path > ended_path, tf.int32)
        grown_back = tf.where(again, own[..., None], likelier[..., None])

        def flat(values):
            return tf.reshape(values, [batch, self.beam * candidates, *tf.unstack(tf.shape(values)[3:])])

        # A prefix grown into one that is in the beam already joins it. Places that have no prefix yet are no danger: their
        # last character is no candidate.
        keys = key[..., None] * _SPREAD
        begins = keys + tf.cast(last[:, None], tf.int64) == key[:, None]  # `(batch, beam, beam)`, the shorter one first
        joins = tf.reduce_any(begins, axis=1) & tf.reduce_any(again, axis=2)
        joined = tf.matmul(tf.cast(begins, tf.float32), tf.cast(again, tf.float32)) > 0
        origin = tf.argmax(tf.cast(begins, tf.int32), axis=1) * candidates + tf.argmax(tf.cast(again, tf.int32), axis=2)
        joining, joining_path, joining_back = (
            tf.gather(flat(values), origin, batch_dims=1) for values in (grown, grown_path, grown_back)
        )
        taken = joins & (joining_path > open_path + repeat)
        kept = [
            total + blank,
            _log_add(open_ + repeat, tf.where(joins, joining, _NOTHING)),
            path + blank,
            tf.where(taken, joining_path, open_path + repeat),
        ]
        kept = {
            **slots,
            "log_probs": tf.where(real[..., None], tf.stack(kept, axis=2), slots["log_probs"]),
            "back": tf.stack([likelier, tf.where(taken, joining_back, own + 1)], axis=2),
        }
        nothing = tf.fill(tf.shape(grown), _NOTHING)
        new = {
            "log_probs": tf.stack([nothing, tf.where(joined, _NOTHING, grown), nothing, grown_path], axis=3),
            "back": tf.stack([grown_back, grown_back], axis=3),
            "key": keys + tf.cast(symbol, tf.int64),
            "last": symbol + tf.zeros_like(grown_back),
            "number": slots["number"][..., None] + tf.ones_like(grown_back),
            **self._heard(symbol, slots),
        }
        pools = {name: tf.concat([kept[name], flat(values)], axis=1) for name, values in new.items()}
        places = tf.math.top_k(_total(pools["log_probs"]) + self._added({**slots, **pools}), self.beam).indices
        places = tf.where(real, places, tf.range(self.beam))
        after = {name: tf.gather(values, places, batch_dims=1) for name, values in pools.items()}
        back = after.pop("back")
        return {**slots, **after}, back

    def _heard(self, symbol, slots):
        """What the language model and the boosts make of each prefix and candidate: `(batch, beam, candidates)` each."""
        heard = {}
        if self.language_model is not None:
            log_probs, heard["language"] = self.language_model.step(slots["language"][..., None], symbol)
            heard["familiar"] = slots["familiar"][..., None] + log_probs
        if self.boosts is not None:
            reward, heard["reached"] = self.boosts.step(slots["reached"], symbol)
            heard["reward"] = slots["reward"][..., None] + reward
        return heard

    def _added(self, slots):
        """What is added to log probabilities."""
        added = self.bonus * tf.cast(slots["number"], tf.float32)
        if self.language_model is not None:
            added += self.weight * slots["familiar"]
        return added if self.boosts is None else added + slots["reward"]

    def settle(self, state):
        """The state with what is settled in it: what all paths that are left have in common. A path that differs from the best
        one before the horizon goes."""
        log_probs = state["log_probs"]
        paths = tf.reshape(log_probs[:, :, 2:], [-1, 2 * self.beam])
        symbols, chances = (_of_nodes(state[name], _likelier(log_probs)[:, :1])[:, 0] for name in ("symbols", "chances"))
        same = (state["symbols"] == symbols[..., None]) & mask_of(symbols, state["frames"])[..., None]
        count = tf.reduce_sum(tf.math.cumprod(tf.cast(same, tf.int32), axis=1), axis=1)
        left = (paths > _NOTHING / 2) & (count >= state["frames"][:, None] - self.horizon)
        common = tf.reduce_min(tf.where(left, count, state["frames"][:, None]), axis=1)
        left = tf.reshape(left, [-1, self.beam, 2])
        left = tf.concat([tf.reduce_any(left, axis=2, keepdims=True)] * 2 + [left], axis=2)
        return _settled({**state, "log_probs": tf.where(left, log_probs, _NOTHING)}, symbols, chances, common)

    def hypotheses(self, state):
        """What a state spells: `Hypotheses`, of them as many as the beam is wide."""
        scores = _total(state["log_probs"])
        possible = scores > _NOTHING / 2
        familiar, slots = state["familiar"], state
        if self.language_model is not None:
            familiar += self.language_model.step(state["language"], tf.zeros_like(state["last"]))[0]
        if self.boosts is not None:
            slots = {**state, "reward": state["reward"] + self.boosts.end(state["reached"])}
        scores += self._added({**slots, "familiar": familiar})
        scores, order = tf.math.top_k(tf.where(possible, scores, -float("inf")), self.beam)

        nodes = tf.gather(_likelier(state["log_probs"]), order, batch_dims=1)
        symbols, chances = (_of_nodes(state[name], nodes) for name in ("symbols", "chances"))
        symbols = tf.where(scores[..., None] > -float("inf"), symbols, 0)
        places = placed(symbols[:, 0], chances[:, 0], state["spans"])
        familiar = tf.gather(familiar, order[:, 0], batch_dims=1)
        return _hypotheses(state, *spelt(symbols), scores, places, familiar)


_SLOTS = "log_probs", "key", "last", "number", "language", "familiar", "reached", "reward"


def spelt(paths):
    """What paths `(batch, n, frames)` spell: ids `(batch, n, longest)` int32, padded with 0, and counts `(batch, n)`."""
    batch, n, frames = tf.unstack(tf.shape(paths))
    paths = tf.reshape(paths, [batch * n, frames])
    ids, counts = _packed(paths, _begins(paths))
    return tf.reshape(ids, [batch, n, tf.shape(ids)[1]]), tf.reshape(counts, [batch, n])


def placed(path, chances, spans):
    """Where the characters of paths `(batch, frames)` are, by their frames' probabilities and spans: `(batch, longest, 3)`."""
    begins, ends = _begins(path), _begins(path[:, ::-1])[:, ::-1]
    lefts, counts = _packed(spans[..., 0], begins)
    rights, _ = _packed(spans[..., 1], ends)
    batch, longest = tf.unstack(tf.shape(lefts))
    # Each frame of a character counts for the one that began last; blanks for one more, which is cut off.
    number = tf.where(path > 0, tf.cumsum(tf.cast(begins, tf.int32), axis=1) - 1, longest)
    number += (longest + 1) * tf.range(batch)[:, None]
    highest = tf.math.unsorted_segment_max(tf.reshape(chances, [-1]), tf.reshape(number, [-1]), batch * (longest + 1))
    highest = tf.reshape(highest, [batch, longest + 1])[:, :longest]
    return tf.stack([lefts, rights, tf.where(tf.sequence_mask(counts, longest), highest, 0.0)], axis=2)


def _begins(paths):
    """Where a character begins on paths `(rows, frames)`."""
    return (paths > 0) & (paths != tf.pad(paths, [[0, 0], [1, 0]])[:, :-1])


def unsettled(state):
    """The state, of which the next step leaves nothing out."""
    return {**state, **{name: tf.zeros_like(state[name]) for name in ("cut", "settled", "sure")}}


def _no_frames(batch):
    """Of a state, what both searches have: the spans of frames that are not settled, and what is known of those that are."""
    whole, real = tf.zeros([batch], tf.int32), tf.zeros([batch])
    return {
        "spans": tf.zeros([batch, 0, 2]),
        "frames": whole,  # how many there are
        "cut": whole,  # of these, how many are settled: the next step leaves them out
        "settled": whole,  # characters in them
        "sure": real,  # sum of the probabilities of these
        "earlier": whole,  # characters that were left out
        "earlier_sure": real,  # sum of their probabilities
    }


def _appended(state, new, lengths):
    """The state with new frames, `(batch, frames, ...)` each, behind those that are not settled."""
    kept = state["frames"] - state["cut"]
    frames = kept + lengths
    place = tf.range(tf.reduce_max(tf.pad(frames, [[0, 1]])))[None]
    old = tf.shape(state["spans"])[1]
    place = tf.where(place < kept[:, None], place + state["cut"][:, None], old + place - kept[:, None])
    place = zero_padding(place, frames)
    joined = {}
    for name, values in new.items():
        values = tf.gather(tf.concat([state[name], tf.cast(values, state[name].dtype)], axis=1), place, batch_dims=1)
        joined[name] = zero_padding(values, frames)
    earlier = {"earlier": state["earlier"] + state["settled"], "earlier_sure": state["earlier_sure"] + state["sure"]}
    return {**unsettled(state), **joined, **earlier, "frames": frames}


def _settled(state, path, chances, common):
    """The state, of whose frames so many have one path: what is settled ends where the last of them began its symbol."""
    begins = _begins(path) | (path == 0)
    frames = tf.range(tf.shape(path)[1])[None]
    cut = tf.reduce_max(tf.where(begins & (frames < common[:, None]), frames + tf.cast(path == 0, tf.int32), 0), axis=1)
    cut = tf.maximum(cut, 0)
    path = tf.where(frames < cut[:, None], path, 0)
    places = placed(path, chances, state["spans"])
    return {**state, "cut": cut, "settled": spelt(path[:, None])[1][:, 0], "sure": tf.reduce_sum(places[..., 2], axis=1)}


def _hypotheses(state, ids, counts, scores, places, familiar):
    total = counts[:, 0] + state["earlier"]
    certainty = tf.reduce_sum(places[..., 2], axis=1) + state["earlier_sure"]
    return Hypotheses(ids, counts, scores, places, state["settled"], total, certainty, familiar)


def _total(log_probs):
    """Of each prefix `(batch, n, 4)`, the log probability of all its paths."""
    return _log_add(log_probs[:, :, 0], log_probs[:, :, 1])


def _likelier(log_probs):
    """Of each prefix `(batch, n, 4)`, the node where its best path ends."""
    opened = log_probs[:, :, 3] > log_probs[:, :, 2]
    return 2 * tf.range(tf.shape(opened)[1]) + tf.cast(opened, tf.int32)


def _of_nodes(values, nodes):
    """What `(batch, frames, all nodes)` has of nodes `(batch, n)`: `(batch, n, frames)`."""
    return tf.transpose(tf.gather(values, nodes, axis=2, batch_dims=1), [0, 2, 1])


def _traced_back(back, lengths):
    """The best path to each node, by the node before each at each frame, `(frames, batch, beam, 2)`.

    Returns:
        The node before the first frame, `(batch, nodes)`, and those at each, `(batch, frames, nodes)`.
    """
    frames, batch, beam, _ = tf.unstack(tf.shape(back))
    back = tf.reshape(back, [frames, batch, 2 * beam])

    def read(frame, nodes, path):
        path, before = path.write(frame, nodes), tf.gather(back[frame], nodes, batch_dims=1)
        return frame - 1, tf.where(frame < lengths[:, None], before, nodes), path

    nodes = tf.tile(tf.range(2 * beam)[None], [batch, 1])
    path = tf.TensorArray(tf.int32, frames)
    _, nodes, path = tf.while_loop(lambda frame, *_: frame >= 0, read, (frames - 1, nodes, path))
    return nodes, tf.transpose(path.stack(), [1, 0, 2])


def _certain_blanks_once(log_probs, lengths, certain, before):
    """Which frames to keep: of each run of those whose blank is more probable than `certain`, the first.

    `before` says of each row whether the frame before was such a one. Returns `(batch, frames)` and the next `before`.
    """
    sure = log_probs[:, :, 0] > tf.math.log(certain)
    all_ = tf.concat([before[:, None], sure], axis=1)
    kept = ~(sure & all_[:, :-1]) & tf.sequence_mask(lengths, tf.shape(sure)[1])
    return kept, tf.gather(all_, lengths, batch_dims=1)


def _packed(values, kept):
    """Moves the kept values of each row `(batch, steps)` to its front: them, padded with 0, and their number."""
    counts = tf.reduce_sum(tf.cast(kept, tf.int32), axis=1)
    from_, to = tf.where(kept), tf.cumsum(tf.cast(kept, tf.int64), axis=1, exclusive=True)
    to = tf.stack([from_[:, 0], tf.gather_nd(to, from_)], axis=1)
    shape = tf.stack([tf.shape(kept)[0], tf.reduce_max(tf.pad(counts, [[0, 1]]))])
    return tf.scatter_nd(to, tf.gather_nd(values, from_), tf.cast(shape, tf.int64)), counts


def _log_add(first, second):
    """log(exp(first) + exp(second)), for logs down to `_NOTHING` and beyond."""
    higher = tf.maximum(first, second)
    return higher + tf.math.softplus(tf.minimum(first, second) - higher)
