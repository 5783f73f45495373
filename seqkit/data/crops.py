"""Lines of pages: PAGE or ALTO beside a page's picture -> each line cut out, when it is asked for.

Convention: a line is grey, cut to its polygon; outside of it the paper's colour, which is the median inside, goes on.
Coordinates are those of the picture as it is stored, whichever way up its EXIF lays it, unless the page's width and height
fit only the picture that is turned. A picture is looked for by the way that the XML gives, from the XML's folder and from one
folder up (as Transkribus and OCR-D have it), and by the name alone in both; never farther out, but in the directory that is
read. Left out: what the XML says (`page_xml.py`), deskewing a line along its baseline.
"""

import functools
import io
import math
import os
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw, ImageStat

from seqkit.data.files import Finder
from seqkit.data.page_xml import NoPage, read_page_xml
from seqkit.media.pictures import page_size, read_picture

_SLACK = 0.02  # by how much the two sides of a page may differ in scale from what its XML says
_FARTHEST = 1e6  # pixels; no corner of a line lies so far off


@dataclass(frozen=True)
class Crop:
    """A line of a page.

    Attributes:
        page: `Path` of the picture.
        polygon: tuple of `(x, y)` in its pixels.
        stored: whether these are the pixels as they are stored, or as they are turned upright.
    """

    page: Path
    polygon: tuple
    stored: bool

    def read(self):
        """The `bytes` of a grey PNG: less memory than pixels, and the same for the same line, by which a broken run goes on.
        ValueError where the page cannot be read any more."""
        state = self.page.stat() if self.page.exists() else None
        page = _open(self.page, self.stored, state and (state.st_mtime_ns, state.st_size))
        left, top, *_ = box = _box(self.polygon, page.size)
        line = page.crop(box)
        inside = Image.new("L", line.size)
        ImageDraw.Draw(inside).polygon([(x - left, y - top) for x, y in self.polygon], fill=255)
        paper = ImageStat.Stat(line, inside).median[0]
        stream = io.BytesIO()
        Image.composite(line, Image.new("L", line.size, paper), inside).save(stream, "PNG", compress_level=1)
        return stream.getvalue()


def read_pages(files):
    """Yields `(name, picture, text)` of the lines of all PAGE and ALTO files among some, as `read_transcribed` does."""
    seen, finder = {}, Finder()
    root = Path(os.path.commonpath([path.parent for path in files]))
    for path in (path for path in files if path.suffix.lower() == ".xml"):
        try:
            name, size, lines = read_page_xml(path)
            picture = _picture_of(path, name, root, finder)
            if seen.setdefault(picture, path) != path:
                raise ValueError(f"{seen[picture]} has the lines of {picture} already; read one of the two.")
            yield from _crops(path, picture, size, lines)
        except ValueError as error:
            if not isinstance(error, NoPage) or len(files) == 1:  # beside pages lies other XML
                yield str(path), ValueError(f"{path}: {error}"), ""


def _crops(path, picture, size, lines):
    actual = None
    for line, polygon, text in lines:
        name = f"{path}, line {line}"
        if polygon is None:
            yield name, None, ""
            continue
        if actual is None:
            scale, stored, actual = _fit(picture, size)
        if not isinstance(polygon, ValueError):
            polygon = tuple((x * scale[0], y * scale[1]) for x, y in polygon)
            try:
                _box(polygon, actual)
            except ValueError as error:
                polygon = error
        wrong = isinstance(polygon, ValueError)
        yield name, ValueError(f"{name}: {polygon}") if wrong else Crop(picture, polygon, stored), text


def _fit(picture, size):
    """What the coordinates of a page are multiplied by, for other units than pixels or a picture that was made smaller; whether
    they are then those of the picture as it is stored; and its size that way round."""
    for stored in (True, False):
        actual = page_size(picture, stored)
        if not all(size):
            return (1.0, 1.0), stored, actual
        scale = actual[0] / size[0], actual[1] / size[1]
        if abs(scale[0] / scale[1] - 1) <= _SLACK:
            return scale, stored, actual
    sides = f"{size[0]:g} x {size[1]:g}, but {picture} is {actual[0]} x {actual[1]} pixels"
    raise ValueError(f"its page is {sides}; expected the picture that was transcribed.")


def _box(points, size):
    """The box around a polygon, as far as it lies on a picture: left, top, right, bottom."""
    xs, ys = zip(*points)
    outside = f"its polygon lies outside of the picture, which is {size[0]} x {size[1]} pixels."
    if not max(map(abs, (*xs, *ys))) < _FARTHEST:  # so written that NaN is refused too
        raise ValueError(outside)
    left, top = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
    right, bottom = min(size[0], math.ceil(max(xs)) + 1), min(size[1], math.ceil(max(ys)) + 1)
    if left >= right or top >= bottom:
        raise ValueError(outside)
    return left, top, right, bottom


@functools.lru_cache(maxsize=2)  # the lines of a page are mostly asked for one after the other
def _open(page, stored, state):
    """A page in grey, clear parts white. `state` tells apart what the file has held."""
    picture = read_picture(page, page, page=True, stored=stored)[0]
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    return picture.convert("L")


def _picture_of(path, name, root, finder):
    """The page's picture. The way before its name may be that on another machine, so its ends are tried too."""
    parts = [part for part in re.split(r"[/\\]", name.strip()) if part not in ("", ".")]
    above = path.parent.parent if path.parent.name not in ("", "..") else path.parent / ".."
    tries = []
    for folder in (above, root):  # the way as it is, where it does not lead out of these
        way = os.path.relpath(path.parent.joinpath(*parts), folder)
        if parts and not way.startswith(".."):
            tries.append((folder, way))
    for tail in (parts[start:] for start in range(len(parts)) if ".." not in parts[start:]):
        tries += [(folder, "/".join(tail)) for folder in (path.parent, above)]
    for folder, way in tries:
        if picture := finder.find(folder, way):
            return picture
    raise ValueError(f"there is no picture {''.join(parts[-1:])!r} beside it or one folder up.")
