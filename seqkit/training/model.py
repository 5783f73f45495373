"""The trainable middle of a pipeline: encoder, then head, as a plain `keras.Model`.

Convention: its inputs are the dict that `loop.py` makes, `features`, `lengths` and, while training, the head's
`targets`. The loss is the head's, so `compile(optimizer)` and `fit` work as on any Keras model.
"""

import keras
from keras import ops


class SequenceModel(keras.Model):
    """Args:
    encoder: layer called with `(features, lengths)`, gives `(states, lengths)`.
    head: layer that owns vocabulary, loss and decoding.
    """

    def __init__(self, encoder, head, **kwargs):
        super().__init__(**kwargs)
        self.encoder, self.head = encoder, head

    def call(self, inputs, training=False):
        states, lengths = self.encoder(inputs["features"], inputs["lengths"], training=training)
        return self.head(states, lengths, targets=inputs.get("targets"), training=training)

    def get_config(self):
        raise NotImplementedError("A pipeline is saved whole: call pipe.save(directory), or save_weights(path) on its model.")

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        loss = ops.mean(self.head.loss(y, y_pred))
        return loss + sum(self.losses) if self.losses else loss
