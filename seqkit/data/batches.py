"""Batches: raw examples -> features without padding -> examples of like length, padded together.

Convention: batches are padded to a few fixed numbers of steps, so that few programs are compiled and a short example does
not pay for a long one.
"""

import functools
import hashlib
import itertools

import numpy as np

# Numbers of steps that batches are padded to: one program each, and one for the last batch of an epoch.
SIZES = 8
TOGETHER = 256  # inputs that the frontend reads at once
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


class Corpus:
    """Examples as the model is shown them, by place.

    Args:
        rows: list of features, `(steps, ...)` each, without padding.
        targets: list of dicts of arrays as of one row of `Head.targets`, without padding; None where the rows are their own.
        crop: int, longer rows show one random stretch of so many steps; 0 shows all.

    Attributes:
        lengths: `(examples,)` int, steps that each shows.
        digest: `str`, a checksum of all rows and targets.
    """

    def __init__(self, rows, targets, crop=0):
        self.rows, self.targets, self.crop = rows, targets, crop
        self.lengths = np.array([min(len(row), crop or len(row)) for row in rows])

    def __len__(self):
        return len(self.rows)

    @functools.cached_property
    def digest(self):
        digest = hashlib.sha256()
        for place, row in enumerate(self.rows):
            for value in (row, *(self.targets[place] if self.targets else {}).values()):
                digest.update(f"{value.shape}{value.dtype}".encode())
                digest.update(value.tobytes())
        return digest.hexdigest()

    @functools.cached_property
    def _longest(self):
        """How long the targets are in batches padded to so many steps: `{steps: ids}`, so that there is one shape for each."""
        sizes, longest = sizes_of(self.lengths), np.array([np.size(target["ids"]) for target in self.targets])
        return {size: int(longest[self.lengths <= size].max()) for size in sizes.tolist()}

    def batch(self, places, steps, random):
        """Gathers examples into one batch of the model's inputs.

        Args:
            places: which.
            steps: int, padded to this many, one of `sizes_of`.
            random: `numpy.random.Generator` that draws the stretches to show.

        Returns:
            Dict of features `(batch, steps, ...)`, lengths `(batch,)` and targets, a dict.
        """
        rows = [self.rows[place] for place in places]
        if self.crop:
            starts = [random.integers(max(len(row) - self.crop, 0) + 1) for row in rows]
            rows = [row[start : start + self.crop] for row, start in zip(rows, starts)]
        features, lengths = padded(rows, steps), np.array([len(row) for row in rows], np.int32)
        targets = {"ids": features, "lengths": lengths}
        if self.targets is not None:
            chosen = [self.targets[place] for place in places]
            columns = {name: [target[name] for target in chosen] for name in chosen[0]}
            targets = {
                name: padded(values, self._longest[steps]) if values[0].ndim else np.array(values)
                for name, values in columns.items()
            }
        return {"features": features, "lengths": lengths, "targets": targets}


def padded(rows, steps):
    """Rows `(own steps, ...)` as one array `(rows, steps, ...)`, zero behind their ends."""
    batch = np.zeros((len(rows), steps, *rows[0].shape[1:]), rows[0].dtype)
    for place, row in enumerate(rows):
        batch[place, : len(row)] = row
    return batch


def prepare(frontend, examples, head=None, crop=0):
    """Runs the frontend once over inputs, and the head over their targets, some at a time.

    Args:
        frontend: `Frontend`.
        examples: iterable of `(input, target)`: what its `read` gave, and what the head learns.
        head: `Head`; None where inputs are their own targets.
        crop: of `Corpus`.

    Returns:
        A `Corpus`.
    """
    rows, encoded, examples = [], [], iter(examples)
    while some := list(itertools.islice(examples, TOGETHER)):
        inputs, targets = zip(*some)
        features, lengths, *_ = frontend(frontend.batch(inputs))
        # Copies, or each would keep the padding of its whole chunk in memory.
        rows += [row[:length].copy() for row, length in zip(features.numpy(), lengths.numpy())]
        if head is not None:
            encoded += _rows(head.targets(targets))
    return Corpus(rows, None if head is None else encoded, crop)


def _rows(targets):
    """A batch of targets -> list of its rows, ids without padding."""
    columns = {name: np.asarray(value) for name, value in targets.items()}
    lengths = columns.get("lengths")
    return [
        {name: (value[place][: lengths[place]].copy() if value.ndim > 1 else value[place]) for name, value in columns.items()}
        for place in range(len(columns["ids"]))
    ]
