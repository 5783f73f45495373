"""Batches: raw examples -> features without padding -> examples of like length, padded together.

Convention: batches are padded to a few fixed numbers of steps, so that few programs are compiled and a short example does
not pay for a long one.
"""

import numpy as np
import tensorflow as tf

# Numbers of steps that batches are padded to: one program each, and one for the last batch of an epoch.
SIZES = 8
GRAIN = 8  # steps; sizes are multiples of it, for a program costs more than a few steps of padding


def sizes_of(lengths, most=SIZES):
    """The numbers of steps to pad examples to, so that the least padding is added.

    Args:
        lengths: `(examples,)` steps of each example.
        most: int, how many sizes there may be.

    Returns:
        `(sizes,)` ascending int; every example fits in the last.
    """
    lengths = np.asarray(lengths)
    grain = GRAIN * -(-lengths.max() // (1024 * GRAIN))  # a thousand candidates are enough
    steps, counts = np.unique(-(-lengths // grain) * grain, return_counts=True)
    before = np.concatenate([[0], np.cumsum(counts)])
    # cost[i, j]: padded steps if the examples of candidates i to j are padded to candidate j.
    cost = np.where(np.tri(len(steps), dtype=bool).T, (before[1:] - before[:-1, None]) * steps, np.inf)
    least, choices = cost[0], []
    for _ in range(min(most, len(steps)) - 1):
        both = np.vstack([np.full((1, len(steps)), np.inf), least[:-1, None] + cost[1:]])
        choices.append(both.argmin(0))
        least = both.min(0)
    ends = [len(steps) - 1]
    for begin in reversed(choices):
        ends.append(begin[ends[-1]] - 1)
    return steps[sorted(ends)]


def order(lengths, batch_steps, seed, epoch):
    """The batches of one epoch.

    Args:
        lengths: `(examples,)` steps of each example.
        batch_steps: int, about how many padded steps a batch holds.
        seed: int.
        epoch: int, from 0; each has an order of its own.

    Returns:
        A list of `(steps, places)`: every example's place is in one of them, and no example there is longer than
        `steps`. The shapes are the same in each epoch, so that programs compiled for one serve all.
    """
    random = np.random.default_rng((seed, epoch))
    sizes = sizes_of(lengths)
    places_of = np.searchsorted(sizes, lengths)
    batches, waiting = [], np.array([], int)
    for place, size in enumerate(sizes):
        waiting = np.concatenate([waiting, random.permutation(np.flatnonzero(places_of == place))])
        count = max(1, batch_steps // size)
        whole = len(waiting) // count * count
        batches += [(int(size), places) for places in waiting[:whole].reshape(-1, count)]
        waiting = waiting[whole:]  # too few for a batch of their own: they join the next longer ones
    if len(waiting):
        batches.append((int(size), waiting))
    return [batches[place] for place in random.permutation(len(batches))]


def collate(examples, steps, random, crop=0):
    """Pads prepared examples to one batch of the model's inputs.

    Args:
        examples: list of `(features, target)`, as of `prepare`.
        steps: int, padded to this many.
        random: `numpy.random.Generator` that draws the stretches to show.
        crop: as in `loop.Options`.

    Returns:
        Dict of features `(batch, steps, ...)`, lengths `(batch,)` and targets, a dict. Examples without a target are
        their own: the head is given their ids and lengths.
    """
    rows = [row for row, _ in examples]
    if crop:
        starts = [random.integers(max(len(row) - crop, 0) + 1) for row in rows]
        rows = [row[start : start + crop] for row, start in zip(rows, starts)]
    features = np.zeros((len(rows), steps, *rows[0].shape[1:]), rows[0].dtype)
    for place, row in enumerate(rows):
        features[place, : len(row)] = row
    lengths = np.array([len(row) for row in rows], np.int32)
    first = examples[0][1]
    if first is None:
        targets = {"ids": features, "lengths": lengths}
    else:
        targets = {name: np.stack([target[name] for _, target in examples]) for name in first}
    return {"features": features, "lengths": lengths, "targets": targets}


def prepare(frontend, head, examples):
    """Runs the frontend once over raw `(input, target)` pairs, of which targets may be None.

    Returns:
        A list of `(features, target)`: features `(steps, ...)` without padding, target a dict of numbers or None.
    """
    inputs, targets = zip(*examples)
    rows = [None] * len(inputs)
    if targets[0] is not None:  # encoded all at once, so that those of many ids are all padded alike
        encoded = {name: value.numpy() for name, value in head.targets(tf.constant(targets)).items()}
        rows = [{name: value[place] for name, value in encoded.items()} for place in range(len(inputs))]
    batch, prepared = frontend.collate(inputs), []
    for start in range(0, len(examples), 256):
        part = {name: value[start : start + 256] for name, value in batch.items()}
        features, lengths = (value.numpy() for value in frontend(part))
        # Copies, or each would keep the padding of its whole chunk in memory.
        prepared += [row[:length].copy() for row, length in zip(features, lengths)]
    return list(zip(prepared, rows))
