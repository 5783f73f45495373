"""Lengths of padded rows, checked where their values are known and turned into masks.

Convention: `lengths` is `(batch,)` integers, the number of true steps of each row; the rest is padding on the right.
Left out: masks with holes, which Keras's `mask` argument still takes.
"""

import contextlib

import numpy as np
from keras import backend, ops

from seqkit.lengths import mask


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


def join(lengths, given, sequences):
    """The mask of a call: true steps by `lengths`, where given, that are also True in the mask `given`, where there is one."""
    if lengths is None:
        return given
    check(lengths, sequences)
    true = mask(lengths, ops.shape(sequences)[1])
    return true if given is None else ops.logical_and(true, ops.cast(given, "bool"))


@contextlib.contextmanager
def of_call(layers, lengths, given):
    """Tell recurrent layers, for the time of a call, the lengths behind its mask; None where the caller gave a mask too."""
    for layer in layers:
        layer.lengths = None if given is not None else lengths
    try:
        yield
    finally:
        for layer in layers:
            layer.lengths = None


def _known(lengths):
    if backend.is_keras_tensor(lengths):
        return None
    try:
        return np.asarray(lengths)
    except (NotImplementedError, TypeError, RuntimeError):  # a tensor being traced; each backend says so in its own way
        return None
