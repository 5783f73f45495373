"""Images: the picture of one text line -> a grey line of fixed height and true width.

Convention: time is the line's x axis, one step a pixel column; 0 is paper and 1 is ink, whatever the colours, the light
or the margins were. The scale comes from how far the ink spreads around its middle row (moments, as in Kozielski, Doetsch
and Ney 2013), not from its highest and lowest point: so a line without tall letters is not blown up, and the letters of
one hand keep their size from line to line, at the price of the tips of rare long tails. (Over 2,300 lines of 240 hands,
the width of a character varied by 15 % within a hand when cropped to the ink, by 11 % so; 0.2 % of the ink is lost.)
Left out: reading files (`pictures.py`), turned or curved lines, several lines (`pages.py` splits them), ink that covers
most of the picture.
"""

import functools
import io

import numpy as np
import tensorflow as tf
from PIL import Image

from seqkit.media.pictures import FORMATS, LONGEST, decode, read_picture
from seqkit.parts import Frontend, Sequence

ROWS = 16  # of the small copy in which light and polarity are judged
DOUBT = 0.5  # skewness of the shades where light ink covers 38 % of a dark page
STROKE = 7  # of these rows; ink is narrower, shadows are wider
SPREAD = 9.0  # height of the line / mean distance of its ink from the middle row
MARGIN = 0.125  # white at either end / height of the line
SMALL = 64  # sides of the small copy in which a line's climb is judged; twice those of the one for its lean
SHEARS = 16  # tried to either side
STEEPEST, MOST_LEANT = 0.1, 0.8  # tangents of climb and lean; lines short for their height are sheared less
CLEAR = 1.05  # times the contrast of the line as it is: worth shearing
LEAST = 0.001  # of the picture is inked by the shortest line worth it, a tenth of the usual
SPECK = 0.05  # ink of less than the square of so many heights is dirt
FAINTEST = 0.1  # contrast of ink on paper that is still stretched to 1


class ImageFrontend(Frontend):
    """Args:
    height: int, pixels of a line from top to bottom; the width of the features.
    tidy: bool, whether lines are made level, their letters upright, and softened.
    """

    signature = {"image_bytes": tf.TensorSpec((None,), tf.string, "image_bytes")}
    more = {
        "pixels": {
            "pixels": tf.TensorSpec((None, None, None, 3), tf.uint8, "pixels"),
            "sizes": tf.TensorSpec((None, 2), tf.int32, "sizes"),
        },
    }

    def __init__(self, height=48, tidy=True):
        super().__init__(name="image_frontend")
        if height < 8:
            raise ValueError(f"height must be at least 8 pixels; received {height!r}.")
        self.height, self.tidy = height, tidy
        # Partial functions: where many frontends are made, TensorFlow warns of one whose code is traced anew for each.
        files, pixels = (tuple(forms.values()) for forms in (self.signature, self.more["pixels"]))
        self._read_files = tf.function(functools.partial(self._lines, decode), input_signature=files, autograph=False)
        self._read_pixels = tf.function(functools.partial(self._lines, _cut), input_signature=[pixels], autograph=False)

    def learning(self):
        """It shows lines as they come. A network that has learnt from such, which differ more, reads tidy lines better than one
        that knows only these."""
        return ImageFrontend(self.height, tidy=False)

    def read(self, item, name):
        """One picture -> the bytes of a whole PNG or JPEG.

        Args:
            item: a path, the bytes of a file (PNG, JPEG, BMP, TIFF, WebP), a `PIL.Image`, or an array `(height, width)` or
                `(height, width, 1, 3 or 4)` of bool, of integers up to 255 or 65535, or of floats up to 1 or 255.
            name: how errors name it.

        Raises:
            ValueError: it is no picture of a line; the message says why.
        """
        picture, source = read_picture(item, name)
        if source is None:
            stream = io.BytesIO()
            picture.save(stream, "PNG", compress_level=1)
            source = stream.getvalue()
        return source

    def size(self, item):
        """From the file's header."""
        width, height = Image.open(io.BytesIO(item), formats=FORMATS).size
        return max(1, round(width * self.height / height))

    def batch(self, items):
        """`{"image_bytes": (batch,) object array of bytes}`."""
        batch = np.empty(len(items), object)
        batch[:] = items
        return {"image_bytes": batch}

    def otherwise(self, batch):
        """`{"pixels": {"pixels": (batch, height, width, 3) uint8, "sizes": (batch, 2) int32}}`: the same, decoded."""
        pictures = [np.asarray(Image.open(io.BytesIO(source)).convert("RGB")) for source in batch["image_bytes"]]
        sizes = np.array([picture.shape[:2] for picture in pictures], np.int32)
        pixels = np.zeros((len(pictures), *sizes.max(axis=0), 3), np.uint8)
        for place, picture in zip(pixels, pictures):
            place[: picture.shape[0], : picture.shape[1]] = picture
        return {"pixels": {"pixels": pixels, "sizes": sizes}}

    def __call__(self, batch):
        """Reads lines, each on its own.

        Args:
            batch: `{"image_bytes": (batch,)}`, PNG or JPEG, or `{"pixels": (batch, height, width, 3) uint8, "sizes":
                (batch, 2) int32}`, the height and width of each picture, which lies at the top left.

        Returns:
            `Sequence` of `(batch, steps, height)` float32 from 0 (paper) to 1 (ink), each of at least one step. A page
            without ink is a white line as long as its two margins. Spans are columns of the picture.
        """
        if "image_bytes" in batch:
            lines, lengths, starts, widths = self._read_files(batch["image_bytes"])
        else:
            lines, lengths, starts, widths = self._read_pixels((batch["pixels"], batch["sizes"]))
        steps = tf.range(tf.shape(lines)[1], dtype=tf.float32)
        spans = starts[:, None, None] + widths[:, None, None] * tf.stack([steps, steps + 1], axis=1)
        return Sequence(lines, lengths, spans)

    def _lines(self, decode, items):
        def read(item):
            return line(grey(decode(item)), self.height, self.tidy)

        number = tf.TensorSpec((), tf.float32)
        spec = (tf.RaggedTensorSpec((None, self.height), tf.float32, ragged_rank=0), number, number)
        lines, starts, widths = tf.map_fn(read, items, fn_output_signature=spec)
        lines = lines.with_values(tf.reshape(lines.values, (-1, self.height)))  # no items have no shape
        shape = tf.stack([-1, tf.maximum(lines.bounding_shape()[1], 1), self.height])
        features = tf.ensure_shape(lines.to_tensor(shape=shape), (None, None, self.height))
        return features, tf.cast(lines.row_lengths(), tf.int32), starts, widths


