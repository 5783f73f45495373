"""Transcribed lines: pictures of text lines as transcribers keep them -> `(place, picture, text)`, line by line.

Convention: three forms, told apart by the names of the files; of a directory that holds several, the first is read:

- `*.gt.txt`: `x.png` + `x.gt.txt` pairs (OCRopus, Calamari, kraken, Tesseract), in subfolders too. Of several pictures of
  one line the first is read of plain, `.nrm` (normalised) and `.bin` (black and white).
- `lines.txt` of the IAM Handwriting Database, its pictures in `lines/a01/a01-000u/` or flat beside it. Lines marked `err`
  are kept, as in most papers: there the cut into words went wrong, the line and its text are right.
- `*.xml`: PAGE or ALTO of any version, the page's picture beside it or one folder up (as Transkribus has it). Lines are
  cropped here, grey, to their polygon; outside of it they get the paper's colour, which is the median inside.

A place names the line for whoever has to mend it. What cannot be read is a ValueError in the picture's place, and a line
of a page that nobody has transcribed is None there, so that reading can refuse and `seqkit check` can list. Names that
start with a dot are passed over. Left out: words and regions, baselines, reading order, METS.
"""

import io
import math
import re
from collections import defaultdict
from pathlib import Path
from xml.etree import ElementTree

from PIL import Image, ImageDraw, ImageOps, ImageStat, UnidentifiedImageError

_PAIR = re.compile(r"(.+?)(\.gt\.txt|(?:\.nrm|\.bin)?\.(?:png|jpe?g|tiff?))", re.IGNORECASE)
_IAM = re.compile(r"((([a-z]\d\d)-\w+)-\d\d) (?:ok|err)(?: -?\d+){6} (.+)")
_SLACK = 0.02  # by how much the two sides of a page may differ in scale from what its XML says
_FARTHEST = 1e6  # pixels; no corner of a line lies so far off


def read_transcribed(source):
    """Reads the lines of a file or directory, lazily.

    Args:
        source: `Path`.

    Yields:
        `(place, picture, text)`: `str`; a `Path`, or where a page was cropped the `bytes` of a grey PNG, or a ValueError,
        or None; `str` as it was written.

    Raises:
        ValueError: it has none of the forms.
    """
    files = [source]
    if source.is_dir():
        inside = (path for path in sorted(source.rglob("*")) if path.is_file())
        files = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(source).parts)]
    for ending, read in _FORMS.items():
        if any(path.name.endswith(ending) for path in files):
            return read(files)
    received = "a directory without any" if source.is_dir() else repr(source.suffix)
    raise ValueError(
        f"{source}: expected a manifest, or lines as *.gt.txt, lines.txt or PAGE or ALTO *.xml; received {received}."
    )


def read_utf8(path):
    """The text of a file; ValueError with the line where it is not UTF-8. A byte order mark is passed over."""
    content = path.read_bytes()
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{path}, line {line}: not UTF-8 ({error.reason}); save it as UTF-8.") from error


def open_grey(path):
    """The one picture in a file as a grey `PIL.Image`, wholly read and upright; ValueError where that cannot be done."""
    try:
        if not path.stat().st_size:
            raise ValueError("the file is empty")
        with Image.open(path) as picture:
            if getattr(picture, "n_frames", 1) > 1 and picture.format != "MPO":  # MPO: a photograph and its previews
                raise ValueError(f"it holds {picture.n_frames} pictures")
            upright = ImageOps.exif_transpose(picture)
    except Exception as error:  # decoders raise whatever they stumble over
        reason = "of no known kind" if isinstance(error, UnidentifiedImageError) else error
        raise ValueError(f"{path}: expected a whole picture; {reason}.") from error
    if upright.mode.startswith("I"):  # 16 bits, which `convert` would cut off at 255 instead of scaling
        return upright.convert("I").point(lambda shade: shade / 257).convert("L")
    if upright.has_transparency_data:  # what is clear shows the paper
        upright = upright.convert("RGBA")
        upright = Image.alpha_composite(Image.new("RGBA", upright.size, "white"), upright)
    return upright.convert("L")


