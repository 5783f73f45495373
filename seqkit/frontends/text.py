"""Text: raw strings -> piece ids.

Convention: text is UTF-8; bytes that are not become U+FFFD, NUL becomes a space, and so do the `<br />` that web
reviews carry: as many spaces as they have bytes, so that places stay. Unicode normalisation (NFKC, case) belongs to the
tokenizer's model. A step's span is in characters (code points) of the raw text. Texts are read whole, however long; but where a
language is given, those of several lines, or of more than `LONG` characters, are read sentence by sentence. Left out: the
tokenizers.
"""

import itertools
import re

import numpy as np
import tensorflow as tf

from seqkit.parts import UNKNOWN, Frontend, Sequence

# Each line break, with what it is replaced by: NULs, which then become spaces.
_BREAKS = ((r"<br(\s*)/>", "\0\0\0\\1\0\0"), (r"<br(\s*)>", "\0\0\0\\1\0"))


LONG = 200


class TextFrontend(Frontend):
    """Args:
    tokenizer: what turns strings into ids in graph, such as `SentencePieceTokenizer`; if it has something `copied`, steps
        have `texts`.
    language: code of the language, such as "en", by whose rules sentences end; None reads all texts whole.
    """

    signature = {"text": tf.TensorSpec((None,), tf.string, "text")}

    def __init__(self, tokenizer, language=None):
        super().__init__(name="text_frontend")
        self.tokenizer, self.language = tokenizer, language

    def read(self, item, name):
        """A text, `str` or UTF-8 `bytes` -> `bytes`; a ValueError for anything else."""
        if not isinstance(item, (str, bytes)):
            raise ValueError(f"{name}: expected a text (str, or bytes of UTF-8), received {type(item).__name__} {item!r:.80}.")
        # A lone surrogate is no character; it is read as the replacement character, like broken UTF-8.
        return re.sub("[\ud800-\udfff]", "\ufffd", item).encode() if isinstance(item, str) else bytes(item)

    def size(self, item):
        """Its bytes."""
        return len(item)

    def pieces(self, item):
        """As `parts.Frontend.pieces`: a text, or its sentences, each with the white space around it."""
        text = item.decode("utf-8", "replace")
        if self.language is None or (len(text) <= LONG and "\n" not in text.strip()):
            return [(item, 0.0)]
        import sentencex  # only here: who reads short texts does without it

        sentences = []
        for sentence in sentencex.segment(self.language, text):
            if sentences and not (sentence.strip() and sentences[-1].strip()):  # white space is no sentence
                sentences[-1] += sentence
            else:
                sentences.append(sentence)
        begins = itertools.accumulate(map(len, sentences), initial=0)
        return [(sentence.encode(), float(begin)) for sentence, begin in zip(sentences, begins)]

    def batch(self, items):
        """`{"text": (batch,) object array of bytes}`."""
        batch = np.empty(len(items), object)
        batch[:] = items
        return {"text": batch}

    def __call__(self, batch):
        """`{"text": (batch,)}` -> `Sequence` of ids `(batch, steps)` int32, each of at least one step."""
        raw = tf.strings.unicode_transcode(batch["text"], "UTF-8", "UTF-8", errors="replace")
        text = raw
        for pattern, spaces in _BREAKS:
            text = tf.strings.regex_replace(text, pattern, spaces)
        ids, lengths, begins, ends = self.tokenizer.encode_with_offsets(tf.strings.regex_replace(text, r"\x00", " "))
        spans = tf.stack([_characters(raw, offsets) for offsets in (begins, ends)], axis=2)
        return Sequence(ids, lengths, spans, _copied(text, ids, begins, ends) if self.tokenizer.copied else None)


def _copied(text, ids, begins, ends):
    """What each `UNKNOWN` of texts `(batch,)` stands for, `(batch, steps)`, with a space before it if there is one."""
    whole = tf.broadcast_to(text[:, None], tf.shape(ids))
    before = tf.strings.substr(whole, tf.maximum(begins - 1, 0), tf.minimum(begins, 1))
    texts = tf.where(tf.strings.regex_full_match(before, r"\s"), " ", "") + tf.strings.substr(whole, begins, ends - begins)
    return tf.where(ids == UNKNOWN, texts, "")


def _characters(text, offsets):
    """Byte offsets `(batch, steps)` into texts `(batch,)` -> how many characters lie before, float32."""
    before = tf.strings.substr(tf.broadcast_to(text[:, None], tf.shape(offsets)), tf.zeros_like(offsets), offsets)
    return tf.cast(tf.strings.length(before, unit="UTF8_CHAR"), tf.float32)
