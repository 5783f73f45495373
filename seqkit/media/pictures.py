"""Pictures of text lines and of pages, in any form that people have them, before the graph: read, checked, made upright.

Convention: this is the one reader, for answering, training, pages and `check`; what is broken, too large or no still
picture is found here, and named. Left out: what is on it, and what a clear background shows (`image.py`).
"""

import contextlib
import io
import os

import numpy as np
import tensorflow as tf
from PIL import Image, ImageOps, UnidentifiedImageError

from seqkit.media.files import read_file

FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF")  # Pillow's other readers are not for strangers' bytes
EXIF_ORIENTATION = 0x0112
PIXELS = 50_000_000  # largest line
PAGE_PIXELS = 89_000_000  # largest page, such as A3 at 600 dots an inch; from here on Pillow warns
LONGEST = 250  # no line is so many times as wide as high
BACK = {  # from upright to as it is stored, by orientation
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}

# What TensorFlow decodes as Pillow does; all else is encoded again.
PLAIN = {("JPEG", "L"), ("JPEG", "RGB"), ("MPO", "RGB"), *(("PNG", mode) for mode in ("L", "LA", "RGB", "RGBA"))}


def read_picture(item, label, page=False, stored=False):
    """Decodes one picture, so that what is broken is found before the graph.

    Args:
        item: as of `ImageFrontend.collate`.
        label: how errors name it, such as "Item 3"; the name of a file is added.
        page: bool, whether it may be that of a page: of any shape, and larger.
        stored: bool, whether it is left as its file has it, whichever way up that is.

    Returns:
        `(picture, source)`: a `PIL.Image`, upright but for `stored`; and the file's bytes, or None where TensorFlow would not
        decode them to this picture, which then is of mode L or RGB, or RGBA where some of it is clear.

    Raises:
        ValueError: the item is no picture, or none of a line; the message says why.
    """
    source = None
    if isinstance(item, (str, os.PathLike)):
        label, source = read_file(item, label, "a picture")
    elif isinstance(item, (bytes, bytearray, memoryview)):
        source = bytes(item)
    elif hasattr(item, "__array__") and not isinstance(item, Image.Image):
        item = _from_array(np.asarray(item), label, page)
    elif not isinstance(item, Image.Image):
        raise ValueError(
            f"{label}: expected a picture (path, bytes of a PNG or JPEG file, PIL image or array); "
            f"received {type(item).__name__} {item!r:.80}."
        )
    with _whole(label, source):
        picture = item if source is None else Image.open(io.BytesIO(source), formats=FORMATS)
    _check_size(*picture.size, label, page)
    with _whole(label):
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)  # MPO: a photograph and its previews
    if frames != 1:
        raise ValueError(f"{label}: expected a still picture; received {frames} frames. Pass one of them as an array.")
    with _whole(label):
        orientation = picture.getexif().get(EXIF_ORIENTATION, 1)
        upright = picture if orientation == 1 else ImageOps.exif_transpose(picture)
        plain = (picture.format, picture.mode) in PLAIN and "transparency" not in picture.info
        if source is not None and plain and upright is picture:
            decode(source)  # TensorFlow refuses what lacks its last byte, Pillow does not
            return picture, source
        upright.load()
        if stored and orientation in BACK:  # Pillow turns a TIFF while it loads it, so all are turned back
            upright = upright.transpose(BACK[orientation])
    return _flat(upright, label, page), None


def page_size(path, stored):
    """The width and height in pixels of the picture of a page, as it is `stored` or else upright, without decoding what need
    not be; ValueError where it cannot be one."""
    with _whole(path), Image.open(path, formats=FORMATS) as picture:
        size, turned = picture.size, picture.format == "TIFF"  # whose size Pillow gives upright
        if turned == stored and picture.getexif().get(EXIF_ORIENTATION, 1) in (5, 6, 7, 8):
            size = size[::-1]
    _check_size(*size, path, page=True)
    return size


def decode(file):
    """A PNG or JPEG file's bytes -> `(height, width, channels)` uint8."""
    return tf.io.decode_image(file, channels=0, expand_animations=False)


@contextlib.contextmanager
def _whole(label, source=None):
    """Says of whatever Pillow or TensorFlow raise that the picture is broken."""
    try:
        yield
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError(f"{label}: expected at most {PIXELS:,} pixels; received far more. Make it smaller.") from None
    except Exception as error:
        if source == b"":
            reason = "the file is empty"
        elif isinstance(error, UnidentifiedImageError):
            reason = "it is of another kind, or damaged where it begins"
        else:
            reason = f"it is of another kind, cut off or damaged: {error}"
        raise ValueError(f"{label}: expected a whole picture (PNG, JPEG, BMP, TIFF, WebP or GIF); {reason}.") from None


def _check_size(width, height, label, page):
    received = f"received {width} x {height} (width x height)"
    most = PAGE_PIXELS if page else PIXELS
    if not width or not height:
        raise ValueError(f"{label}: expected a picture with pixels; {received}.")
    if width * height > most:
        raise ValueError(f"{label}: expected at most {most:,} pixels; {received}. Make it smaller.")
    if not page and max(width / height, height / width) > LONGEST:
        raise ValueError(f"{label}: expected a text line, one side at most {LONGEST} times the other; {received}.")


def _flat(picture, label, page):
    """A `PIL.Image` of any mode -> one of mode L or RGB, or RGBA where some of it is clear."""
    if picture.mode[0] in "IF":
        return _from_array(np.asarray(picture), label, page)
    with _whole(label):
        mode = "RGBA" if picture.has_transparency_data else "L" if picture.mode in ("1", "L") else "RGB"
        return picture.convert(mode)


def _from_array(values, label, page=False):
    """An array of any usual form -> a `PIL.Image` of mode L, RGB or RGBA."""
    shape = values.shape
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)):
        raise ValueError(f"{label}: expected an array (height, width) or (height, width, 1, 3 or 4); received {shape}.")
    if values.dtype.kind not in "buif":
        raise ValueError(f"{label}: expected an array of numbers; received dtype {values.dtype}.")
    _check_size(shape[1], shape[0], label, page)
    low, high = float(values.min()), float(values.max())
    highest = 65535 if values.dtype.kind in "ui" else 255
    if not (low >= 0 and high <= highest):  # so written that NaN is refused too
        raise ValueError(
            f"{label}: expected integers from 0 to 255 or 65535, or floats from 0 to 1 or 255; "
            f"received {values.dtype} from {low:g} to {high:g}."
        )
    if high > 255:
        values = values / 257.0
    elif high <= 1 and values.dtype.kind in "bf":
        values = values * 255.0
    return Image.fromarray(np.rint(values).astype(np.uint8).reshape(shape[:2] if shape[2:] == (1,) else shape))
