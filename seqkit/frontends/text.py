"""Text: raw strings -> piece ids.

Convention: text is UTF-8; bytes that are not become U+FFFD, NUL becomes a space, and so do the `<br />` that web
reviews carry: as many spaces as they have bytes, so that places stay. Unicode normalisation (NFKC, case) belongs to the
tokenizer's model. Texts are read whole, however long. A step's span is in characters (code points) of the raw text.
"""

import re

import numpy as np
import tensorflow as tf

from seqkit.parts import Frontend, Sequence

# Each line break, with what it is replaced by: NULs, which then become spaces.
_BREAKS = ((r"<br(\s*)/>", "\0\0\0\\1\0\0"), (r"<br(\s*)>", "\0\0\0\\1\0"))


class TextFrontend(Frontend):
    """Args:
    tokenizer: what turns strings into ids in graph, such as `SentencePieceTokenizer`.
    """

    signature = {"text": tf.TensorSpec((None,), tf.string, "text")}

    def __init__(self, tokenizer):
        super().__init__(name="text_frontend")
        self.tokenizer = tokenizer

    def read(self, item, name):
        """A text, `str` or UTF-8 `bytes` -> `bytes`; a ValueError for anything else."""
        if not isinstance(item, (str, bytes)):
            raise ValueError(f"{name}: expected a text (str, or bytes of UTF-8), received {type(item).__name__} {item!r:.80}.")
        # A lone surrogate is no character; it is read as the replacement character, like broken UTF-8.
        return re.sub("[\ud800-\udfff]", "\ufffd", item).encode() if isinstance(item, str) else bytes(item)

    def size(self, item):
        """Its bytes."""
        return len(item)

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
        spans = [_characters(raw, offsets) for offsets in (begins, ends)]
        return Sequence(ids, lengths, tf.stack(spans, axis=2))


def _characters(text, offsets):
    """Byte offsets `(batch, steps)` into texts `(batch,)` -> how many characters lie before, float32."""
    before = tf.strings.substr(tf.broadcast_to(text[:, None], tf.shape(offsets)), tf.zeros_like(offsets), offsets)
    return tf.cast(tf.strings.length(before, unit="UTF8_CHAR"), tf.float32)
