"""An embedding that scores what it embeds too, as the decoder of a translation does (Press and Wolf, 2017).

Convention: the weights are small, so that scores are, and what is read is `sqrt(width)` times as large, so that a recurrent
layer tells it apart from the first step on (Vaswani et al., 2017, section 3.4). Without that a decoder hardly learns.
"""

import keras
from keras import ops


@keras.saving.register_keras_serializable("seqkit")
class TiedEmbedding(keras.layers.Embedding):
    """`keras.layers.Embedding` with `scores`; its initializer is left out."""

    def __init__(self, input_dim, output_dim, **rest):
        rest.setdefault("embeddings_initializer", keras.initializers.RandomNormal(stddev=output_dim**-0.5))
        super().__init__(input_dim, output_dim, **rest)

    def call(self, inputs):
        """ids `(...)` -> `(..., width)`, by `sqrt(width)` larger than the weights."""
        return super().call(inputs) * self.output_dim**0.5

    def scores(self, inputs):
        """`(..., width)` -> how well each id fits, `(..., ids)`: their products with the weights."""
        return ops.matmul(inputs, ops.transpose(ops.cast(self.embeddings, inputs.dtype)))
