"""What is learnt from a batch: functions `(batch, seed) -> (batch,)`, in graph, of what training makes small.

Convention: a batch is as of `data/batches.py`; the same seed, `(2,)` int32, shows the same.
"""

import tensorflow as tf


def one_view(model, augment=None):
    """The head's loss on each input, which is varied anew each time it is shown, where there is an `augment`."""

    def objective(batch, seed):
        return _losses(model, _varied(batch, augment, seed))[0]

    return objective


def two_views(model, augment, weight):
    """Each input is shown twice, each time varied anew, and the two are to be read alike: the head's loss on both, and
    `weight` times its `disagreement`. A step stays where it is in both. The batch returned is twice as large."""

    def objective(batch, seed):
        twice = tf.nest.map_structure(lambda value: tf.concat([value, value], 0), batch)
        losses, outputs = _losses(model, _varied(twice, augment, seed, views=2))
        return losses + weight * model.head.disagreement(outputs)

    return objective


def _varied(batch, augment, seed, **views):
    if augment is None:
        return batch
    features, lengths = augment(batch["features"], batch["lengths"], seed, **views)
    return {**batch, "features": features, "lengths": lengths}


def _losses(model, batch):
    outputs = model(batch, training=True)
    return model.head.loss(batch["targets"], outputs), outputs