def _cut(item):
    """A picture `(height, width, 3)` at the top left of a larger array, and its `(height, width)` -> the picture."""
    pixels, size = item
    height, width = tf.unstack(tf.maximum(size, 1))
    return pixels[:height, :width]


def grey(picture):
    """`(height, width, channels)` uint8, of 1 to 4 channels (grey, alpha or RGB, alpha) -> `(height, width)` float32 of whole
    numbers from 0 to 255, by Pillow's weights. What is clear shows white; black where only light ink lies on it."""
    picture = tf.cast(tf.ensure_shape(picture, (None, None, None)), tf.float32)
    channels = tf.shape(picture)[2]
    colours = channels - 1 + channels % 2
    weights = tf.where(colours == 1, [65536.0, 0.0, 0.0], [19595.0, 38470.0, 7471.0])[:colours]
    shade = tf.floor((tf.linalg.matvec(picture[:, :, :colours], weights) + 32768.0) / 65536.0)
    opaque = tf.where(colours == channels, 255.0, picture[:, :, -1])
    opaque = tf.broadcast_to(opaque, tf.shape(shade))
    dark = tf.reduce_sum(tf.where(shade < 255.0 * (1.0 - FAINTEST), opaque, 0.0))
    # A sheet cut out has paper of its own, which covers most of the picture, or ink.
    chalk = (dark < LEAST * tf.reduce_sum(opaque)) & (tf.reduce_mean(opaque) < 127.5)
    ground = tf.where(chalk, 0.0, 255.0)
    return tf.floor((shade * opaque + ground * (255.0 - opaque)) / 255.0 + 0.5)


