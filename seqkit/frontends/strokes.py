"""Strokes: the points of a pen -> one step for each equal piece of its way.

Convention: x grows to the right and y upwards, in any unit (on a screen y grows downwards: hand in -y). The pen is 1 at
a point that was drawn to from the point before, and 0 at one that the pen was lifted to; at the first point it says
nothing. A glyph is read relative to its box, so neither its place nor its size nor the number of points matters.
Time is accepted and not read: a shape is the same however fast it was drawn. To a pipeline a list is a list of glyphs, so
one glyph alone is handed in as an array; one that is a list of strokes, in a list of its own.
"""

import math

import numpy as np
import tensorflow as tf

_LARGEST = 1e30  # of a coordinate: room to subtract and square in float32
BOXES = ("longer", "both", "height")  # which side of a glyph's box is 1
_FLAT = 1 / 64  # a line less high than this share of its width is taken to be so high
_ROUNDING = 1e-3  # of a step: a way of a whole number of steps, but for rounding, does not get one more


def resample(points, lengths, spacing, box="longer"):
    """Reads padded points at equal distances along the pen's way, lifts included.

    Args:
        points: `(batch, points, 3)` float32: x, y, pen.
        lengths: `(batch,)` int32, points of each row, at least 1.
        spacing: float, the farthest from step to step, where 1 is a side of the glyph's box.
        box: which side that is. The "longer"; "both", which stretches the glyph to a square; or the "height", for lines of
            text, in which x is then 0 throughout: how far along a line a letter stands does not tell which it is.

    Returns:
        Features `(batch, steps, 5)` float32, zero on padding, and lengths `(batch,)` int32, at least 1. A step is x and y
        in the box, whose middle is 0; dx and dy from the step before in units of the way between the two, which is the
        direction, and shorter than 1 where the way bends; and the share of that way that was drawn, not lifted. The
        first step has come no way: its last three are 0.
    """
    places, pen = _boxed(points[..., :2], lengths, box), points[..., 2]
    way = tf.norm(_moves(places), axis=2)
    known = tf.concat([places, tf.cumsum(way * pen, axis=1)[..., None], tf.cumsum(way, axis=1)[..., None]], axis=2)
    travelled = known[..., 3]
    steps = 1 + tf.cast(tf.math.ceil(travelled[:, -1] / spacing - _ROUNDING), tf.int32)
    numbers = tf.range(tf.reduce_max(steps))
    step = travelled[:, -1:] / tf.cast(tf.maximum(steps - 1, 1), tf.float32)[:, None]
    goals = tf.minimum(step * tf.cast(numbers, tf.float32), travelled[:, -1:])
    after = tf.searchsorted(travelled, goals)
    start, end = (tf.gather(known, place, batch_dims=1) for place in (tf.maximum(after - 1, 0), after))
    share = tf.math.divide_no_nan(goals - start[..., 3], end[..., 3] - start[..., 3])[..., None]
    read = start[..., :3] + share * (end[..., :3] - start[..., :3])
    features = tf.concat([_shown(read[..., :2], box), tf.math.divide_no_nan(_moves(read), step[..., None])], axis=2)
    return tf.where(numbers[None, :, None] < steps[:, None, None], features, 0.0), steps


def deform(features, lengths, seed, rotation=0.0, scale=0.0, shear=0.0, warp=0.0, box="longer"):
    """Draws each glyph as another hand might have: its steps moved, and put into their new box.

    A random linear map, then a smooth random field, in which neighbours move alike (Simard, Steinkraus and Platt, 2003,
    "Best practices for convolutional neural networks", elastic distortions; here four plane waves).

    Args:
        features, lengths, box: as `resample` returns and takes them.
        seed: `(2,)` int32; the same seed draws the same.
        rotation: degrees; this and the others are standard deviations.
        scale: of the logarithm of width against height; it does not show where both sides are 1.
        shear: of x per y.
        warp: of a point's shift, where 1 is a side of the box.

    Returns:
        Features and lengths of the same shapes.
    """
    linear, waves, phases, heights = tf.unstack(tf.random.split(seed, 4))
    batch = tf.shape(features)[0]
    drawn = tf.random.stateless_normal([batch, 3], linear) * [math.radians(rotation), scale / 2, shear]
    angle, ratio, slant = tf.unstack(drawn, axis=1)
    cos, sin, wide, high = tf.cos(angle), tf.sin(angle), tf.exp(ratio), tf.exp(-ratio)
    linear = tf.stack([cos * wide, (cos * slant - sin) * high, sin * wide, (sin * slant + cos) * high], axis=1)
    places = _boxed(tf.cumsum(features[..., 2:4], axis=1), lengths, box)  # as they were, x of a line too
    places = tf.einsum("bij,bsj->bsi", tf.reshape(linear, [-1, 2, 2]), places)
    waves = tf.random.stateless_normal([batch, 4, 2], waves, stddev=4.0)  # radians a side of the box
    phases = tf.random.stateless_uniform([batch, 1, 4], phases, maxval=2 * math.pi)
    heights = tf.random.stateless_normal([batch, 4, 2], heights, stddev=warp / math.sqrt(2))
    places += tf.einsum("bsw,bwi->bsi", tf.sin(tf.einsum("bwi,bsi->bsw", waves, places) + phases), heights)
    places = _boxed(places, lengths, box)
    moves = _moves(places)
    # Together the steps are as long as before, in units of the way: it is not measured anew, for each reading cuts corners.
    before, after = (tf.reduce_sum(tf.norm(each, axis=2), axis=1) for each in (features[..., 2:4], moves))
    moves *= tf.math.divide_no_nan(before, after)[:, None, None]
    real = tf.sequence_mask(lengths, tf.shape(features)[1])[..., None]
    return tf.where(real, tf.concat([_shown(places, box), moves, features[..., 4:]], axis=2), 0.0), lengths


