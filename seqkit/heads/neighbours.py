"""Pretraining on bare text: each state tells its neighbour, as a language model in both directions.

A forward state has read the text up to its step and predicts the next id; a backward state has read it from the end
and predicts the previous one (Dai and Le, 2015; Peters et al., 2018). There is nothing to decode: this head is thrown
away, what stays is the encoder it has taught.
"""

import math

import keras
import numpy as np
from keras import layers, ops

from seqkit.lengths import mask_of
from seqkit.parts import Head


class NeighboursHead(Head):
    """Softmax by importance sampling (Bengio and Senécal, 2003; Jean et al., 2015) over the encoder's own embedding.

    The sum over all wrong ids is estimated from a few, each weighed by how rarely it is drawn: from a log-uniform
    distribution, near the true one where ids are sorted by frequency, as SentencePiece's are.

    Args:
        embedding: the encoder's `keras.layers.Embedding`; its rows are the output weights too.
        units: int, width of the forward half of a state; the backward half comes next, what follows is not read.
        samples: int, wrong ids drawn for each batch.
    """

    def __init__(self, embedding, units, samples=1024, **kwargs):
        super().__init__(**kwargs)
        self.embedding, self.units, self.samples = embedding, units, samples
        self.forward_query = layers.Dense(embedding.output_dim)
        self.backward_query = layers.Dense(embedding.output_dim)
        self.seed_generator = keras.random.SeedGenerator()

    def build(self, states_shape):
        self.forward_query.build((None, None, self.units))
        self.backward_query.build((None, None, self.units))
        size = self.embedding.input_dim
        # Where it starts, the model says what the draw says: ids by their frequency, whatever the text.
        start = np.log(np.log1p(1 / np.arange(1, size + 1)) / np.log(size + 1))
        self.bias = self.add_weight((size, 1), lambda shape, dtype: ops.cast(start[:, None], dtype), name="bias")

    def call(self, states, lengths, targets=None, training=False):
        """states `(batch, steps, width)` -> a query for each neighbour, `(batch, steps, embedding)`."""
        forward, backward = states[..., : self.units], states[..., self.units : 2 * self.units]
        return {"next": self.forward_query(forward), "previous": self.backward_query(backward)}

    def loss(self, targets, outputs):
        """Cross-entropy of the neighbours of each row, mean over its steps and both directions: `(batch,)`."""
        ids, lengths = targets["ids"], targets["lengths"]
        size = self.embedding.input_dim
        draw = keras.random.uniform((self.samples,), seed=self.seed_generator)
        sampled = ops.cast(ops.exp(draw * math.log(size + 1)), "int32") - 1
        sampled = ops.clip(sampled, 0, size - 1)
        after = self._cross_entropy(outputs["next"][:, :-1], ids[:, 1:], sampled)
        before = self._cross_entropy(outputs["previous"][:, 1:], ids[:, :-1], sampled)
        real = ops.cast(mask_of(after, lengths - 1), after.dtype)
        return ops.sum((after + before) * real, axis=1) / ops.maximum(2 * ops.sum(real, axis=1), 1)

    def _cross_entropy(self, queries, ids, sampled):
        """queries `(batch, steps, width)`, the right ids `(batch, steps)` -> `(batch, steps)`."""
        right = ops.sum(queries * ops.take(self.embedding.embeddings, ids, axis=0), axis=-1)
        right = right + ops.take(self.bias, ids, axis=0)[..., 0]
        wrong = ops.matmul(queries, ops.transpose(ops.take(self.embedding.embeddings, sampled, axis=0)))
        wrong = wrong + ops.take(self.bias, sampled, axis=0)[:, 0] - self._log_expected(sampled)
        # Drawn by chance, but right here: it has its own place in the sum.
        wrong = ops.where(ids[..., None] == sampled, -1e9, wrong)
        return ops.logaddexp(right, ops.logsumexp(wrong, axis=-1)) - right

    def _log_expected(self, ids):
        """Log of how often each id is drawn: `log(1 + 1 / (id + 1)) / log(size + 1)`, `samples` times."""
        place = ops.cast(ids, "float32") + 1
        return ops.log(ops.log1p(1 / place) / math.log(self.embedding.input_dim + 1) * self.samples)
