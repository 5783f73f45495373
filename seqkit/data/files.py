"""Files: their text, whatever its encoding says of itself, and their names, whatever machine wrote them down.

Convention: text is UTF-8, with or without a byte order mark, or UTF-16 or UTF-32 with one. All else is refused by its line:
Windows-1252 read as another encoding would be wrong letters without a word. A name finds its file also where the two
differ in Unicode form, in case, in the direction of its slashes or in being percent-encoded; of several none is taken.
"""

import codecs
import os
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

_MARKS = {  # UTF-32 first: its mark begins as that of UTF-16 does
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def read_text(path, errors="strict"):
    """The text of a file as it is, but for its byte order mark; ValueError with the line where it cannot be decoded."""
    encoding = _encoding(path)
    try:
        return path.read_bytes().decode(encoding, errors)
    except UnicodeDecodeError:
        raise _refusal(path, encoding) from None


def text_lines(path, newline=None, errors="strict"):
    """Yields the lines of a file, each with its end, without holding all of them.

    Args:
        path: `Path`.
        newline, errors: as of `open`: where lines end, and what becomes of what cannot be decoded.

    Raises:
        ValueError: the file cannot be decoded; the message says at which line.
    """
    encoding = _encoding(path)
    with path.open(encoding=encoding, newline=newline, errors=errors) as file:
        try:
            yield from file
        except UnicodeError:
            raise _refusal(path, encoding) from None


def files_in(path):
    """The files of a directory and of those in it, in order, but for names that start with a dot; of a file, that alone."""
    if not path.is_dir():
        return [path]
    inside = (file for file in sorted(path.rglob("*")) if file.is_file())
    return [file for file in inside if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def ends(ending):
    """A function of a path: whether its name ends so, or in one of several ways, in small letters or capitals."""
    return lambda path: path.name.lower().endswith(ending)


def called(name):
    """A function of a path: whether this is its name, in small letters or capitals."""
    return lambda path: path.name.lower() == name


class Finder:
    """Finds files by names. It keeps the listings of folders, so one serves one reading and is then forgotten."""

    def __init__(self):
        self._listings = {}

    def find(self, folder, name):
        """The path of a file named from `folder` on, or None."""
        for spelt in dict.fromkeys((name, unquote(name))):
            exact = folder / spelt
            if os.path.isfile(exact):
                return exact
            place = Path(exact.anchor) if os.path.isabs(spelt) else folder
            for part in filter(None, re.split(r"[/\\]", spelt)):
                place = self._step(place, part)
            if place and os.path.isfile(place):
                return place
        return None

    def _step(self, place, part):
        if place is None or part == ".":
            return place
        if os.path.exists(place / part):
            return place / part
        if place not in self._listings:
            names = self._listings[place] = {}
            for name in os.listdir(place) if os.path.isdir(place) else ():
                names.setdefault(_key(name), []).append(name)
        names = self._listings[place].get(_key(part), ())
        return place / names[0] if len(names) == 1 else None


def _key(name):
    return unicodedata.normalize("NFC", name).casefold()


def _encoding(path):
    with path.open("rb") as file:
        head = file.read(4)
    return next((encoding for mark, encoding in _MARKS.items() if head.startswith(mark)), "utf-8-sig")


def _refusal(path, encoding):
    content = path.read_bytes()
    try:
        content.decode(encoding)
    except UnicodeDecodeError as error:
        line = len(re.findall(r"\r\n|\r|\n", content[: error.start].decode(encoding, "ignore"))) + 1
        kind = "UTF-8" if encoding == "utf-8-sig" else encoding.upper()
        perhaps = ", perhaps Windows-1252 or Latin-1" if encoding == "utf-8-sig" else ""
        return ValueError(f"{path}, line {line}: not {kind} ({error.reason}){perhaps}; save it as UTF-8.")
    return ValueError(f"{path}: it changed while it was read.")
