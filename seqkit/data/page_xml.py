"""PAGE and ALTO of any version, parsed: one page -> its picture's name, its size, and its lines with their polygons.

Convention: a line's text is its own (of PAGE the alternative with the lowest index); where no line of a PAGE has one, that
of its words, joined with spaces. Its polygon is its own too; ALTO may give a box instead. A line that cannot be read is a
ValueError, and the others stay. Left out: regions, baselines, reading order.
"""

import re
from xml.etree import ElementTree


class NoPage(ValueError):
    """XML that is neither PAGE nor ALTO, such as METS."""


def read_page_xml(path):
    """Parses a file of either kind.

    Args:
        path: `Path`.

    Returns:
        `(name, size, lines)`: the picture's name as the file has it; the page's width and height in the unit of the
        coordinates, 0 where they are not given; and `(id, polygon, text)` of each line, in order. The polygon is a tuple of
        `(x, y)`, or a ValueError, or None where there is no text.

    Raises:
        NoPage: it is other XML.
        ValueError: it is not XML, or its page cannot be read; the message does not name the file.
    """
    try:
        root = ElementTree.parse(path, ElementTree.XMLParser(target=_Tree())).getroot()
    except ElementTree.ParseError as error:
        raise ValueError(f"not XML ({error}).") from error
    if _tag(root) not in _KINDS:
        raise NoPage(f"expected PAGE or ALTO XML, received <{_tag(root)}>.")
    return _KINDS[_tag(root)](root)


def _page(root):
    page = _only(root, "Page")
    lines = _all(page, "TextLine")
    by_words = not any(_has_text(line) for line in lines)

    def read(line):
        if not by_words:
            return _text(line)
        return " ".join(filter(None, (_text(word).strip() for word in line if _tag(word) == "Word")))

    def points(line):
        coordinates = next((part for part in line if _tag(part) == "Coords"), None)
        if coordinates is None:
            return _polygon([])
        corners = [f"{part.get('x')} {part.get('y')}" for part in coordinates if _tag(part) == "Point"]  # until 2010
        return _polygon(_numbers(" ".join(corners) or coordinates.get("points", "")))

    size = _number(page, "imageWidth"), _number(page, "imageHeight")
    return page.get("imageFilename", ""), size, _lines(lines, "id", read, points)


def _alto(root):
    page = _only(root, "Page")
    name = next((part.text or "" for part in _all(root, "fileName")), "")
    size = _number(page, "WIDTH"), _number(page, "HEIGHT")
    unit = next((part.text for part in _all(root, "MeasurementUnit")), "pixel")
    if unit != "pixel" and not all(size):
        raise ValueError(f"its unit is {unit!r}; expected pixel, or the page's WIDTH and HEIGHT to scale by.")
    return name, size, _lines(_all(page, "TextLine"), "ID", _content, _shape)


def _lines(lines, attribute, read, points):
    """The name, polygon and text of each line; `attribute` has the name."""
    parsed = []
    for number, line in enumerate(lines, 1):
        text, polygon = "", None
        try:
            text = read(line)
            polygon = points(line) if text.strip() else None
        except ValueError as error:
            polygon = error
        parsed.append((line.get(attribute) or f"number {number}", polygon, text))
    return parsed


def _has_text(line):
    return any((form.text or "").strip() for part in line if _tag(part) == "TextEquiv" for form in part)


def _text(line):
    """The text of a line or word of PAGE."""
    texts = [part for part in line if _tag(part) == "TextEquiv"]
    best = min(texts, key=_index) if len(texts) > 1 else next(iter(texts), ())
    forms = {_tag(part): part.text or "" for part in best}
    return forms.get("Unicode", forms.get("PlainText", ""))


def _index(text):
    try:
        return int(text.get("index", 0))
    except ValueError:
        raise ValueError(f"expected whole numbers for the index of its texts, received {text.get('index')!r}.") from None


def _content(line):
    """The text of an ALTO line; where its producer writes no spaces (SP), words are joined with them."""
    spaced = any(_tag(part) == "SP" for part in line)
    text = ""
    for part in line:
        if _tag(part) == "SP":
            text += " "
        elif _tag(part) == "String":
            text += ("" if spaced or not text else " ") + part.get("CONTENT", "")
        elif _tag(part) == "HYP":
            text += part.get("CONTENT", "-")
    return text


def _shape(line):
    """The polygon of an ALTO line, or the corners of its box."""
    for shape in (shape for part in line if _tag(part) == "Shape" for shape in part):
        if _tag(shape) == "Polygon":
            return _polygon(_numbers(shape.get("POINTS", "")))
    sides = ("HPOS", "VPOS", "WIDTH", "HEIGHT")
    if any(line.get(side) is None for side in sides):
        raise ValueError(f"expected a box or a polygon, received {', '.join(filter(line.get, sides)) or 'neither'}.")
    x, y, width, height = (_number(line, side) for side in sides)
    if not (width > 0 and height > 0):
        raise ValueError(f"expected a box or a polygon with room in it, received a box of {width:g} x {height:g}.")
    right, bottom = x + width - 1, y + height - 1
    return (x, y), (right, y), (right, bottom), (x, bottom)


def _numbers(text):
    """`x,y x,y ...`, or the same with spaces only -> a list of numbers."""
    numbers = []
    for number in filter(None, re.split(r"[\s,]+", text)):
        try:
            numbers.append(float(number))
        except ValueError:
            raise ValueError(f"expected a box or a polygon, whose coordinates are numbers; received {number!r}.") from None
    return numbers


def _polygon(numbers):
    if len(numbers) % 2:
        raise ValueError(f"expected a box or a polygon, whose points are pairs; received {len(numbers)} coordinates.")
    points = tuple(zip(numbers[::2], numbers[1::2]))
    if len(points) < 3:
        raise ValueError(f"expected a box or a polygon of three points or more, received {len(points)}.")
    crosses = (x * below - right * y for (x, y), (right, below) in zip(points, points[1:] + points[:1]))
    if sum(crosses) == 0:
        raise ValueError("expected a box or a polygon with room in it, received one that is flat.")
    return points


def _number(element, attribute):
    """A number that an element may lack: then it is 0."""
    value = (element.get(attribute) or "").strip()
    try:
        return float(value or 0)
    except ValueError:
        raise ValueError(f"expected a number for {attribute}, received {value!r}.") from None


class _Tree(ElementTree.TreeBuilder):
    """Stops at a DOCTYPE: without one there are no entities, so none that grow without bound or name other files."""

    def doctype(self, name, public, system):
        raise ValueError("it has a DOCTYPE, which PAGE and ALTO do not need; take it out if you trust the file.")


def _tag(element):
    return element.tag.rpartition("}")[2]  # without its namespace, which names the version


def _all(root, tag):
    return [element for element in root.iter() if _tag(element) == tag]


def _only(root, tag):
    elements = _all(root, tag)
    if len(elements) != 1:
        raise ValueError(f"expected one page a file, received {len(elements)}.")
    return elements[0]


_KINDS = {"PcGts": _page, "alto": _alto}
