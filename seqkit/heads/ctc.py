"""A text, character by character, out of more frames than it has characters: handwriting, speech.

Connectionist temporal classification (CTC; Graves et al., 2006). Convention: column 0 of `log_probs` is the blank, `PAD`,
and column `id - UNKNOWN` a character of the tokenizer; the other shared ids have none. Decoding looks only backwards, so it is
carried along a stream: an answer has the characters that were not settled before, and says how many of them are settled.
Left out: words, which `Transcript` makes of characters.
"""

import itertools
from dataclasses import replace

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from seqkit.heads.stitching import stitch
from seqkit.language.language_model import log_probability
from seqkit.language.tokenizers import END, PAD, UNKNOWN, nfc
from seqkit.lengths import mask_of
from seqkit.metrics import character_accuracy, fit_sigmoid, transcription
from seqkit.parts import Head
from seqkit.results import Character, Transcript
from seqkit.search.boosts import Boosts
from seqkit.search.ctc import Greedy, PrefixBeam, unsettled

_HOT_BEAM = 8  # texts that a search keeps where words are looked for
_INSIDE = "'’-"  # what is part of a word, beside letters and digits
_LEAST = 1e-6  # a confidence is kept this far from 0 and 1, so that it has a logit


def frames_needed(text):
    """Frames that a path spelling `text` (characters or ids) has at least: one each, and a blank between two alike."""
    return len(text) + sum(first == second for first, second in itertools.pairwise(text))


