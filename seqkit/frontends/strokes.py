"""Strokes: the points of a pen -> one step for each equal piece of its way.

Convention: x grows to the right and y upwards, in any unit (on a screen y grows downwards: hand in -y). The pen is 1 at
a point that was drawn to from the point before, and 0 at one that the pen was lifted to; at the first point it says
nothing. A glyph is read relative to its box, so neither its place nor its size nor the number of points matters.
Time is accepted and not read: a shape is the same however fast it was drawn. A step's span is in points: from 2.5 to 3 is
the second half of the way to the point of place 3. Without a box a step is a move in the input's own unit and nothing else, so
strokes can be read while they are drawn, at the same cost for each part. To a pipeline a list is a list of glyphs, so
one glyph alone is handed in as an array; one that is a list of strokes, in a list of its own.
"""

import math

import numpy as np
import tensorflow as tf

from seqkit.parts import Frontend, Sequence

_LARGEST = 1e30  # of a coordinate: room to subtract and square in float32
BOXES = ("longer", "both", "height", "none")  # which side of a glyph's box is 1; none: the unit is the input's
_FLAT = 1 / 64  # a line less high than this share of its width is taken to be so high
_ROUNDING = 1e-3  # of a step: a way of a whole number of steps, but for rounding, does not get one more
_MOST = 1 << 16  # steps of one glyph, or part of one


def resample(points, lengths, spacing, box="longer"):
    """Reads padded points at equal distances along the pen's way, lifts included.

    Args:
        points: `(batch, points, 3)` float32: x, y, pen.
        lengths: `(batch,)` int32, points of each row, at least 1.
        spacing: float, the farthest from step to step, where 1 is a side of the glyph's box.
        box: which side that is. The "longer"; "both", which stretches the glyph to a square; or the "height", for lines of
            text, in which x is then 0 throughout: how far along a line a letter stands does not tell which it is.

    Returns:
        `Sequence` of `(batch, steps, 5)` float32, zero on padding, each of at least one step. A step is x and y
        in the box, whose middle is 0; dx and dy from the step before in units of the way between the two, which is the
        direction, and shorter than 1 where the way bends; and the share of that way that was drawn, not lifted. The
        first step has come no way: its last three are 0.
    """
    places, pen = _boxed(points[..., :2], lengths, box), points[..., 2]
    known = _travelled(places, pen)
    total = known[:, -1, 3]
    steps = 1 + tf.cast(tf.math.ceil(total / spacing - _ROUNDING), tf.int32)
    numbers = tf.range(tf.reduce_max(steps))
    step = total[:, None] / tf.cast(tf.maximum(steps - 1, 1), tf.float32)[:, None]
    read, at = _read_at(known, tf.minimum(step * tf.cast(numbers, tf.float32), total[:, None]))
    features = tf.concat([_shown(read[..., :2], box), tf.math.divide_no_nan(_moves(read), step[..., None])], axis=2)
    features = tf.where(numbers[None, :, None] < steps[:, None, None], features, 0.0)
    return Sequence(features, steps, tf.stack([tf.pad(at[:, :-1], [[0, 0], [1, 0]]), at], axis=2))


def _travelled(places, pen):
    """`(batch, points, 4)`: x, y, the way drawn up to each point, and the way, lifts included."""
    way = tf.norm(_moves(places), axis=2)
    return tf.concat([places, tf.cumsum(tf.stack([way * pen, way], axis=2), axis=1)], axis=2)


def _read_at(known, goals):
    """What lies so far along the way: x, y and the way drawn `(batch, goals, 3)`, and the place among the points."""
    after = tf.searchsorted(known[..., 3], goals)
    start, end = (tf.gather(known, place, batch_dims=1) for place in (tf.maximum(after - 1, 0), after))
    share = tf.math.divide_no_nan(goals - start[..., 3], end[..., 3] - start[..., 3])
    read = start[..., :3] + share[..., None] * (end[..., :3] - start[..., :3])
    return read, tf.where(after > 0, tf.cast(after - 1, share.dtype) + share, tf.zeros_like(share))


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
    elif box == "none":
        side = tf.ones_like(side)
    return (places - (low + high) / 2) / tf.where(side > 1 / _LARGEST, side, 1.0)


def _shown(places, box):
    """What of the places is a feature: all, but how far along a line a step lies, and nothing without a box."""
    return places * {"height": [0.0, 1.0], "none": [0.0, 0.0]}.get(box, [1.0, 1.0])


def _moves(values):
    """What each step adds to the one before; the first adds nothing."""
    return tf.pad(values[:, 1:] - values[:, :-1], [[0, 0], [1, 0], [0, 0]])