def _read_pairs(files):
    groups = defaultdict(dict)
    for match in filter(None, (_PAIR.fullmatch(str(path)) for path in files)):
        groups[match[1]][match[2].lower()] = Path(match[0])
    for stem, found in sorted(groups.items()):
        text = found.pop(".gt.txt", None)
        if not found:
            yield (
                str(text),
                ValueError(f"{text}: no picture is with it; expected {Path(stem).name}.png or the like in one directory."),
                "",
            )
            continue
        picture = found[min(found, key=lambda ending: (".bin" in ending, ".nrm" in ending, ending))]
        if text is None:
            yield (
                str(picture),
                ValueError(f"{picture}: no text is with it; expected {Path(stem).name}.gt.txt in one directory."),
                "",
            )
            continue
        try:
            yield str(picture), picture, read_utf8(text)
        except ValueError as error:
            yield str(picture), error, ""


def _read_iam(files):
    for path in (path for path in files if path.name == "lines.txt"):
        for number, line in enumerate(read_utf8(path).splitlines(), 1):
            place = f"{path}, line {number}"
            if match := _IAM.fullmatch(line.strip()):
                name, form, group, text = match.groups()
                folders = (path.parent / "lines", path.parent, path.parent.parent / "lines")
                places = [folder / inner / f"{name}.png" for folder in folders for inner in (f"{group}/{form}", "")]
                yield place, next((picture for picture in places if picture.is_file()), places[0]), text.replace("|", " ")
            elif line.strip() and not line.startswith("#"):
                expected = "expected the form 'a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop'"
                yield place, ValueError(f"{place}: {expected}, received {line!r:.80}."), ""


def _read_pages(files):
    seen = {}
    for path in (path for path in files if path.suffix == ".xml"):
        try:
            root = _parse(path)
            if _tag(root) not in _PAGES and len(files) > 1:  # such as METS
                continue
            if _tag(root) not in _PAGES:
                raise ValueError(f"expected PAGE or ALTO XML, received <{_tag(root)}>.")
            name, size, lines = _PAGES[_tag(root)](root)
            picture = _picture_of(path, name)
            if seen.setdefault(picture, path) != path:
                raise ValueError(f"{seen[picture]} has the lines of {picture} already; read one of the two.")
            yield from _crops(path, picture, size, lines)
        except ValueError as error:
            yield str(path), ValueError(f"{path}: {error}"), ""


def _crops(path, picture, size, lines):
    page = None
    for name, points, text in lines:
        place = f"{path}, line {name}"
        if not text.strip():
            yield place, None, ""
            continue
        if page is None:
            page = open_grey(picture)
            scale = _scale(picture, size, page.size)
        try:
            yield place, _crop(page, [(x * scale[0], y * scale[1]) for x, y in points]), text
        except ValueError as error:
            yield place, ValueError(f"{place}: {error}"), ""


def _scale(picture, size, actual):
    """What the coordinates of a page are multiplied by: other units than pixels, or a picture that was made smaller."""
    if not all(size):
        return 1.0, 1.0
    scale = actual[0] / size[0], actual[1] / size[1]
    if abs(scale[0] / scale[1] - 1) > _SLACK:
        says = f"{size[0]:g} x {size[1]:g}, but {picture} is {actual[0]} x {actual[1]} pixels"
        raise ValueError(f"its page is {says}; expected the picture that was transcribed.")
    return scale


def _crop(page, points):
    if len(points) < 3:
        raise ValueError(f"expected a polygon of three points or more, received {len(points)}.")
    xs, ys = zip(*points)
    outside = f"its polygon lies outside of the picture, which is {page.width} x {page.height} pixels."
    if not max(map(abs, (*xs, *ys))) < _FARTHEST:  # so written that NaN is refused too
        raise ValueError(outside)
    left, top = max(0, math.floor(min(xs))), max(0, math.floor(min(ys)))
    right, bottom = min(page.width, math.ceil(max(xs)) + 1), min(page.height, math.ceil(max(ys)) + 1)
    if left >= right or top >= bottom:
        raise ValueError(outside)
    line = page.crop((left, top, right, bottom))
    inside = Image.new("L", line.size)
    ImageDraw.Draw(inside).polygon([(x - left, y - top) for x, y in points], fill=255)
    paper = ImageStat.Stat(line, inside).median[0]
    stream = io.BytesIO()  # as a file: less memory, and the same bytes for the same line, by which a broken run goes on
    Image.composite(line, Image.new("L", line.size, paper), inside).save(stream, "PNG", compress_level=1)
    return stream.getvalue()


