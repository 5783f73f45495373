"""Boosts: words that are looked for in a search, such as the names in an address book.

Convention: a text that is looked for begins where a word begins, and counts where one ends. Each character that goes on with
it is given its share of the boost at once, lest the beam lose it, and all is taken back where the text then goes on
differently. A boost is in nats, what a text's log probability gains. Left out: sounds alike, endings of words.
"""

import tensorflow as tf


class Boosts:
    """Args:
    ids: `(texts, longest)` int32, symbols of each, padded with 0.
    gains: `(texts,)` float32, in nats.
    letter: `(symbols,)` bool, which symbols make up words; the others part them.
    """

    def __init__(self, ids, gains, letter):
        self.ids, self.gains, self.letter = ids, gains, letter
        self._sizes = tf.reduce_sum(tf.cast(ids > 0, tf.int32), axis=1)

    def start(self, hypotheses):
        """For each hypothesis, of a tensor of any shape, how much of each text was read: nothing, at a word's begin."""
        return tf.zeros([*tf.unstack(tf.shape(hypotheses)), tf.shape(self.ids)[0]], tf.int32)

    def step(self, reached, symbols):
        """What a character adds.

        Args:
            reached: `(batch, beam, texts)` int32: how many characters of each text a hypothesis has read; -1 within a word
                that is another.
            symbols: `(batch, 1, candidates)` int32.

        Returns:
            The gain or loss `(batch, beam, candidates)` float32, and what is reached then, `(batch, beam, candidates, texts)`.
        """
        reached = reached[:, :, None]
        letter = tf.gather(self.letter, symbols)[..., None]
        padded = tf.pad(self.ids, [[0, 0], [0, 1]])  # behind its end a text wants the blank, which no character is
        texts, longest = tf.unstack(tf.shape(padded))
        wanted = tf.gather(tf.reshape(padded, [-1]), tf.maximum(reached, 0) + longest * tf.range(texts))
        goes_on = (reached >= 0) & (wanted == symbols[..., None])
        after = tf.where(goes_on, reached + 1, tf.where(letter, -1, 0))
        complete = (reached == self._sizes) & ~letter
        earned = tf.reduce_max(tf.pad(tf.where(complete, self.gains, 0.0), [[0, 0], [0, 0], [0, 0], [0, 1]]), axis=3)
        return earned + self._worth(after) - self._worth(reached), after

    def end(self, reached):
        """What the end of a text adds: the shares of what was not read to its end are taken back."""
        complete = tf.where(reached == self._sizes, reached, 0)
        return self._worth(complete) - self._worth(reached)

    def _worth(self, reached):
        """The shares that are given for what is reached: those of the text that has most."""
        shares = self.gains * tf.cast(tf.maximum(reached, 0), tf.float32) / tf.cast(tf.maximum(self._sizes, 1), tf.float32)
        return tf.reduce_max(tf.pad(shares, [[0, 0]] * (shares.shape.rank - 1) + [[0, 1]]), axis=-1)
