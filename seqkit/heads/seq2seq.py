"""A text in other words than the input's, or none that the input shows in their order: translation, speech translation.

A recurrent decoder writes it piece by piece and looks at the states by attention (Bahdanau, Cho and Bengio, 2015), after its
recurrent layers (Luong, Pham and Manning, 2015), so that training computes all steps of a layer at once. Convention: a target
ends with `END`, and the decoder reads it behind `START`; pieces are embedded by the matrix that scores them (Press and Wolf,
2017). `UNKNOWN` stands for what is copied from the input as it is there (Luong et al., 2015): see `SentencePieceTokenizer`.
Left out: the search (`search/beam.py`), and the tokenizers.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from seqkit.heads.alignment import aligned, joined_up
from seqkit.language.tokenizers import SentencePieceTokenizer
from seqkit.layers import LSTM, AdditiveAttention, MultiplicativeAttention
from seqkit.lengths import mask_of
from seqkit.metrics import fit_sigmoid, sentence_quality, translation
from seqkit.parts import END, START, UNKNOWN, Head
from seqkit.results import Translation
from seqkit.search.beam import LOWEST, Hypotheses, Prefix, beam_search, free_after, pointers_of, with_copies

ATTENTION = {"additive": lambda units: AdditiveAttention(units), "multiplicative": lambda units: MultiplicativeAttention()}
_MORE = 10  # pieces that a text may have beside its share of the states
_LEAST = 1e-6  # a mean probability is kept this far from 0 and 1, so that it has a logit


class Seq2SeqHead(Head):
    """An attention decoder over any encoder's states.

    Args:
        tokenizer: of the targets; with something `copied`, the states must have `texts`.
        embedding: `TiedEmbedding` of the tokenizer's ids, such as the encoder's where both sides share their pieces.
        units: int, LSTM units of the decoder.
        depth: int, its layers.
        attention: "multiplicative" or "additive".
        input_feeding: whether a step reads what the one before made of its attention too (Luong et al., 2015). It is then
            trained step by step, which is slower.
        dropout: share of the values that are dropped while training, of pieces, between layers and before the softmax.
        smoothing: label smoothing (Szegedy et al., 2016).
        sampling: share of the pieces that the decoder reads while training that are its own, drawn in a first pass, in place
            of the target's (scheduled sampling: Bengio et al., 2015; Mihaylova and Martins, 2019).
        beam, length_penalty, coverage_penalty, no_repeat: of `beam_search`.
        longest: how many pieces a text has at most for each state; and 10 more.
        alternatives: int, how many texts an answer lists, the best included; no more than `beam`.
    """

    monitor = "bleu"
    asks = {
        "prefix": tf.TensorSpec((), tf.string, "prefix"),
        "temperature": tf.TensorSpec((), tf.float32, "temperature"),
        "top_k": tf.TensorSpec((), tf.int32, "top_k"),
        "top_p": tf.TensorSpec((), tf.float32, "top_p"),
        "seed": tf.TensorSpec((), tf.int32, "seed"),
    }

    def __init__(
        self,
        tokenizer,
        embedding,
        units,
        depth=1,
        attention="multiplicative",
        input_feeding=False,
        dropout=0.0,
        smoothing=0.0,
        sampling=0.0,
        beam=4,
        length_penalty=1.0,
        coverage_penalty=0.0,
        no_repeat=0,
        longest=2.0,
        alternatives=4,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.tokenizer, self.cites = tokenizer, bool(getattr(tokenizer, "copied", None))
        self._plain = SentencePieceTokenizer(tokenizer.model) if self.cites else tokenizer
        self.embedding, self.units, self.input_feeding = embedding, units, input_feeding
        self.smoothing, self.sampling, self.longest, self.beam = smoothing, sampling, longest, beam
        self._penalties = {
            "length_penalty": length_penalty,
            "coverage_penalty": coverage_penalty,
            "no_repeat": no_repeat,
        }
        self.alternatives = min(alternatives, beam)
        self.bridge = layers.Dense(2 * units * depth, activation="tanh")
        self.recurrent = [LSTM(units, return_sequences=True) for _ in range(depth)]
        self.attention = ATTENTION[attention](units)
        self.combined = layers.Dense(embedding.output_dim, activation="tanh")
        self.dropout = layers.Dropout(dropout)
        self.bias = self.add_weight(shape=(tokenizer.size,), initializer="zeros", name="bias")
        # Fitted on held-out pairs once the rest is trained (Platt, 1999); as they are, a score is the pieces' mean probability.
        self.slope = self.add_weight(shape=(), initializer="ones", trainable=False, name="slope")
        self.offset = self.add_weight(shape=(), initializer="zeros", trainable=False, name="offset")
        if sampling:
            self.seed_generator = keras.random.SeedGenerator()

    def targets(self, y):
        """A list of `str` -> `{"ids": (batch, longest), "lengths": (batch,)}`, int32, `END` included."""
        ids, lengths = self.tokenizer.encode(tf.constant(list(y), tf.string))
        ids, lengths = ids.numpy(), lengths.numpy()
        if not isinstance(self.tokenizer, SentencePieceTokenizer):  # whose rows do not end in END
            ids, lengths = np.pad(ids, [[0, 0], [0, 1]]), lengths + 1
            ids[np.arange(len(ids)), lengths - 1] = END
        return {"ids": ids, "lengths": lengths}

    def check(self, target, name, frames):
        """Refuses a text that could never be written: it has more pieces than the limit for so many states."""
        most = self.longest * frames + _MORE
        if self.tokenizer.most_pieces(target) <= most:  # at once, unlike the graph
            return
        count = int(self.targets([target])["lengths"][0]) - 1
        if count > most:
            raise ValueError(
                f"{name}: its text of {count} pieces is more than {self.longest:g} for each of the {frames} steps of its "
                f"input, and {_MORE}. Leave the example out, or check that both sides belong together."
            )

    def inherit(self, other):
        """Takes over what another head has learnt but of pieces that this one does not have; both must be built."""
        ours, theirs = (self._names(head.tokenizer) for head in (self, other))
        known = {name: place for place, name in enumerate(theirs)}
        pairs = np.array([(place, known[name]) for place, name in enumerate(ours) if name in known])
        by_piece = [(self.embedding.embeddings, other.embedding.embeddings), (self.bias, other.bias)]
        for weight, source in by_piece:
            values = weight.numpy()
            values[pairs[:, 0]] = source.numpy()[pairs[:, 1]]
            weight.assign(values)
        special = {id(weight) for pair in by_piece for weight in pair}
        rest = [[weight for weight in head.weights if id(weight) not in special] for head in (self, other)]
        for weight, source in zip(*rest, strict=True):
            weight.assign(source)

    @staticmethod
    def _names(tokenizer):
        return [*range(UNKNOWN + 1), *tokenizer.pieces(tf.range(UNKNOWN + 1, tokenizer.size)).numpy().tolist()]

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, width)`, and targets -> `{"logits": (batch, pieces, vocabulary) float32}`."""
        ids = ops.full((ops.shape(states)[0], 1), END, dtype="int32") if targets is None else targets["ids"]
        before = ops.pad(ids[:, :-1], [[0, 0], [1, 0]], constant_values=START)
        if training and self.sampling:
            logits = ops.stop_gradient(self._logits(self._written(before, states, lengths, training)[0]))
            before = self._mixed(before, logits)
        return {"logits": self._logits(self._written(before, states, lengths, training)[0])}

    def _mixed(self, before, logits):
        """Some of the pieces that are read replaced by what the decoder would have written there."""
        noise = keras.random.uniform(ops.shape(logits), 1e-6, 1.0, seed=self.seed_generator)
        own = ops.cast(ops.argmax(logits - ops.log(-ops.log(noise)), axis=-1), "int32")
        own = ops.pad(own[:, :-1], [[0, 0], [1, 0]], constant_values=START)
        chosen = keras.random.uniform(ops.shape(before), seed=self.seed_generator) < self.sampling
        return ops.where(chosen, own, before)

    def _logits(self, written):
        logits = self.embedding.scores(written)
        return ops.cast(logits + ops.cast(self.bias, logits.dtype), "float32")

    def _begin(self, states, lengths):
        """Each layer's output and cell before the first piece, `(batch, units)`: of the states' mean."""
        count = ops.cast(ops.maximum(lengths, 1), states.dtype)[:, None]
        mean = ops.sum(ops.where(mask_of(states, lengths)[..., None], states, 0.0), axis=1) / count
        return ops.split(self.bridge(mean), 2 * len(self.recurrent), axis=1)

    def _written(self, before, states, lengths, training=False):
        """Pieces that are read `(batch, pieces)` -> what is written at each, `(batch, pieces, width)`, and the attention,
        `(batch, pieces, steps)`: all at once, or step by step."""
        if self.input_feeding:
            return self._written_by_steps(before, states, lengths, training)
        begin = self._begin(states, lengths)
        outputs = self.dropout(self.embedding(before), training=training)
        for place, layer in enumerate(self.recurrent):
            outputs = layer(outputs, initial_state=begin[2 * place : 2 * place + 2], training=training)
            outputs = self.dropout(outputs, training=training)
        context, weights = self.attention(outputs, states, lengths=lengths, return_weights=True)
        written = self.combined(ops.concatenate([context, outputs], axis=-1))
        return self.dropout(written, training=training), weights

    def _written_by_steps(self, before, states, lengths, training):
        width = self.embedding.output_dim + self.combined.units
        for layer in self.recurrent:  # a cell has no weights before its layer is built
            if not layer.built:
                layer.build((None, None, width))
            width = self.units
        real = mask_of(states, lengths)

        def advance(state, pieces):  # what is carried is all that Keras's scan can give
            _, weights, after = self._advance(pieces[:, None], state, states, real)
            after = {**after, "weights": weights}
            return after, after

        begin = {**self._start(states, lengths, 1), "weights": ops.zeros_like(states[:, None, :, 0])}
        _, every = ops.scan(advance, begin, ops.transpose(before))
        written, weights = (ops.transpose(every[name][:, :, 0], [1, 0, 2]) for name in ("fed", "weights"))
        return self.dropout(written, training=training), weights

    def _start(self, states, lengths, beam):
        """The decoder's state, dict of `(batch, beam, ...)`."""
        begin = enumerate(self._begin(states, lengths))
        state = {str(place): ops.repeat(value[:, None], beam, axis=1) for place, value in begin}
        if self.input_feeding:
            state["fed"] = ops.zeros((ops.shape(states)[0], beam, self.embedding.output_dim), states.dtype)
        return state

    def _advance(self, pieces, state, states, real):
        """The next piece of each hypothesis: the last ones `(batch, beam)` -> what is written `(batch, beam, width)`, the
        attention `(batch, beam, steps)` and the state."""
        rows, beam = ops.shape(pieces)[0], pieces.shape[1]
        outputs, after = self.embedding(pieces), {}
        if self.input_feeding:
            outputs = ops.concatenate([outputs, ops.cast(state["fed"], outputs.dtype)], axis=-1)
        outputs = ops.reshape(outputs, (rows * beam, outputs.shape[-1]))
        for place, layer in enumerate(self.recurrent):
            carried = [ops.reshape(state[str(2 * place + side)], (rows * beam, self.units)) for side in (0, 1)]
            outputs, carried = layer.cell(outputs, carried)
            after |= {str(2 * place + side): ops.reshape(carried[side], (rows, beam, self.units)) for side in (0, 1)}
        outputs = ops.reshape(outputs, (rows, beam, self.units))
        context, weights = self.attention(outputs, states, mask=real, return_weights=True)
        written = self.combined(ops.concatenate([context, outputs], axis=-1))
        return written, weights, {**after, "fed": written} if self.input_feeding else after

    def loss(self, targets, outputs):
        """Cross-entropy of each text, summed over its pieces, `(batch,)`."""
        logits, ids = outputs["logits"], targets["ids"]
        loss = ops.sparse_categorical_crossentropy(ids, logits, from_logits=True)
        if self.smoothing:
            right = ops.take_along_axis(logits, ops.cast(ids, "int32")[..., None], axis=2)[..., 0]
            loss = loss + self.smoothing * (right - ops.mean(logits, axis=2))
        return ops.sum(ops.where(mask_of(ids, targets["lengths"]), loss, 0.0), axis=1)

    def asked(self, prefix="", temperature=0.0, top_k=0, top_p=1.0, seed=0):
        """What a call may ask for.

        Args:
            prefix: `str`, how each text begins; it may end inside a word, which is then gone on with.
            temperature: float; above 0 texts are drawn: at 1 as the model finds them probable, below it the likelier ones more.
            top_k: int, pieces that each is drawn from, the likeliest; 0 for all.
            top_p: float, the share of the probability that the likeliest pieces that each is drawn from have together.
            seed: int; the same draws the same, for the same batch.

        Raises:
            ValueError: one is of another kind or range.
        """
        if (prefix, temperature, top_k, top_p) == ("", 0.0, 0, 1.0):
            return None
        if not isinstance(prefix, str):
            raise ValueError(f"prefix must be a text; received {prefix!r:.80}.")
        for name, value, low, high in (
            ("temperature", temperature, 0, 100),
            ("top_k", top_k, 0, 1 << 24),
            ("top_p", top_p, 0, 1),
        ):
            if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
                raise ValueError(f"{name} must be a number from {low} to {high}; received {value!r:.80}.")
        numbers = np.float32(temperature), np.int32(top_k), np.float32(top_p), np.int32(seed)
        return {"prefix": np.array(prefix.encode(), object), **dict(zip(("temperature", "top_k", "top_p", "seed"), numbers))}

    def log_prob(self, targets, outputs):
        """The log probability of each text, `(batch,)` in nats, its end included."""
        log_probs = ops.log_softmax(outputs["logits"])
        right = ops.take_along_axis(log_probs, ops.cast(targets["ids"], "int32")[..., None], axis=2)[..., 0]
        return ops.sum(ops.where(mask_of(right, targets["lengths"]), right, 0.0), axis=1)

    def _memory(self, states, lengths, texts):
        """What the search reads at each step: see `beam_search`."""
        real = tf.sequence_mask(lengths, tf.shape(states)[1])
        copyable = (texts != "") & real if texts is not None else tf.zeros_like(real)
        limit = tf.cast(tf.math.ceil(self.longest * tf.cast(lengths, tf.float32)), tf.int32) + _MORE
        limit += tf.reduce_sum(tf.cast(copyable, tf.int32), axis=1)
        if self.cites:  # a text of nothing but its end stays one
            limit = tf.where(lengths > 1, limit, 0)
        return {"states": states, "real": real, "copyable": copyable, "limit": limit}

    def _next(self, tokens, state, memory):
        """A step of the search: see `beam_search`."""
        written, weights, state = self._advance(tokens, state, memory["states"], memory["real"])
        log_probs = tf.nn.log_softmax(self._logits(written))
        if self.cites:  # it copies what only bytes could spell
            log_probs = tf.where(self.tokenizer.bytes, LOWEST, log_probs)
        return log_probs, tf.cast(weights, tf.float32), state

    def _found(self, states, lengths, texts, beam, **search):
        memory = self._memory(states, lengths, texts)
        return beam_search(self._next, self._start(states, lengths, beam), memory, beam, **search)

    def begin(self, states, lengths, texts=None):
        """What `write` carries before the first piece: a dict of tensors."""
        memory = self._memory(states, lengths, texts)
        rows = tf.shape(states)[0]
        state = {f"state_{name}": value for name, value in self._start(states, lengths, 1).items()}
        return {**memory, **state, "left": memory["limit"], "free": memory["copyable"], "tokens": tf.fill([rows, 1], START)}

    def write(self, carried, texts=None):
        """The next piece of each text, the likeliest: as the search with a beam of 1 finds it.

        Args:
            carried: what `begin`, or this, gave.
            texts: `(batch, steps)` strings, of the `Sequence`, or None.

        Returns:
            Pieces `(batch,)`, strings, a space before what opens a word; which texts are over, `(batch,)` bool, whose piece is
            none; and what is carried.
        """
        state = {name.removeprefix("state_"): value for name, value in carried.items() if name.startswith("state_")}
        log_probs, weights, state = self._next(carried["tokens"], state, carried)
        free = carried["free"][:, None]
        count = tf.reduce_sum(tf.cast(free, tf.int32), axis=2)
        log_probs = with_copies(log_probs, count, carried["left"][:, None])
        tokens = tf.argmax(log_probs, axis=2, output_type=tf.int32)
        copied = pointers_of(weights, free)
        free, pieces = free_after(free, tokens, copied), self._spelt(tokens, copied, texts)
        over = (tokens[:, 0] == END) | (carried["left"] <= 0)
        state = {f"state_{name}": value for name, value in state.items()}
        carried = {**carried, **state, "left": carried["left"] - 1, "free": free[:, 0], "tokens": tokens}
        return tf.where(over, "", pieces[:, 0]), over, carried

    def _spelt(self, ids, copied, texts):
        """What pieces spell: ids of any shape, and of each `UNKNOWN` the step that it copies; strings of that shape."""
        pieces = self.tokenizer.spelt(ids)
        return pieces if texts is None else tf.where(ids == UNKNOWN, tf.gather(texts, copied, batch_dims=1), pieces)

    def _prefix(self, text):
        """How each text begins, `()` string, as `beam_search` has it: a piece writes as many places as it has bytes."""
        begin = tf.strings.reduce_join(self.tokenizer.spelt(self._plain.encode(text[None])[0]))
        begin += tf.where(tf.strings.regex_full_match(text, r"(?s).*\S\s+"), " ", "")  # the next word is another
        spelt = self.tokenizer.spelt(tf.range(self.tokenizer.size))
        sizes = tf.strings.length(spelt)
        longest, places = tf.reduce_max(sizes), tf.strings.length(begin)
        pieces = tf.io.decode_raw(spelt, tf.uint8, fixed_length=longest)
        within = tf.range(longest)
        there = tf.range(places + 1)[:, None] + within  # (places + 1, longest)
        ahead = tf.gather(tf.pad(tf.io.decode_raw(begin, tf.uint8), [[0, longest + 1]]), there)
        same = (pieces == ahead[:, None]) | (within >= sizes[:, None]) | (there >= places)[:, None]
        return Prefix(tf.reduce_all(same, axis=2) & (sizes > 0), sizes)

    def _drawn(self, states, lengths, texts, prefix, asked):
        """One text of each row, drawn, and no others."""

        def perturb(log_probs, t):
            ordered = tf.sort(log_probs, axis=2, direction="DESCENDING")
            before = tf.cumsum(tf.exp(ordered), axis=2, exclusive=True)
            inside = tf.reduce_sum(tf.cast(before < asked["top_p"], tf.int32), axis=2)
            count = tf.where(asked["top_k"] > 0, tf.minimum(asked["top_k"], inside), inside)
            least = tf.gather(ordered, tf.maximum(count - 1, 0), batch_dims=2)[..., None]
            uniform = tf.random.stateless_uniform(tf.shape(log_probs), tf.stack([asked["seed"], t]), 1e-6, 1.0)
            noise = -tf.math.log(-tf.math.log(uniform))
            return tf.where(log_probs >= least, log_probs / asked["temperature"] + noise, LOWEST)

        found = self._found(states, lengths, texts, 1, prefix=prefix, perturb=perturb)
        none = Hypotheses(0, 0, 0, LOWEST, LOWEST, None)  # what stands for hypotheses that there are not
        padded = [
            value
            if fill is None
            else tf.pad(value, [[0, 0], [0, self.beam - 1], *[[0, 0]] * (value.shape.rank - 2)], constant_values=fill)
            for value, fill in zip(found, none)
        ]
        return Hypotheses(*padded)

    def decode(self, states, lengths, spans=None, texts=None, asked=None):
        """The answer: `Translation`'s fields, row by row.

        Args:
            states, lengths, spans, texts: a `Sequence`.
            asked: dict of `asks`, or None.

        Returns:
            `text` `(batch,)` strings; `score` `(batch,)`; `pieces` `(batch, longest)` strings, of which the text is made, "" in
            the padding; `weights` `(batch, longest, steps)`, the attention of each; `left`, `right` `(batch, steps)`, of the
            spans; `alternatives` `(batch, n)` strings, best first, and `alternative_scores` `(batch, n)`, "" and 0 where there
            are fewer.
        """
        if asked is None:
            found = self._found(states, lengths, texts, self.beam, **self._penalties)
        else:
            prefix = self._prefix(asked["prefix"])
            found = tf.cond(
                asked["temperature"] > 0,
                lambda: self._drawn(states, lengths, texts, prefix, asked),
                lambda: self._found(states, lengths, texts, self.beam, prefix=prefix, **self._penalties),
            )
        if spans is None:
            steps = tf.range(tf.shape(states)[1], dtype=tf.float32)
            spans = tf.stack([steps, steps + 1], axis=1)[None] + tf.zeros([tf.shape(states)[0], 1, 1])
        spans = tf.where(mask_of(spans, lengths)[..., None], spans, 0.0)
        pieces = self._spelt(found.ids, found.copied, texts)
        spelt = tf.strings.regex_replace(tf.strings.reduce_join(pieces, axis=2), "^ ", "")
        spelt = tf.strings.unicode_transcode(spelt, "UTF-8", "UTF-8", errors="replace")  # bytes of a prefix, cut off
        mean = tf.exp(found.log_probs[:, 0] / tf.cast(found.lengths[:, 0] + 1, tf.float32))
        mean = tf.clip_by_value(mean, _LEAST, 1 - _LEAST)
        there = (found.scores > LOWEST / 2) & ~_again(spelt)
        shares = tf.nn.softmax(tf.where(there, found.scores, LOWEST))
        longest, steps = tf.reduce_max(found.lengths[:, 0]), tf.reduce_max(lengths)
        return {
            "text": spelt[:, 0],
            "score": tf.sigmoid(self.slope * tf.math.log(mean / (1 - mean)) + self.offset),
            "pieces": pieces[:, 0, :longest],
            "weights": found.weights[:, :longest, :steps],
            "left": spans[:, :steps, 0],
            "right": spans[:, :steps, 1],
            "alternatives": tf.where(there, spelt, "")[:, : self.alternatives],
            "alternative_scores": tf.where(there, shares, 0.0)[:, : self.alternatives],
        }

    def typed(self, text, score, pieces, weights, left, right, alternatives, alternative_scores, source=None):
        """One row of `decode`, as NumPy has it, and the text that was read, bytes, or None -> a `Translation`."""
        others = zip(alternatives.tolist(), alternative_scores.tolist())
        source = None if source is None else source.decode("utf-8", "replace")
        return Translation(
            text.decode(),
            float(score),
            aligned([piece.decode("utf-8", "replace") for piece in pieces.tolist()], weights, left, right, source),
            [(other.decode(), share) for other, share in others if share > 0],
            source,
        )

    def stitched(self, answers, begins):
        """As `parts.Head.stitched`: the sentences' translations, with the white space around each as it was in the input."""
        return joined_up(answers, begins)

    def evaluate(self, predictions, references):
        """Metrics of `Translation`s against the right texts: see `metrics.translation`."""
        return translation([a.text for a in predictions], [a.score for a in predictions], references)

    def calibrate(self, predictions, references):
        """Fits the score to held-out answers: what chrF a text can be expected to have."""
        mean = np.clip([prediction.score for prediction in predictions], _LEAST, 1 - _LEAST)
        raw = (np.log(mean / (1 - mean)) - float(self.offset)) / float(self.slope)
        quality = sentence_quality([prediction.text for prediction in predictions], references)
        for weight, value in zip((self.slope, self.offset), fit_sigmoid(raw[:, None], quality)):
            weight.assign(value)


def _again(texts):
    """Which of texts `(batch, n)` stand before in their row too, bool."""
    same = tf.cast(texts[:, :, None] == texts[:, None, :], tf.int32)
    return tf.reduce_sum(tf.linalg.band_part(same, -1, 0), axis=2) > 1
