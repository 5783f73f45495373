"""Augmentation: the same line as another hand, pen and scanner would have made it.

Convention: features `(batch, steps, height)` from 0 (paper) to 1 (ink), as of `ImageFrontend`; each row is drawn its own
change, from the seed alone. A range of 0 switches its effect off, exactly. Meant for training, ahead of the model, on CPU.
Left out: changes a reader would need to be told of (mirroring, rotation, other colours).
"""

import math
from dataclasses import asdict, astuple, dataclass

import tensorflow as tf

from seqkit import lengths as real

HOLES = 4  # of `cutout` in each line
MOST = {"slant": 2, "stretch": 2, "proportion": 0.15, "wave": 0.2, "elastic": 0.1}  # of the other ranges 1


@dataclass(frozen=True)
class LineAugmentation:
    """How far lines may be changed, each a range around no change. The defaults are for handwriting."""

    slant: float = 0.4  # tangent of the angle, to either side
    stretch: float = 0.3  # of the width: up to so much longer, or as many times shorter
    rhythm: float = 0.3  # how much faster or slower letters follow each other here and there, the width staying
    scale: float = 0.15  # of the height: up to so much taller, or as many times lower
    shift: float = 0.05  # up or down, in heights
    proportion: float = 0.05  # how much small letters grow or shrink against tall ones, which make room, in heights
    wave: float = 0.05  # amplitude of a rise and fall of the baseline, in heights
    elastic: float = 0.015  # standard deviation of the shifts, in heights, that bend strokes here one way and there another
    thickness: float = 0.4  # of a pixel that strokes grow or shrink at either side
    ink: float = 0.5  # how much darker or fainter half-grey becomes, in quarters of the contrast
    blur: float = 0.5  # share of a blur of 1 pixel
    noise: float = 0.03  # standard deviation, in contrasts
    cutout: float = 0.3  # longest side of the holes, in heights

    def __post_init__(self):
        for name, value in asdict(self).items():
            if not 0 <= value <= MOST.get(name, 1):
                raise ValueError(f"{name} must be from 0 to {MOST.get(name, 1)}; received {value!r}.")

    def __call__(self, features, lengths, seed, views=1):
        """Changes a batch of lines.

        Args:
            features: `(batch, steps, height)` float32, the height known; padding is zero.
            lengths: `(batch,)` int32.
            seed: `(2,)` int32; the same seed makes the same changes.
            views: int, how many times the batch has its lines, one block after the other. Views of a line are slanted,
                stretched and paced alike, so that a letter is at the same step in each; the rest is drawn for each.

        Returns:
            Features of the same shape, and their lengths, from 1 to `steps`. A slanted or stretched line is longer, but
            never longer than the padded steps: it is squeezed where there is no room.
        """
        if not any(astuple(self)):
            return features, lengths
        seeds = iter(tf.unstack(tf.random.split(seed, 13)))
        count = tf.shape(features)[0]

        def draw(size=(), low=-1.0, blocks=1):
            """Numbers from `low` to 1, `size` of them a row; each call has a seed of its own, used or not."""
            drawn = tf.random.stateless_uniform((count // blocks, *size), next(seeds), low, 1.0, alg="philox")
            return tf.tile(drawn, [blocks] + [1] * len(size))

        slant, stretch, scale, shift = draw(blocks=views), draw(blocks=views), draw(), draw()
        wave, thickness, ink = draw((3, 1)), draw((1, 1)), draw((1, 1))
        blur, holes = draw((1, 1), 0.0), draw((4, HOLES, 1), 0.0)
        rhythm, proportion = draw((3, 2, 1), blocks=views), draw((1, 1))
        if self.slant or self.stretch or self.scale or self.shift:
            stretch, scale = ((1 + most) ** value for most, value in ((self.stretch, stretch), (self.scale, scale)))
            features, lengths = _moved(features, lengths, self.slant * slant, stretch, scale, self.shift * shift)
        if self.rhythm:
            features = _paced(features, lengths, self.rhythm, rhythm)
        if self.proportion:
            features = _proportioned(features, self.proportion * proportion, self.proportion)
        if self.wave:
            features = _waved(features, self.wave, wave)
        grid = next(seeds)
        if self.elastic:
            features = _bent(features, self.elastic, grid)
        if self.thickness:
            sign = tf.sign(thickness)
            features += self.thickness * thickness * (_widened(sign * features) - sign * features)
        if self.ink:
            features += self.ink * ink * features * (1.0 - features)
        if self.blur:
            features += self.blur * blur * (_blurred(features) - features)
        if self.cutout:
            features = tf.where(_holes(features, lengths, self.cutout, holes), 0.0, features)
        if self.noise:
            # One sheet of noise for the whole batch, of another strength and sign on each line, costs a tenth.
            sheet, strength = tf.unstack(tf.random.split(next(seeds), 2))
            sheet = tf.random.stateless_normal(tf.shape(features)[1:], sheet, alg="philox")
            strength = tf.random.stateless_uniform((count, 1, 1), strength, -self.noise, self.noise, alg="philox")
            features = tf.clip_by_value(features + strength * sheet, 0.0, 1.0)
        return real.zero_padding(features, lengths), lengths


def _moved(features, lengths, slant, stretch, scale, shift):
    """Slants, stretches, scales and shifts in one reading; all are `(batch,)`, the shift in heights."""
    steps, height = tf.cast(tf.shape(features)[1], tf.float32), float(features.shape[2])
    middle = (height - 1) / 2
    slant = tf.clip_by_value(slant, -steps / (4 * height), steps / (4 * height))
    lean = tf.abs(slant) * (height - 1)  # the steps that a slanted line is longer
    real_steps = tf.cast(lengths, tf.float32)
    stretch = tf.minimum(stretch, (steps - lean) / real_steps)
    # A transform reads output (row, step) at input (a0 row + a1 step + a2, b0 row + b1 step + b2).
    zero = tf.zeros_like(slant)
    rows = [1 / scale, zero, middle - (middle + shift * height) / scale]
    columns = [slant / stretch, 1 / stretch, (0.5 - lean / 2 - slant * middle) / stretch - 0.5]
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=features[..., None],
        transforms=tf.stack([*rows, *columns, zero, zero], axis=1),
        output_shape=tf.shape(features)[1:],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="CONSTANT",
    )[..., 0]
    moved_steps = tf.cast(tf.round(real_steps * stretch + lean), lengths.dtype)
    moved = tf.ensure_shape(moved, features.shape)
    return moved, tf.clip_by_value(moved_steps, 1, tf.shape(features)[1])


def _proportioned(features, share, most):
    """Shifts rows away from the middle or towards it, most a quarter of the height from it; share `(batch, 1, 1)`."""
    height = features.shape[2]
    row = (tf.range(height, dtype=tf.float32) + 0.5) / height
    return _shifted(features, share * height * tf.sin(2 * math.pi * row), math.ceil(most * height), axis=2)


def _waved(features, most, draws):
    """Shifts each step up or down along a sine of 3 to 12 heights; draws `(batch, 3, 1)`."""
    height = features.shape[2]
    amplitude, period, phase = tf.unstack(draws, axis=1)
    period = height * 6.0 * 2.0**period
    step = tf.range(tf.shape(features)[1], dtype=tf.float32)
    rise = most * height * amplitude * tf.sin(2 * math.pi * step / period + math.pi * phase)
    return _shifted(features, rise[..., None], math.ceil(most * height), axis=2)


def _bent(features, deviation, seed):
    """Shifts each pixel along both axes, those within a third of a height nearly alike (Simard, Steinkraus and Platt, 2003;
    Wigington et al., 2017, for lines of handwriting)."""
    (batch, steps), height = tf.unstack(tf.shape(features)[:2]), features.shape[2]
    grid = [batch, 2 + 3 * steps // height, 4, 2]
    shifts = tf.clip_by_value(tf.random.stateless_normal(grid, seed, alg="philox"), -2.0, 2.0) * deviation * height
    along, across = tf.unstack(tf.image.resize(shifts, [steps, height], "bilinear"), axis=3)
    reach = math.ceil(2 * deviation * height)
    return _shifted(_shifted(features, along, reach, axis=1), across, reach, axis=2)


def _shifted(features, shift, reach, axis):
    """Reads each pixel as many pixels further along an axis as `shift`, up to `reach`; outside lies paper.

    Between two whole shifts a pixel is a mix of both: cheaper than reading at positions.
    """
    size = tf.shape(features)[axis]
    padded = tf.pad(features, [[reach, reach] if place == axis else [0, 0] for place in range(3)])
    padded = tf.ensure_shape(padded, [None, None, features.shape[2] + 2 * reach * (axis == 2)])

    def further(by):
        return (
            padded[:, reach + by : reach + by + size] if axis == 1 else padded[..., reach + by : reach + by + features.shape[2]]
        )

    return tf.add_n([tf.nn.relu(1.0 - tf.abs(shift - by)) * further(by) for by in range(-reach, reach + 1)])


def _paced(features, lengths, most, draws):
    """Reads each line up to `most` faster or slower in places, by two sines of 1 to 8 heights; draws `(batch, 3, 2, 1)`."""
    speed, period, phase = tf.unstack(draws, axis=1)
    period = features.shape[2] * 2.0 ** (1.5 + 1.5 * period)
    step = tf.range(tf.shape(features)[1], dtype=tf.float32)
    end = tf.cast(lengths, tf.float32)[:, None] - 1.0

    def ahead(place):
        sines = tf.sin(2 * math.pi * place[:, None] / period + math.pi * phase)
        return tf.reduce_sum(most / 2 * speed * period / (2 * math.pi) * sines, axis=1)

    # Both ends stay where they are.
    share = tf.math.divide_no_nan(step, end)
    moved = ahead(step[None]) - (1.0 - share) * ahead(tf.zeros_like(end)) - share * ahead(end)
    place = tf.clip_by_value(step + moved, 0.0, tf.maximum(end, 0.0))
    place = tf.where(step <= end, place, step)
    before = tf.floor(place)
    share, before = (place - before)[..., None], tf.cast(before, tf.int32)
    after = tf.minimum(before + 1, tf.shape(features)[1] - 1)
    first, second = (tf.gather(features, rows, batch_dims=1) for rows in (before, after))
    return first + share * (second - first)


def _widened(features):
    """The highest of the 3 x 3 pixels around each; `features` may be negative, which narrows."""
    padded = tf.pad(features, ((0, 0), (1, 1), (1, 1)))
    rows = tf.maximum(tf.maximum(padded[:, :-2], padded[:, 2:]), padded[:, 1:-1])
    return tf.maximum(tf.maximum(rows[..., :-2], rows[..., 2:]), rows[..., 1:-1])


def _blurred(features):
    """The mean of the 3 x 3 pixels around each, by the weights 1, 2, 1."""
    padded = tf.pad(features, ((0, 0), (1, 1), (1, 1))) / 16.0
    rows = padded[:, :-2] + padded[:, 2:] + 2.0 * padded[:, 1:-1]
    return rows[..., :-2] + rows[..., 2:] + 2.0 * rows[..., 1:-1]


def _holes(features, lengths, most, draws):
    """Where rectangles are cut out: `(batch, steps, height)` bool; draws `(batch, 4, holes, 1)` from 0 to 1."""
    height = features.shape[2]
    left, top, wide, tall = tf.unstack(draws, axis=1)

    def inside(count, start, size):
        places = tf.range(count, dtype=tf.float32)
        return tf.cast((places >= start) & (places < start + most * height * size), tf.float32)

    columns = inside(tf.shape(features)[1], left * tf.cast(lengths, tf.float32)[:, None, None], wide)
    rows = inside(height, top * height, tall)
    return tf.matmul(columns, rows, transpose_a=True) > 0.5
