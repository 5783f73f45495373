"""Texts in two languages as corpora keep them -> `(name, text, translation)`, pair by pair.

Convention: the columns are called as the languages are, by their codes.

- Two files of lines, the Nth of each a pair, whose names differ in the code at their end: `train.en` and `train.de`, or such
  with `.gz` behind it (Moses; Koehn et al., 2007). Both are found by what they share (`train`), or by the folder that holds
  these two alone.
- `.tmx`, or `.tmx.gz` (Translation Memory eXchange): a unit's segments in both languages, of "en-GB" too where it is "en".

A pair that is empty on both sides is a blank line. What is missing is a ValueError in the pair's place. Left out: tables, which
`tables.py` reads; Tatoeba's, which has no header.
"""

import gzip
import itertools
from pathlib import Path
from xml.etree import ElementTree

from seqkit.data.files import ends, files_in, text_lines

_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
_is_tmx = ends((".tmx", ".tmx.gz"))


def parallel_files(path, names):
    """The two files of lines that a path stands for, or None.

    Args:
        path: `Path` of what their names share, or of their folder.
        names: dict of "text" and "translation" -> the ends of their names.
    """
    if set(names) != {"text", "translation"}:
        return None
    folder, inside = (path, files_in(path)) if path.is_dir() else (path.parent, [])
    found = []
    for language in names.values():
        shared = [path.with_name(f"{path.name}.{language}{packed}") for packed in ("", ".gz")]
        there = [file for file in inside if file.parent == folder and ends((f".{language}", f".{language}.gz"))(file)]
        found.append([file for file in shared if file.is_file()] or there)
    return tuple(files[0] for files in found) if all(len(files) == 1 for files in found) else None


def has_pairs(path, names):
    """Whether a path is, or stands for, texts in two languages, by the names of the files."""
    return (path.is_file() and _is_tmx(path)) or parallel_files(path, names) is not None


def read_pairs(path, names):
    """Yields `(name, text, translation)`; the text may be a ValueError that refuses the pair.

    Raises:
        ValueError: a file cannot be read as what its name says.
    """
    if files := parallel_files(path, names):
        yield from _of_lines(*files)
    else:
        yield from _of_tmx(path, tuple(names.values()))


def _of_lines(first, second):
    both = (_lines(file) for file in (first, second))
    for line, (text, translation) in enumerate(itertools.zip_longest(*both), 1):
        name = f"{first}, line {line}"
        if text is None or translation is None:
            longer, shorter = (first, second) if translation is None else (second, first)
            yield name, ValueError(f"{longer}, line {line}: {shorter} ends before, at line {line - 1}; both need as many."), ""
            return
        if text.strip() or translation.strip():
            yield name, text.strip(), translation.strip()


def _lines(path):
    """The lines of a file, which ends where a line feed stands and nowhere else: other line ends may lie inside a text."""
    if path.suffix != ".gz":
        yield from text_lines(path, newline="\n")
        return
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="\n") as file:
            yield from file
    except (OSError, EOFError, UnicodeError) as error:
        raise ValueError(f"{path}: expected gzipped lines of UTF-8; {error}.") from error


def _of_tmx(path, languages):
    open_ = gzip.open if path.suffix.lower() == ".gz" else Path.open
    count = 0
    try:
        with open_(path, "rb") as file:
            for _, unit in ElementTree.iterparse(file):
                if _tag(unit) != "tu":
                    continue
                count += 1
                name, texts = f"{path}, unit {count}", _segments(unit)
                sides = [_of_language(texts, language) for language in languages]
                unit.clear()
                if None in sides:
                    lacking = languages[sides.index(None)]
                    yield name, ValueError(f"{name}: there is no text in {lacking!r}; it has {sorted(texts)}."), ""
                elif any(side.strip() for side in sides):
                    yield name, *(side.strip() for side in sides)
    except (ElementTree.ParseError, OSError, EOFError) as error:
        raise ValueError(f"{path}: expected TMX ({error}).") from error


def _segments(unit):
    """Language -> text of a unit; inside of a segment, markup is left out and its text is kept."""
    texts = {}
    for variant in unit:
        if _tag(variant) == "tuv":
            language = variant.get(_LANGUAGE) or variant.get("lang") or ""
            segment = next((part for part in variant if _tag(part) == "seg"), None)
            texts[language] = "" if segment is None else "".join(segment.itertext())
    return texts


def _of_language(texts, language):
    exact = [text for code, text in texts.items() if code.lower() == language.lower()]
    wider = [text for code, text in texts.items() if code.lower().replace("_", "-").startswith(f"{language.lower()}-")]
    return next(iter([*exact, *wider]), None)


def _tag(element):
    return element.tag.rpartition("}")[2]
