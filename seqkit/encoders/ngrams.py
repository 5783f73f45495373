"""N-gram votes: what a linear model over n-grams says of a text, step by step.

The wide half of a wide and deep model (Cheng et al., 2016), in the form that is hard to beat on sentiment: presence of
uni-, bi- and trigrams weighted by naive Bayes log-count ratios (Wang and Manning, 2012).

Convention: an n-gram is three ids `(before, previous, current)`, `PAD` where it is shorter; a text opens with `START`.
Each distinct n-gram of a text votes once, at one of its places, and a text of n distinct n-grams scales its votes by
n ** -LENGTH. Left out: how votes are learnt, see `lexicon.py`.
"""

import keras
import numpy as np
from keras import ops

from seqkit.language.tokenizers import PAD, START
from seqkit.lengths import mask_of

# Odd multipliers that spread three ids over 32 bits; about one unknown n-gram in 17,000 meets one of 250,000 keys.
_SPREAD = (0x2C1B3C6D, 0x297A2D39, 0x1B873593)
LENGTH = 1 / 3  # how votes shrink with length; of 1/3 and 1/2, the one that serves sentences and reviews alike
_NOTHING = np.int32(2**31 - 1)  # the key of what is no n-gram


def keys(ngrams):
    """`(count, 3)` ids -> `(count,)` int32 keys; NumPy's way of what `_key` does in graph."""
    product = np.asarray(ngrams, np.int64) @ np.array(_SPREAD, np.int64)
    return product.astype(np.uint32).view(np.int32)  # wraps around, as int32 arithmetic does


def _key(before, previous, current):
    return before * _SPREAD[0] + previous * _SPREAD[1] + current * _SPREAD[2]


@keras.saving.register_keras_serializable("seqkit")
class NgramVotes(keras.layers.Layer):
    """Args:
    ngrams: `(count, 3)` ids of the n-grams that have a vote.
    votes: `(count, width)` float, the vote of each; constants, not weights.
    every: `(width,)` float, what every text gets, whatever its length; counted at its last step.
    """

    def __init__(self, ngrams, votes, every, **kwargs):
        super().__init__(trainable=False, **kwargs)
        unique, places = np.unique(keys(ngrams), return_index=True)
        self.keys, self.every = unique, np.asarray(every, np.float32)
        # One row more, of zeros, for every n-gram that has no vote.
        self.votes = np.concatenate([np.asarray(votes, np.float32)[places], np.zeros((1, votes.shape[1]), np.float32)])

    def call(self, ids, lengths):
        """ids `(batch, steps)`, lengths `(batch,)` -> votes `(batch, steps, width)`; their sum is the text's."""
        ids = ops.cast(ids, "int32")
        steps = ops.shape(ids)[1]
        real = mask_of(ids, lengths)
        previous = ops.pad(ids, [[0, 0], [1, 0]], constant_values=START)[:, :steps]
        before = ops.pad(previous, [[0, 0], [1, 0]], constant_values=PAD)[:, :steps]
        none = ops.zeros_like(ids)
        ngrams = [_key(none, none, ids), _key(none, previous, ids), _key(before, previous, ids)]
        ngrams = ops.concatenate([ops.where(real, key, _NOTHING) for key in ngrams], axis=1)
        once = _first_of_its_kind(ngrams) & (ngrams != _NOTHING)
        place = ops.reshape(ops.searchsorted(self.keys, ops.reshape(ngrams, [-1])), ops.shape(ngrams))
        place = ops.minimum(place, len(self.keys) - 1)
        known = ops.take(self.keys, place) == ngrams
        votes = ops.take(self.votes, ops.where(known & once, place, len(self.keys)), axis=0)
        count = ops.sum(ops.cast(once, "float32"), axis=1)
        votes = votes[:, :steps] + votes[:, steps : 2 * steps] + votes[:, 2 * steps :]
        votes = votes * ops.power(ops.maximum(count, 1.0), -LENGTH)[:, None, None]
        last = ops.arange(steps, dtype="int32")[None] == ops.cast(lengths, "int32")[:, None] - 1
        return votes + ops.where(last[..., None], self.every, 0.0)


def _first_of_its_kind(values):
    """`(batch, count)` ints -> bool, true at exactly one place of each distinct value of a row."""
    order = ops.argsort(values, axis=1)
    ordered = ops.take_along_axis(values, order, axis=1)
    new = ops.concatenate([ops.ones_like(ordered[:, :1], dtype="bool"), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    return ops.take_along_axis(new, ops.argsort(order, axis=1), axis=1)