def line(shades, height, tidy=True):
    """Makes one line out of its picture.

    Args:
        shades: `(rows, columns)` float32 from 0 to 255.
        height: int, pixels.
        tidy: as of `ImageFrontend`.

    Returns:
        `(steps, height)` float32 from 0 (paper) to 1 (ink), at least one step; the column where the first begins; and how
        many columns a step is wide.
    """
    ink, more = _ink(shades), 0.0
    if tidy:
        ink, more = _upright(ink)
    size = tf.cast(tf.shape(ink), tf.float32)
    profile = tf.reduce_sum(ink, axis=1)
    total = tf.reduce_sum(profile)
    strength = tf.math.divide_no_nan(tf.reduce_sum(ink * ink), total)  # mean of the ink, weighted by itself
    rows = tf.range(size[0]) + 0.5
    middle = tf.math.divide_no_nan(tf.reduce_sum(profile * rows), total)
    spread = tf.math.divide_no_nan(tf.reduce_sum(profile * tf.abs(rows - middle)), total)
    tall = tf.maximum(tf.maximum(SPREAD * spread, size[1] / LONGEST), 1.0)
    scale = height / tall

    # The ends: where the ink, summed from the outside, is more than dirt.
    inside = tf.cast(tf.abs(rows - middle) < tall / 2, tf.float32)
    summed = tf.cumsum(tf.linalg.matvec(ink, inside, transpose_a=True))
    dirt = tf.square(SPECK * tall) * strength
    start = tf.reduce_sum(tf.cast(summed <= dirt, tf.float32))
    end = tf.maximum(tf.reduce_sum(tf.cast(summed < summed[-1] - dirt, tf.float32)) + 1.0, start)
    steps = tf.cast(tf.round((end - start + 2 * MARGIN * tall) * scale), tf.int32)
    start = start - MARGIN * tall

    resized = _resampled(ink, height, scale, middle - tall / 2)
    resized = _resampled(tf.transpose(resized), steps, scale, start)
    strongest = tf.math.divide_no_nan(tf.reduce_sum(resized * resized), tf.reduce_sum(resized))
    seen = tf.minimum(strength / FAINTEST, 1.0)
    features = tf.minimum(tf.math.divide_no_nan(resized, strongest), 1.0) * seen
    if tidy:
        features = _soft(features)
    return tf.ensure_shape(features, (None, height)), start - more, 1.0 / scale


def _soft(features):
    """A little out of focus, as lines read from photographs, or varied while training, are: a network that has seen these reads
    a sharp line no better for being sharp."""
    padded = tf.pad(features, [[1, 1], [1, 1]]) / 256.0
    rows = 3.0 * padded[:-2] + 10.0 * padded[1:-1] + 3.0 * padded[2:]
    return 3.0 * rows[:, :-2] + 10.0 * rows[:, 1:-1] + 3.0 * rows[:, 2:]


