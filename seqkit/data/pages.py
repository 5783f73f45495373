"""Pages: the picture of a page -> the pictures of its text lines, from top to bottom.

Convention: a page is read by its horizontal projection (Likforman-Sulem, Zahour and Taconet 2007): where the rows hold
most ink is a line, where they hold least is the border between two. A page up to 3 degrees askew is turned straight first.
A stroke that crosses a border goes whole to the line that holds its middle, unless it joins two lines.
Left out: columns, pictures and tables in the text, curved lines, uneven light (a scan, or a photograph made clean).
"""

from itertools import pairwise

import numpy as np
from PIL import Image

from seqkit.frontends.image import grey
from seqkit.media.pictures import read_picture

DEGREES = np.arange(-3.0, 3.01, 0.25)  # tried, on a copy of
SMALL = 800  # pixels on the longer side
FAINTEST = 0.1  # contrast of ink
DIP = 0.2  # a line's rows hold so much more ink than the border, as a share
EDGE = 2  # pixels around ink in which it fades
SPECK = 0.1  # less ink than the square of so many letters' heights is dirt


def split_lines(page):
    """Splits a page into its lines.

    Args:
        page: a path, a file's bytes, a `PIL.Image` or an array, as of `ImageFrontend.collate`.

    Returns:
        List of `PIL.Image` of mode L, dark on light, each cut 2 pixels around its ink; none for an empty page.

    Raises:
        ValueError: the picture cannot be read.
        ImportError: SciPy is not installed (extra `pages`).
    """
    try:
        from scipy import ndimage, signal
    except ImportError as error:
        raise ImportError("Splitting pages needs SciPy: pip install 'seqkit[pages]'.") from error
    shades = grey(np.atleast_3d(read_picture(page, "Page", page=True)[0])).numpy()
    if np.median(shades) < shades.mean():  # paper is most of a page, and lighter than the rest
        shades = 255 - shades
    shades = _straight(shades, ndimage)
    ink = _ink(shades)

    # Strokes, and the height that most ink's strokes have.
    labels, count = ndimage.label(ink, np.ones((3, 3)))
    if not count:
        return []
    boxes = ndimage.find_objects(labels)
    heights = np.array([rows.stop - rows.start for rows, _ in boxes])
    areas = np.bincount(labels.ravel())[1:]
    by_height = np.argsort(heights)
    letter = heights[by_height][np.searchsorted(np.cumsum(areas[by_height]), areas.sum() / 2)]
    dirt = np.r_[True, areas < (SPECK * letter) ** 2]  # and the paper, which is 0

    profile = ndimage.gaussian_filter1d((~dirt[labels]).sum(1).astype(float), letter / 4, mode="constant")
    padded = np.r_[0.0, profile, 0.0]  # a line at the very edge is a peak too
    peaks, properties = signal.find_peaks(padded, prominence=0)
    peaks = peaks[properties["prominences"] > DIP * padded[peaks]] - 1
    borders = [a + np.argmin(profile[a:b]) for a, b in pairwise(peaks)]

    # The line of every stroke; one that crosses the middle of several lines is cut at the borders.
    middles = np.array([np.searchsorted(borders, (rows.start + rows.stop) / 2) for rows, _ in boxes])
    joins = np.array([np.searchsorted(peaks, rows.stop) - np.searchsorted(peaks, rows.start) > 1 for rows, _ in boxes])
    by_row = np.searchsorted(borders, np.arange(len(ink)), side="right")[:, None]
    owner = np.where(np.r_[False, joins][labels], by_row, np.r_[0, middles][labels])
    owner = np.where(dirt[labels], -1, owner)
    return [line for place in range(len(peaks)) if (line := _cut(shades, owner, place, ndimage)) is not None]


def _ink(shades):
    """Where ink is: `(rows, columns)` bool."""
    contrast = np.maximum(1.0 - (shades + 1.0) / (np.median(shades) + 1.0), 0.0)
    strength = (contrast**2).sum() / max(contrast.sum(), 1e-9)  # mean of the ink, weighted by itself
    return contrast > max(strength, FAINTEST) / 2


def _straight(shades, ndimage):
    """Turns the page so that its rows hold either much ink or little."""
    factor = max(1, -(-max(shades.shape) // SMALL))
    small = _ink(shades)[: shades.shape[0] // factor * factor, : shades.shape[1] // factor * factor]
    small = small.reshape(small.shape[0] // factor, factor, small.shape[1] // factor, factor).mean((1, 3))
    turned = (ndimage.rotate(small, degrees, reshape=False, order=1).sum(1) for degrees in DEGREES)
    scores = [np.square(np.diff(profile)).sum() for profile in turned]
    # Of equals the least turn, so that an empty page or one letter stays as it is.
    degrees = DEGREES[np.lexsort((np.abs(DEGREES), -np.array(scores)))[0]]
    if not degrees:
        return shades
    return ndimage.rotate(shades, degrees, order=1, cval=float(np.median(shades)))


def _cut(shades, owner, place, ndimage):
    """The picture of one line, the ink of others painted over; None if it has none of its own."""
    own = owner == place
    if not own.any():
        return None
    box = tuple(slice(max(side.start - EDGE, 0), side.stop + EDGE) for side in ndimage.find_objects(own.astype(np.int32))[0])
    others = ndimage.binary_dilation((owner[box] >= 0) & ~own[box], iterations=EDGE) & ~own[box]
    return Image.fromarray(np.where(others, np.median(shades), shades[box]).astype(np.uint8))