def _page(root):
    page = _only(root, "Page")
    lines = []
    for line in _all(page, "TextLine"):
        texts = [found for found in line if _tag(found) == "TextEquiv"]
        best = min(texts, key=lambda found: int(found.get("index", 0)), default=())
        text = next((found.text or "" for found in best if _tag(found) == "Unicode"), "")
        points = next((found.get("points", "") for found in line if _tag(found) == "Coords"), "")
        lines.append((line.get("id"), _points(points), text))
    size = (float(page.get("imageWidth", 0)), float(page.get("imageHeight", 0)))
    return page.get("imageFilename", ""), size, lines


def _alto(root):
    page = _only(root, "Page")
    name = next((found.text or "" for found in _all(root, "fileName")), "")
    lines = []
    for line in _all(page, "TextLine"):
        shapes = (shape for found in line if _tag(found) == "Shape" for shape in found if _tag(shape) == "Polygon")
        x, y, width, height = (float(line.get(side, 0)) for side in ("HPOS", "VPOS", "WIDTH", "HEIGHT"))
        right, bottom = x + width - 1, y + height - 1
        box = [(x, y), (right, y), (right, bottom), (x, bottom)]
        lines.append((line.get("ID"), _points(next(shapes, {}).get("POINTS", "")) or box, _content(line)))
    size = (float(page.get("WIDTH", 0)), float(page.get("HEIGHT", 0)))
    unit = next((found.text for found in _all(root, "MeasurementUnit")), "pixel")
    if unit != "pixel" and not all(size):
        raise ValueError(f"its unit is {unit!r}; expected pixel, or the page's WIDTH and HEIGHT to scale by.")
    return name, size, lines


def _content(line):
    """The text of an ALTO line; where its producer writes no spaces (SP), words are joined with them."""
    spaced = any(_tag(found) == "SP" for found in line)
    text = ""
    for found in line:
        if _tag(found) == "SP":
            text += " "
        elif _tag(found) == "String":
            text += ("" if spaced or not text else " ") + found.get("CONTENT", "")
        elif _tag(found) == "HYP":
            text += found.get("CONTENT", "-")
    return text


def _points(text):
    """`x,y x,y ...`, or the same with spaces only -> a list of `(x, y)`."""
    numbers = [float(number) for number in re.split(r"[\s,]+", text.strip()) if number]
    return list(zip(numbers[::2], numbers[1::2]))


def _picture_of(path, name):
    """The page's picture. Only its name counts: what comes before it is a folder of the transcriber's machine."""
    name = re.split(r"[/\\]", name.strip())[-1]
    for folder in (path.parent, path.parent.parent):
        if name and (folder / name).is_file():
            return folder / name
    raise ValueError(f"there is no picture {name!r} beside it or one folder up.")


def _parse(path):
    try:
        return ElementTree.parse(path, ElementTree.XMLParser(target=_Tree())).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML ({error}).") from error


class _Tree(ElementTree.TreeBuilder):
    """Stops at a DOCTYPE: without one there are no entities, so none that grow without bound or name other files."""

    def doctype(self, name, public, system):
        raise ValueError("it has a DOCTYPE, which PAGE and ALTO do not need; take it out if you trust the file.")


def _tag(element):
    return element.tag.rpartition("}")[2]  # without its namespace, which names the version


def _all(root, tag):
    return [element for element in root.iter() if _tag(element) == tag]


def _only(root, tag):
    found = _all(root, tag)
    if len(found) != 1:
        raise ValueError(f"expected one page a file, received {len(found)}.")
    return found[0]


_FORMS = {".gt.txt": _read_pairs, "lines.txt": _read_iam, ".xml": _read_pages}
_PAGES = {"PcGts": _page, "alto": _alto}
