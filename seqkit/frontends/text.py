"""Text: raw strings -> piece ids.

Convention: text is UTF-8; bytes that are not become U+FFFD, NUL becomes a space, and so do the `<br />` that web
reviews carry. Unicode normalisation (NFKC, case) belongs to the tokenizer's model. Texts are read whole, however long.
"""

import re

import numpy as np
import tensorflow as tf

_SURROGATES = re.compile("[\ud800-\udfff]")


class TextFrontend(tf.Module):
    """Args:
    tokenizer: what turns strings into ids in graph, such as `SentencePieceTokenizer`.
    """

    signature = {"text": tf.TensorSpec((None,), tf.string, "text")}

    def __init__(self, tokenizer):
        super().__init__(name="text_frontend")
        self.tokenizer = tokenizer

    def collate(self, items):
        """Gathers texts into one batch.

        Args:
            items: sequence of `str`, or of UTF-8 `bytes`.

        Returns:
            `{"text": (batch,) object array of bytes}`.

        Raises:
            ValueError: an item is not a text; the message says which.
        """
        batch = np.empty(len(items), object)
        for place, item in enumerate(items):
            if not isinstance(item, (str, bytes)):
                raise ValueError(
                    f"Item {place}: expected a text (str, or bytes of UTF-8), received {type(item).__name__} {item!r:.80}."
                )
            # A lone surrogate is no character; it is read as the replacement character, like broken UTF-8.
            batch[place] = _SURROGATES.sub("\ufffd", item).encode() if isinstance(item, str) else bytes(item)
        return {"text": batch}

    def sizes(self, batch):
        """Roughly how many steps each row of a collated batch makes, for grouping like ones: its bytes."""
        return [len(text) for text in batch["text"]]

    def __call__(self, batch):
        """`{"text": (batch,)}` -> ids `(batch, steps)` int32, lengths `(batch,)` int32, each at least 1."""
        text = tf.strings.unicode_transcode(batch["text"], "UTF-8", "UTF-8", errors="replace")
        text = tf.strings.regex_replace(text, r"\x00|<br\s*/?>", " ")
        return self.tokenizer.encode(text)