def _ink(shades):
    """`(rows, columns)` shades -> ink on paper of even light, from 0 up to 1: the share of the light that it takes."""
    size = tf.shape(shades)
    columns = tf.maximum(1, size[1] * ROWS // size[0])
    small = _resized(shades, ROWS, columns)
    # Ink is the rarer of the two, so it is the longer tail around the mean of the neighbourhood; dark ink in case of doubt.
    around = _pool(tf.reduce_mean(small, axis=0, keepdims=True), "AVG", ROWS + 1)
    deviations = shades - _resized(around, 1, size[1])
    squares = tf.square(deviations)
    skewness = tf.math.divide_no_nan(tf.reduce_mean(squares * deviations), tf.reduce_mean(squares) ** 1.5)
    light_on_dark = skewness > DOUBT
    shades, small = (tf.where(light_on_dark, 255.0 - each, each) for each in (shades, small))
    # The light of the paper: strokes, being narrower than half the height, are closed (Sternberg 1983).
    light = _pool(-_pool(-_pool(small, "MAX", STROKE), "MAX", STROKE), "AVG", 3)
    white = (shades + 1.0) / (_resized(light, size[0], size[1]) + 1.0)

    counts = tf.cumsum(tf.math.bincount(tf.cast(tf.round(tf.minimum(white, 1.99) * 1024.0), tf.int32), minlength=2048))
    levels = tf.searchsorted(counts / counts[-1], tf.constant([0.7, 0.92], tf.float64))
    paper, bright = tf.unstack(tf.cast(levels, tf.float32) / 1024.0)
    noise = bright - paper  # about one standard deviation of the paper, however much is inked
    return tf.nn.relu(1.0 - white / paper - 0.02 - 4.0 * noise)


def _upright(ink):
    """The ink of a line, sheared: level if it climbs or falls, and its letters upright if they lean.

    A line is level where the profile of its rows has most contrast (Likforman-Sulem, Zahour and Taconet 2007), and upright
    where that of its columns has (Vinciarelli and Luettin 2001).

    Returns:
        Ink `(rows, columns)`, some columns wider; and how many of them came in at the left. On the middle row, columns lie as
        far from each other as before.
    """
    size = tf.cast(tf.shape(ink), tf.float32)
    ratio = size[1] / size[0]
    square = tf.transpose(_resized(ink, SMALL, SMALL))
    climb = _clearest(square, tf.minimum(0.5, STEEPEST * ratio)) / ratio
    low = _resized(ink, SMALL // 2, tf.maximum(1, tf.cast(ratio * SMALL / 2, tf.int32)))
    lean = _clearest(low, tf.clip_by_value((ratio - 1) / 5, 0.0, MOST_LEANT))
    covered = tf.square(tf.reduce_sum(ink)) > LEAST * size[0] * size[1] * tf.reduce_sum(ink * ink)

    def sheared():
        more = tf.math.ceil(tf.abs(lean) * size[0] / 2)
        # A transform reads output (column, row) at input (a0 column + a1 row + a2, b0 column + b1 row + b2).
        columns = [1.0, -lean, lean * size[0] / 2 - more]
        rows = [-climb, climb * lean + 1.0, climb * (size[1] / 2 - columns[2])]
        moved = tf.raw_ops.ImageProjectiveTransformV3(
            images=ink[None, :, :, None],
            transforms=tf.stack([*columns, *rows, 0.0, 0.0])[None],
            output_shape=tf.cast(tf.stack([size[0], size[1] + 2 * more]), tf.int32),
            fill_value=0.0,
            interpolation="BILINEAR",
            fill_mode="CONSTANT",
        )
        return moved[0, :, :, 0], more

    return tf.cond(covered & ((climb != 0) | (lean != 0)), sheared, lambda: (ink, 0.0))


def _clearest(picture, most):
    """The shear, from `-most` to `most` columns a row, after which the profile of the columns has most contrast.

    Of `(rows, columns)`, whose rows must be known while tracing; 0 if that is hardly better.
    """
    shears = most * tf.range(-SHEARS, SHEARS + 1, dtype=tf.float32) / SHEARS
    rows = picture.shape[0]
    moves = tf.cast(tf.round(shears[:, None] * (tf.range(rows, dtype=tf.float32) - (rows - 1) / 2)), tf.int32)
    reach = tf.reduce_max(moves)
    kernel = tf.transpose(tf.one_hot(reach - moves, 2 * reach + 1), [2, 1, 0])  # each shear sums pixels along a leaning line
    padded = tf.pad(tf.transpose(picture), [[2 * reach, 2 * reach], [0, 0]])
    contrasts = tf.reduce_sum(tf.square(tf.nn.conv1d(padded[None], kernel, 1, "VALID")), axis=[0, 1])
    best = tf.argmax(contrasts)
    return tf.where(contrasts[best] > CLEAR * contrasts[SHEARS], shears[best], 0.0)


def _pool(picture, kind, window):
    """The mean or maximum of each square of `window`, by its columns and then its rows."""
    picture = tf.nn.pool(picture[None, :, :, None], [window, 1], kind, padding="SAME")
    return tf.nn.pool(picture, [1, window], kind, padding="SAME")[0, :, :, 0]


def _resized(picture, rows, columns):
    size = tf.cast(tf.shape(picture), tf.float32)
    picture = _resampled(picture, rows, tf.cast(rows, tf.float32) / size[0], 0.0)
    return tf.transpose(_resampled(tf.transpose(picture), columns, tf.cast(columns, tf.float32) / size[1], 0.0))


def _resampled(picture, rows, scale, start):
    """Stretches `(rows, columns)` by `scale` along its rows, from the position `start` on; outside the picture it is 0.

    TensorFlow's kernel is fast along its channels only, so the columns are made channels.
    """
    return tf.raw_ops.ScaleAndTranslate(
        images=picture[None, :, None, :],
        size=tf.stack([rows, 1]),
        scale=tf.stack([scale, 1.0]),
        translation=tf.stack([-start * scale, 0.0]),
        kernel_type="triangle",
        antialias=True,
    )[0, :, 0, :]