def _boxed(places, lengths, box):
    """Places relative to the box of a glyph. The last one stands for the padding: it adds nothing to box or way."""
    rows = tf.minimum(tf.range(tf.shape(places)[1])[None], lengths[:, None] - 1)
    places = tf.gather(places, rows, batch_dims=1)
    low, high = tf.reduce_min(places, axis=1, keepdims=True), tf.reduce_max(places, axis=1, keepdims=True)
    side = high - low
    if box == "longer":
        side = tf.reduce_max(side, axis=2, keepdims=True)
    elif box == "height":
        side = tf.maximum(side[..., 1:], _FLAT * side[..., :1])
    return (places - (low + high) / 2) / tf.where(side > 1 / _LARGEST, side, 1.0)


def _shown(places, box):
    """What of the places is a feature: all, but how far along a line a step lies."""
    return places * [0.0, 1.0] if box == "height" else places


def _moves(values):
    """What each step adds to the one before; the first adds nothing."""
    return tf.pad(values[:, 1:] - values[:, :-1], [[0, 0], [1, 0], [0, 0]])


class StrokesFrontend(tf.Module):
    """Args:
    spacing: float above 0, the farthest from step to step, where 1 is a side of the glyph's box.
    box: which side that is: "longer", "both", "height"; of `resample`.
    """

    signature = {
        "points": tf.TensorSpec((None, None, 3), tf.float32, "points"),
        "lengths": tf.TensorSpec((None,), tf.int32, "lengths"),
    }

    def __init__(self, spacing, box="longer"):
        super().__init__(name="strokes_frontend")
        if box not in BOXES:
            raise ValueError(f"box must be one of {BOXES}; received {box!r}.")
        self.spacing, self.box = spacing, box

    def collate(self, items):
        """Gathers glyphs into one batch.

        Args:
            items: sequence of glyphs. Each is `(points, 2 to 4)`: x, y, pen (left out: never lifted), time (not read); or
                a list of strokes, each `(points, 2 or 3)`: x, y, time. Arrays, or lists of numbers.

        Returns:
            `{"points": (batch, points, 3) float32, "lengths": (batch,) int32}`: x, y, pen, from the first point on.

        Raises:
            ValueError: an item has another shape or no point, or a number is not finite; the message says which.
        """
        rows = [_read(item, place) for place, item in enumerate(items)]
        for place, row in enumerate(rows):
            if not len(row):
                raise ValueError(f"Item {place}: expected at least one pen point, received none.")
        lengths = np.array([len(row) for row in rows], np.int32)
        points = np.zeros((len(rows), max(lengths, default=0), 3), np.float32)
        for place, row in enumerate(rows):
            # Relative to the first point while there is double precision: far from 0, float32 has no room for detail.
            points[place, : len(row)] = row - [*row[0, :2], 0]
        return {"points": points, "lengths": lengths}

    def join(self, items):
        """Parts of one glyph, in the order they were drawn -> the glyph. An array goes on from the last point."""
        return np.concatenate([_read(item, place) for place, item in enumerate(items)])

    def sizes(self, batch):
        """Roughly how many steps each row of a collated batch makes, for grouping like ones."""
        found = []
        for row, length in zip(batch["points"][..., :2], batch["lengths"]):
            wide, high = np.ptp(row[:length], axis=0)
            sides = {"longer": max(wide, high), "both": np.array([wide, high]), "height": max(high, _FLAT * wide)}
            moves = np.diff(row[:length] / np.maximum(sides[self.box], 1 / _LARGEST), axis=0)
            way = np.linalg.norm(moves, axis=1).sum()
            found.append(1 + int(way / self.spacing))
        return found

    def __call__(self, batch):
        """The batch -> features `(batch, steps, 5)` float32 and lengths `(batch,)` int32, each at least 1: `resample`."""
        return resample(batch["points"], batch["lengths"], self.spacing, self.box)


def _read(item, place):
    """A glyph in any form -> `(points, 3)` float64: x, y, pen."""
    try:
        strokes = len(item) > 0 and np.ndim(item[0]) == 2
        parts = [np.asarray(part, np.float64) for part in (item if strokes else [item])]
        received = f"{type(item).__name__} of shape {' and '.join(str(part.shape) for part in parts[:3])}"
    except (TypeError, ValueError, KeyError):
        strokes, parts, received = False, [np.zeros(())], f"{type(item).__name__} {item!r:.80}"
    if parts[0].shape[:1] == (0,) and len(parts) == 1:
        return np.zeros((0, 3))
    widths = (2, 3) if strokes else (2, 3, 4)
    if not all(part.ndim == 2 and part.shape[1] in widths for part in parts):
        raise ValueError(
            f"Item {place}: expected pen points (points, 2 to 4), which are x, y, pen, time; or a list of strokes, each "
            f"(points, 2 or 3), which are x, y, time; received {received}."
        )
    if strokes:
        pens = [np.arange(len(part)) > 0 for part in parts]  # lifted to its first point
    else:
        pens = [part[:, 2] if part.shape[1] > 2 else np.ones(len(part)) for part in parts]
    row = np.concatenate([np.column_stack([part[:, :2], pen]) for part, pen in zip(parts, pens)])
    good = (np.abs(row) < _LARGEST).all(axis=1) & (row[:, 2] >= 0) & (row[:, 2] <= 1)
    if not good.all():
        point = int(np.argmin(good))
        raise ValueError(
            f"Item {place}: expected finite x and y (below {_LARGEST:g}) and a pen from 0, lifted, to 1, drawing; "
            f"point {point} is {row[point].tolist()}."
        )
    return row
