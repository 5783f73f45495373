"""Lengths and masks: how seqkit knows which steps of a padded batch are real.

Convention: `lengths` is `(batch,)` int32, and the real steps of a row are its first `length` ones.
Every mean, maximum, attention and loss takes them explicitly; a padded step is never recognised by its value.
"""

from keras import ops


def mask(lengths, steps):
    """Marks the real steps.

    Args:
        lengths: `(batch,)` int32, real steps per row.
        steps: scalar int, steps in the padded batch.

    Returns:
        `(batch, steps)` bool, true where `step < length`.
    """
    return ops.arange(steps, dtype="int32")[None, :] < ops.cast(lengths, "int32")[:, None]


def mask_of(sequence, lengths):
    """The mask of a padded `(batch, steps, ...)` tensor: `(batch, steps)` bool."""
    return mask(lengths, ops.shape(sequence)[1])


def zero_padding(sequence, lengths):
    """Sets the padded steps of `(batch, steps, ...)` to zero, so that they cannot leak."""
    real = mask_of(sequence, lengths)
    for _ in sequence.shape[2:]:
        real = real[..., None]
    return ops.where(real, sequence, ops.zeros((), sequence.dtype))


def masked_max(sequence, lengths):
    """Maximum over the real steps: `(batch, steps, width)` -> `(batch, width)`; every row needs one real step."""
    lowest = ops.cast(-1e30 if sequence.dtype != "float16" else -6e4, sequence.dtype)
    return ops.max(ops.where(mask_of(sequence, lengths)[..., None], sequence, lowest), axis=1)


def masked_softmax(scores, lengths):
    """Softmax over the real steps of `(batch, steps)` scores, in float32; padded steps get exactly 0."""
    scores = ops.cast(scores, "float32")
    real = mask_of(scores, lengths)
    highest = ops.max(ops.where(real, scores, -1e30), axis=1, keepdims=True)
    grown = ops.where(real, ops.exp(ops.where(real, scores - highest, 0.0)), 0.0)
    return grown / ops.maximum(ops.sum(grown, axis=1, keepdims=True), 1e-30)
