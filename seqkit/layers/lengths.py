"""Lengths of padded rows, checked where their values are known and turned into masks.

Convention: `lengths` is `(batch,)` integers, the number of true steps of each row; the rest is padding on the right. What a
call knows of its rows goes from layer to layer in place of Keras's mask, as `Rows`, and is written on no layer.
Left out: masks with holes, which Keras's `mask` argument still takes.
"""

from typing import Any, NamedTuple

import numpy as np
from keras import backend, ops

from seqkit.lengths import mask


class Rows(NamedTuple):
    """The rows of one call. Keras takes the first of several masks, so that to its own layers this is the mask.

    Attributes:
        mask: `(batch, steps)` bool, the true steps.
        lengths: `(batch,)` int where the mask says no more than they do, else None.
    """

    mask: Any
    lengths: Any = None


def rows(lengths, given, sequences):
    """The `Rows` of a call: steps true by `lengths`, where given, and by the mask `given`, where there is one; None without.

    Args:
        lengths: `(batch,)` int or None.
        given: None, a mask, a list of masks of which the first counts, or `Rows` of the layer around.
        sequences: `(batch, steps, width)`.
    """
    if isinstance(given, Rows) and lengths is None:
        return given
    if isinstance(given, (list, tuple)):
        given = given[0]
    if lengths is None:
        return None if given is None else Rows(given)
    check(lengths, sequences)
    true = mask(lengths, ops.shape(sequences)[1])
    return Rows(true, lengths) if given is None else Rows(ops.logical_and(true, ops.cast(given, "bool")))


def check(lengths, sequences):
    """Refuse lengths that cannot be those of `sequences` `(batch, steps, width)`.

    Raises:
        ValueError: not integers, not `(batch,)`; where values are known, also negative or over the steps.
    """
    if not hasattr(lengths, "shape"):
        lengths = np.asarray(lengths)
    shape, dtype = tuple(lengths.shape), backend.standardize_dtype(lengths.dtype)
    received = f"Received: lengths of shape {shape} and dtype {dtype}, sequences of shape {tuple(sequences.shape)}"
    if "int" not in dtype:
        raise ValueError(f"lengths must be integers, the number of true steps of each row. {received}")
    batch, steps = sequences.shape[0], sequences.shape[1]
    if len(shape) != 1 or (None not in (shape[0], batch) and shape[0] != batch):
        raise ValueError(f"lengths must have the shape (batch,). {received}")
    values = _known(lengths)
    if values is None or not values.size:
        return
    if values.min() < 0:
        raise ValueError(f"lengths must not be negative; row {values.argmin()} has {values.min()}. {received}")
    if steps is not None and values.max() > steps:
        raise ValueError(f"lengths must not exceed the steps; row {values.argmax()} has {values.max()}. {received}")


def _known(lengths):
    if backend.is_keras_tensor(lengths):
        return None
    try:
        return np.asarray(lengths)
    except (NotImplementedError, TypeError, RuntimeError):  # a tensor being traced; each backend says so in its own way
        return None