class CTCHead(Head):
    """A softmax over the characters and the blank at each frame; read off greedily, or by prefix beam search.

    Args:
        tokenizer: `CharacterTokenizer`.
        language_model: `LanguageModel` learnt with the same tokenizer, or None.
        beam, candidates, weight, bonus, certain: of `PrefixBeam`. A beam of 1 without a language model is the greedy search.
        alternatives: int, how many texts an answer lists, the best included; no more than `beam`.
        dropout: share of the states' values that are dropped while training.
        decoder: `Seq2SeqHead` of the same tokenizer that learns beside it, so that the encoder serves both (Kim, Hori and
            Watanabe, 2017); it does not answer. None for none.
        share: float, 0 to 1, of the decoder's loss in that of both.

    Raises:
        ValueError: the language model was learnt with another alphabet.
    """

    monitor = "accuracy"
    streams = True
    asks = {
        "hot_words": tf.TensorSpec((None,), tf.string, "hot_words"),
        "boosts": tf.TensorSpec((None,), tf.float32, "boosts"),
    }

    def __init__(
        self,
        tokenizer,
        language_model=None,
        beam=16,
        candidates=12,
        weight=0.5,
        bonus=0.0,
        certain=1.0,
        alternatives=5,
        dropout=0.0,
        decoder=None,
        share=0.0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.decoder, self.share = decoder, share
        if language_model is not None and language_model.alphabet != tokenizer.alphabet:
            raise ValueError(
                f"The language model has another alphabet, of {language_model.size - 1} characters, than the tokenizer, of "
                f"{len(tokenizer.characters)}. Learn it with this tokenizer."
            )
        self.tokenizer, self.language_model = tokenizer, language_model
        self._settings = {"beam": beam, "candidates": candidates, "weight": weight, "bonus": bonus, "certain": certain}
        self._greedy = beam == 1 and language_model is None
        self._letters = tf.constant([False, *(c.isalnum() or c in _INSIDE for c in tokenizer.characters)])
        self.alternatives = min(alternatives, beam)
        self.dropout = layers.Dropout(dropout)
        self.dense = layers.Dense(tokenizer.size - UNKNOWN)
        # Fitted on held-out lines once the rest is trained (Platt, 1999); as they are, a score is the mean confidence.
        # The language model's share is in how far a text is from what it usually finds in a line that was read.
        self.slope = self.add_weight(shape=(), initializer="ones", trainable=False, name="slope")
        self.offset = self.add_weight(shape=(), initializer="zeros", trainable=False, name="offset")
        self.language = self.add_weight(shape=(), initializer="zeros", trainable=False, name="language")
        self.usual = self.add_weight(shape=(), initializer="zeros", trainable=False, name="usual")

    def targets(self, y):
        """A list of `str` -> `{"ids": (batch, longest), "lengths": (batch,)}`, int32; composed to NFC first."""
        rows = [self.tokenizer.ids(text) for text in y]
        ids = np.full((len(rows), max(map(len, rows), default=0)), PAD, np.int32)
        for place, row in enumerate(rows):
            ids[place, : len(row)] = row
        return {"ids": ids, "lengths": np.array([len(row) for row in rows], np.int32)}

    def check(self, target, name, frames):
        """Refuses a text, `str`, with a character outside the alphabet, or that needs more than its `frames`: ValueError."""
        ids = self.tokenizer.ids(target)
        if UNKNOWN in ids:
            at = ids.index(UNKNOWN)
            raise ValueError(
                f"{name}: its text has {nfc(target)[at]!r} at place {at}, which is outside the alphabet of "
                f"{len(self.tokenizer.characters)} characters. Leave the example out, or learn the alphabet with it: "
                'fit(..., vocabulary="union").'
            )
        if frames_needed(ids) > frames:
            raise ValueError(
                f"{name}: its text of {len(ids)} characters needs {frames_needed(ids)} frames; the input "
                f"gives {frames}. Leave the example out, or check that input and text belong together."
            )

    def inherit(self, other):
        """Takes over what another `CTCHead` has learnt of the characters that both know; both must be built."""
        shared = [
            place for place, character in enumerate(self.tokenizer.characters, 1) if character in other.tokenizer.characters
        ]
        theirs = [other.tokenizer.characters.index(self.tokenizer.characters[place - 1]) + 1 for place in shared]
        for weight, source in zip(self.dense.weights, other.dense.weights):
            values = weight.numpy()
            values[..., [PAD, *shared]] = source.numpy()[..., [PAD, *theirs]]
            weight.assign(values)
        for name in ("slope", "offset", "language", "usual"):
            getattr(self, name).assign(getattr(other, name))
        if self.decoder is not None:
            self.decoder.inherit(other.decoder)

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, frames, width)` -> `{"log_probs": (batch, frames, symbols) float32, "lengths": (batch,)}`; with a
        decoder and targets, its outputs too, as `decoder`."""
        logits = ops.cast(self.dense(self.dropout(states, training=training)), "float32")
        outputs = {"log_probs": ops.log_softmax(logits), "lengths": ops.cast(lengths, "int32")}
        if self.decoder is not None and (targets is not None or not self.decoder.built):
            targets = None if targets is None else _ended(targets)
            outputs["decoder"] = self.decoder(states, lengths, targets=targets, training=training)
        return outputs

    def loss(self, targets, outputs):
        """Negative log probability of each row's text, `(batch,)`; a whole line's, as is usual, whatever its length. With a
        decoder it is the mean of both, by `share`.

        On TensorFlow it is the kernel for CPUs, which takes a seventeenth of the time of `keras.ops.ctc_loss`. To it, a
        text without room in its frames costs nothing and teaches nothing: `check` refuses it before.
        """
        loss = self._loss(targets, outputs)
        if self.decoder is None:
            return loss
        return (1 - self.share) * loss + self.share * self.decoder.loss(_ended(targets), outputs["decoder"])

    @staticmethod
    def _loss(targets, outputs):
        symbols = ops.maximum(targets["ids"] - UNKNOWN, PAD)
        compute = _kernel_loss if keras.backend.backend() == "tensorflow" else _portable_loss
        return compute(symbols, targets["lengths"], outputs["log_probs"], outputs["lengths"])

    def log_prob(self, targets, outputs):
        """The log probability of each text, `(batch,)` in nats, over all ways to spell it."""
        return -self._loss(targets, outputs)

    def disagreement(self, outputs):
        """How differently the two views of each line are read, the second half of the batch being the first seen otherwise.

        Each is to find what the other finds at the same frame (Yao et al., 2025, "CR-CTC"): `(batch,)`, in nats, the
        Kullback-Leibler divergence from the other view's symbols, summed over frames; gradients reach the one alone.
        """
        one = outputs["log_probs"]
        other = ops.stop_gradient(ops.roll(one, ops.shape(one)[0] // 2, axis=0))
        apart = ops.sum(ops.exp(other) * (other - one), axis=2)
        return ops.sum(ops.where(mask_of(apart, outputs["lengths"]), apart, 0.0), axis=1)

    def _search(self, asked=None):
        if asked is None:
            return Greedy() if self._greedy else PrefixBeam(language_model=self.language_model, **self._settings)
        ids, _ = self.tokenizer.encode(asked["hot_words"])
        # A character that nothing spells stands where one is unknown, so that the text is never read.
        ids = tf.where(ids == UNKNOWN, self.tokenizer.size, ids)
        boosts = Boosts(tf.maximum(ids - UNKNOWN, PAD), asked["boosts"], self._letters)
        settings = {**self._settings, "beam": max(self._settings["beam"], _HOT_BEAM)}
        return PrefixBeam(language_model=self.language_model, boosts=boosts, **settings)

    def asked(self, hot_words=None):
        """What a call may ask for.

        Args:
            hot_words: dict of a word or several, `str` -> how many nats likelier it is than the network and the language model
                find it; from 1, of words that are nearly read, to 10. Words of a model without capitals may have them.

        Raises:
            ValueError: it is no such dict, or a word has a character outside the alphabet.
        """
        if hot_words is None:
            return None
        if not isinstance(hot_words, dict):
            raise ValueError(f"hot_words must be a dict of word -> boost, as {{'Zagreb': 3.0}}; received {hot_words!r:.80}.")
        spelt = [self._spelt(word) for word in hot_words]
        boosts = [_boost(word, boost) for word, boost in hot_words.items()]
        words = np.empty(len(spelt), object)
        words[:] = [word.encode() for word in spelt]
        return {"hot_words": words, "boosts": np.array(boosts, np.float32)}

    def _spelt(self, word):
        """A hot word in the alphabet's letters."""
        forms = [form(nfc(word).strip()) for form in (str, str.lower, str.upper)] if isinstance(word, str) else []
        for form in forms:
            if form and UNKNOWN not in self.tokenizer.ids(form):
                return form
        raise ValueError(
            f"The hot word {word!r:.80} cannot be spelt in the alphabet of {len(self.tokenizer.characters)} characters: "
            f"{self.tokenizer.characters!r:.80}."
        )

    def start(self, batch):
        """The search's, and the lowest probability of a blank."""
        return self._start(self._search(), batch)

    @staticmethod
    def _start(search, batch):
        return {**search.start(batch), "lowest": tf.ones([batch])}

    def step(self, states, lengths, spans, state, last):
        """Reads what came: as `parts.Head.step`. Beside the fields of `decode` an answer has `settled` `(batch,)` int32; its
        texts are parts of whole ones, and keep the space around them."""
        search = self._search()
        if last:  # the answer replaces the one before, which had what is settled since
            settled, state = state["settled"], unsettled(state)
            state = self._read(search, states, lengths, spans, state)
        else:
            state = search.settle(self._read(search, states, lengths, spans, state))
            settled = state["settled"]
        return {**self._answer(search.hypotheses(state), state["lowest"]), "settled": settled}, state

    def _read(self, search, states, lengths, spans, state):
        outputs = self(states, lengths)
        log_probs, lengths = outputs["log_probs"], outputs["lengths"]
        if spans is None:
            frames = tf.range(tf.shape(log_probs)[1], dtype=tf.float32)
            spans = tf.stack([frames, frames + 1], axis=1)[None] + tf.zeros([tf.shape(log_probs)[0], 1, 1])
        blanks = tf.where(mask_of(log_probs, lengths), tf.exp(log_probs[:, :, 0]), 1.0)
        lowest = tf.reduce_min(tf.concat([state["lowest"][:, None], blanks], axis=1), axis=1)
        return {**search.step(log_probs, lengths, spans, state), "lowest": lowest}

    def decode(self, states, lengths, spans=None, asked=None):
        """The answer: `Transcript`'s fields, row by row.

        Args:
            states, lengths, spans: a `Sequence`.
            asked: dict of `asks`, or None.

        Returns:
            `text` `(batch,)` strings; `score` `(batch,)`; `characters` `(batch, longest)` strings, "" in the padding, with
            `left`, `right` (of the spans) and `confidence` `(batch, longest)`, 0 there; `alternatives` `(batch, n)` strings,
            best first, and `alternative_scores` `(batch, n)`; numbers are float32. Texts are without space around them, but
            `characters` has every one that was read.
        """
        search = self._search(asked)
        state = self._read(search, states, lengths, spans, self._start(search, tf.shape(states)[0]))
        answer = self._answer(search.hypotheses(state), state["lowest"])
        return {**answer, **{name: tf.strings.strip(answer[name]) for name in ("text", "alternatives")}}

    def _answer(self, found, lowest):
        """`Hypotheses`, and the lowest probability of a blank `(batch,)` -> the fields of `decode`."""
        ids = found.ids[:, : self.alternatives]
        characters = self.tokenizer.pieces(tf.where(ids > 0, ids + UNKNOWN, PAD))
        texts = tf.strings.reduce_join(characters, axis=2)
        total = tf.cast(found.total, tf.float32)
        # Where nothing was read, it is the frame likeliest to hold more that says how sure that is.
        mean = tf.where(found.total > 0, found.certainty / tf.maximum(total, 1.0), lowest)
        mean = tf.clip_by_value(mean, _LEAST, 1 - _LEAST)
        familiar = tf.where(found.total > 0, found.familiar / (total + 1.0) - self.usual, 0.0)
        logit = tf.math.log(mean / (1 - mean))
        left, right, confidence = tf.unstack(found.places, axis=2)
        return {
            "text": texts[:, 0],
            "score": tf.sigmoid(self.slope * logit + self.offset + self.language * familiar),
            "characters": characters[:, 0, : tf.shape(left)[1]],
            "left": left,
            "right": right,
            "confidence": confidence,
            "alternatives": texts,
            "alternative_scores": tf.nn.softmax(found.scores)[:, : self.alternatives],
        }

    def joined(self, before, row):
        """As `parts.Head.joined`: what was settled, and behind it what a stream answers now."""
        if before is None:
            return row
        count = int(before["settled"])
        text = "".join(character.decode() for character in before["characters"][:count]).encode()
        ends = {
            name: np.concatenate([before[name][:count], row[name]]) for name in ("characters", "left", "right", "confidence")
        }
        alternatives = np.array([text + other for other in row["alternatives"]], object)
        return {**row, **ends, "text": text + row["text"], "alternatives": alternatives, "settled": count + row["settled"]}

    def unfinished(self, answer):
        """The `Transcript`, not `final`."""
        return replace(answer, final=False)

    def typed(self, text, score, characters, left, right, confidence, alternatives, alternative_scores, settled=None):
        """One row of `decode`, or of `step`, as NumPy has it -> a `Transcript`: without space around it."""
        places = zip(characters.tolist(), left.tolist(), right.tolist(), confidence.tolist())
        characters = [Character(character.decode(), *place) for character, *place in places if character]
        inside = [place for place, character in enumerate(characters) if character.character.strip()]
        shares = {}
        for other, share in zip(alternatives.tolist(), alternative_scores.tolist()):
            other = other.decode().strip()
            shares[other] = shares.get(other, 0.0) + share
        return Transcript(
            text.decode().strip(),
            float(score),
            characters[inside[0] : inside[-1] + 1] if inside else [],
            sorted(((other, share) for other, share in shares.items() if share > 0), key=lambda pair: -pair[1]),
        )

    def stitched(self, answers, begins):
        """As `parts.Head.stitched`: see `stitching.stitch`."""
        return stitch(answers, begins)

    def evaluate(self, predictions, references):
        """Metrics of `Transcript`s against the right texts: see `metrics.transcription`."""
        return transcription([a.text for a in predictions], [a.score for a in predictions], references)

    def calibrate(self, predictions, references):
        """Fits the score to held-out answers: the share of a line's characters that can be expected to be right.

        How sure the characters are counts, and how likely the language model finds the text: of an upside-down line
        it reads letters that it is quite sure of, but no words. Lines that nothing was read in are left out.
        """
        pairs = [(answer, reference) for answer, reference in zip(predictions, references) if answer.characters]
        if pairs:
            texts = [answer.text for answer, _ in pairs]
            mean = [np.mean([character.confidence for character in answer.characters]) for answer, _ in pairs]
            mean = np.clip(mean, _LEAST, 1 - _LEAST)
            targets = self.targets(texts)
            by_language = self._log_probability(tf.maximum(targets["ids"] - UNKNOWN, PAD), targets["lengths"]).numpy()
            right = character_accuracy(texts, [reference for _, reference in pairs])
            fitted = fit_sigmoid(np.column_stack([np.log(mean / (1 - mean)), by_language - by_language.mean()]), right)
            for weight, value in zip((self.slope, self.language, self.offset, self.usual), (*fitted, by_language.mean())):
                weight.assign(value)

    def _log_probability(self, symbols, counts):
        """The language model's log probability of each text, a symbol, `(batch,)`; 0 without one."""
        if self.language_model is None:
            return tf.zeros_like(counts, tf.float32)
        return log_probability(self.language_model, symbols, counts) / tf.cast(counts + 1, tf.float32)


def _ended(targets):
    """Targets with `END` behind each text, as an attention decoder has them."""
    ids, lengths = ops.pad(targets["ids"], [[0, 0], [0, 1]]), targets["lengths"]
    ends = ops.arange(ops.shape(ids)[1], dtype="int32")[None] == lengths[:, None]
    return {"ids": ops.where(ends, END, ids), "lengths": lengths + 1}


def _boost(word, boost):
    if isinstance(boost, bool) or not isinstance(boost, (int, float)) or not abs(boost) <= 100:
        raise ValueError(f"The boost of the hot word {word!r:.80} must be a number from -100 to 100; received {boost!r:.80}.")
    return boost


def _kernel_loss(symbols, counts, log_probs, lengths):
    """The loss by TensorFlow's kernel, which wants time first, the blank last and sparse symbols."""
    symbols = tf.pad(symbols, [[0, 0], [0, 1]])
    twice = (symbols[:, 1:] == symbols[:, :-1]) & (symbols[:, 1:] != PAD)
    room = counts + tf.reduce_sum(tf.cast(twice, tf.int32), axis=1) <= lengths
    # It refuses a text of nothing, and finds infinity where there is no room: such rows show it another text.
    usual = room & (counts > 0)
    places = tf.where(mask_of(symbols, tf.where(usual, counts, 1)))
    loss = tf.raw_ops.CTCLoss(
        inputs=tf.transpose(tf.roll(log_probs, -1, axis=2), [1, 0, 2]),
        labels_indices=places,
        labels_values=tf.gather_nd(tf.where(usual[:, None], symbols, 1), places) - 1,
        sequence_length=lengths,
        ignore_longer_outputs_than_inputs=True,
    ).loss
    blanks = -tf.reduce_sum(tf.where(mask_of(log_probs, lengths), log_probs[:, :, 0], 0.0), axis=1)
    return tf.where(usual, loss, tf.where(room, blanks, 0.0))


def _portable_loss(symbols, counts, log_probs, lengths):
    """The loss by Keras, for any of its backends."""
    return ops.ctc_loss(symbols, log_probs, counts, lengths, mask_index=0)