class StrokesFrontend(Frontend):
    """Args:
    spacing: float above 0, the farthest from step to step, where 1 is a side of the glyph's box.
    box: which side that is: "longer", "both", "height", of `resample`; or "none": 1 is the input's unit, all steps but the
        last are so far from each other, and have neither x nor y.
    """

    signature = {
        "points": tf.TensorSpec((None, None, 3), tf.float32, "points"),
        "lengths": tf.TensorSpec((None,), tf.int32, "lengths"),
    }

    def __init__(self, spacing, box="longer"):
        super().__init__(name="strokes_frontend")
        if box not in BOXES:
            raise ValueError(f"box must be one of {BOXES}; received {box!r}.")
        self.spacing, self.box, self.streams = spacing, box, box == "none"

    def read(self, item, name):
        """One glyph -> `(points, 3)` float64: x, y, pen.

        Args:
            item: `(points, 2 to 4)`: x, y, pen (left out: never lifted), time (not read); or a list of strokes, each
                `(points, 2 or 3)`: x, y, time. Arrays, or lists of numbers.
            name: how errors name it.

        Raises:
            ValueError: it has another shape or no point, or a number is not finite.
        """
        points = _points(item, name)
        if not len(points):
            raise ValueError(f"{name}: expected at least one pen point, received none.")
        if self.size(points) > _MOST:
            raise ValueError(
                f"{name}: expected a way of at most {_MOST} steps of {self.spacing:g}; received one of "
                f"{self.size(points)}. Choose a larger spacing, or leave points out."
            )
        return points

    def part(self, item, name):
        """As `read`, and there need not be a point."""
        return _points(item, name)

    def size(self, item):
        """Of the way, in the glyph's box."""
        places = item[:, :2]
        wide, high = np.ptp(places, axis=0)
        sides = {"longer": max(wide, high), "both": np.array([wide, high]), "height": max(high, _FLAT * wide), "none": 1.0}
        moves = np.diff(places / np.maximum(sides[self.box], 1 / _LARGEST), axis=0)
        return 1 + int(np.linalg.norm(moves, axis=1).sum() / self.spacing)

    def batch(self, items):
        """`{"points": (batch, points, 3) float32, "lengths": (batch,) int32}`: x, y, pen; in a box, from the first point on."""
        lengths = np.array([len(row) for row in items], np.int32)
        points = np.zeros((len(items), max(lengths, default=0), 3), np.float32)
        for place, row in enumerate(items):
            # Relative to the first point while there is double precision: far from 0, float32 has no room for detail.
            points[place, : len(row)] = row if self.box == "none" or not len(row) else row - [*row[0, :2], 0]
        return {"points": points, "lengths": lengths}

    def join(self, parts):
        """Parts of one glyph, in the order they were drawn -> the glyph. An array goes on from the last point."""
        return np.concatenate([_points(part, f"Chunk {place}") for place, part in enumerate(parts)])

    def __call__(self, batch):
        """The batch -> `Sequence` of `(batch, steps, 5)` float32, each of at least one step: `resample`."""
        if self.box == "none":
            return self.step(batch, self.start(tf.shape(batch["lengths"])[0]), True)[0]
        return resample(batch["points"], batch["lengths"], self.spacing, self.box)

    def start(self, batch):
        """The points, and steps, that there were; and of the last of each, what `_travelled` and `_read_at` give."""
        return {
            "points": tf.zeros([batch], tf.int32),
            "point": tf.zeros([batch, 4], tf.float64),
            "steps": tf.zeros([batch], tf.int32),
            "step": tf.zeros([batch, 4], tf.float64),
        }

    def step(self, batch, state, last):
        """Reads what came of strokes without a box: as `parts.Frontend.step`."""
        points, lengths = tf.cast(batch["points"], tf.float64), batch["lengths"]  # a way may be long
        came = state["points"] + lengths
        # Of each row the last point that there was, then the new ones; padding stands on the last of them.
        opening = tf.pad(points, [[0, 0], [0, 1], [0, 0]])[:, :1]  # a batch of nothing has no first point
        before = tf.where(state["points"][:, None] > 0, state["point"][:, :2], opening[:, 0, :2])
        places = tf.concat([before[:, None], points[..., :2]], axis=1)
        rows = tf.minimum(tf.range(tf.shape(places)[1])[None], lengths[:, None])
        known = _travelled(tf.gather(places, rows, batch_dims=1), tf.pad(points[..., 2], [[0, 0], [1, 0]]))
        known += tf.concat([tf.zeros_like(before), state["point"][:, 2:]], axis=1)[:, None]
        total = known[:, -1, 3]
        whole = tf.math.floor(total / self.spacing)
        rest = tf.cast(total - whole * self.spacing > _ROUNDING * self.spacing, tf.int32) * tf.cast(last, tf.int32)
        steps = tf.where(came > 0, tf.cast(whole, tf.int32) + 1 + rest, 0)
        new = steps - state["steps"]
        numbers = state["steps"][:, None] + tf.range(tf.reduce_max(tf.pad(new, [[0, 1]])))
        goals = tf.minimum(tf.cast(numbers, tf.float64) * self.spacing, total[:, None])
        read, at = _read_at(known, goals)
        at = tf.maximum(at + tf.cast(state["points"], tf.float64)[:, None] - 1.0, 0.0)
        read = tf.concat([read, at[..., None]], axis=2)
        earlier = tf.where(state["steps"][:, None] > 0, state["step"], tf.pad(read, [[0, 0], [0, 1], [0, 0]])[:, 0])
        read = tf.concat([earlier[:, None], read], axis=1)
        way = goals - tf.maximum(tf.cast(numbers - 1, tf.float64) * self.spacing, 0.0)
        moves = tf.math.divide_no_nan((read[:, 1:] - read[:, :-1])[..., :3], way[..., None])
        real = tf.range(tf.shape(numbers)[1])[None] < new[:, None]
        features = tf.pad(tf.where(real[..., None], moves, tf.zeros_like(moves)), [[0, 0], [0, 0], [2, 0]])
        spans = tf.stack([read[:, :-1, 3], read[:, 1:, 3]], axis=2)
        state = {
            "points": came,
            "point": known[:, -1],
            "steps": steps,
            "step": tf.gather(read, new, batch_dims=1),
        }
        return Sequence(tf.cast(features, tf.float32), new, tf.cast(spans, tf.float32)), state


def _points(item, name):
    """A glyph in any form, or a part of one -> `(points, 3)` float64: x, y, pen."""
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
            f"{name}: expected pen points (points, 2 to 4), which are x, y, pen, time; or a list of strokes, each "
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
            f"{name}: expected finite x and y (below {_LARGEST:g}) and a pen from 0, lifted, to 1, drawing; "
            f"point {point} is {row[point].tolist()}."
        )
    return row
