"""Tables as people have them on disk -> the cells of the columns that are asked for, row by row, each with its line.

Convention: the header decides how a table is written, never its cells. The separator is the tab, comma, semicolon or bar
that parts the header into the columns asked for; the first line end is that of all lines; `sep=;` on a line of its own is
Excel's. Blank lines are passed over.

- Parted by commas, semicolons or bars: quotes are as in RFC 4180, read by Python's `csv`; a cell that begins with a quote
  has to end with one, and those between are doubled. Spaces that follow each separator of the header are no part of cells.
- Parted by tabs: a quote is a sign like others, as in "She said", unless the cell is one that pandas or Excel put into quotes:
  it begins and ends with a quote, those between are doubled, and it has need of them, for it holds a tab, a line end or a
  quote; or the header's names are in quotes too. It runs over lines only if these would not be rows by themselves.
- `.jsonl` and `.ndjson` have an object a line, `.json` a list of objects or the same; values keep their types.

A row that cannot be read is a ValueError in place of its cells, so that reading goes on and all are named. Nothing is cut:
a row has as many cells as the header. Left out: spreadsheets, Parquet (hand in the frame), compressed files.
"""

import csv
import itertools
import json
import re
from collections import deque

from seqkit.data.files import read_text, text_lines

_SEPARATORS = ("\t", ",", ";", "|")
_QUOTED = re.compile(r'"[^"]*(?:""[^"]*)*"(?=\t|\Z)')
_CELL = re.compile(rf"{_QUOTED.pattern}|[^\t]*")
_OPEN = re.compile(r'"[^"]*(?:""[^"]*)*\Z')  # its end is on a later line, if anywhere
_REASONS = {
    "unexpected end of data": "a quote opens here and is never closed",
    "expected after": "a cell goes on after its closing quote; double the quotes inside of it",
    "new-line character": "a carriage return stands outside of quotes; put quotes around its cell",
}


def is_table(path):
    """Whether a path is read as a table, by its suffix."""
    return path.suffix.lower() in TABLES and not path.is_dir()


def read_columns(path):
    """The names of a table's columns, in order, or an empty list where it has no row. What cannot be decoded is left to
    `read_rows`, which says where it is."""
    read = TABLES[path.suffix.lower()]
    if read is _delimited:
        return _header(path, (), errors="replace")[1]
    return next((list(row) for _, row in read(path, None) if not isinstance(row, ValueError)), [])


def read_rows(path, columns):
    """Yields the rows of a table, without holding all of them.

    Args:
        path: `Path`, with one of the suffixes of `TABLES`.
        columns: dict of the name by which the caller knows a column -> its name in the table.

    Yields:
        `(line, cells)`: int, the line that the row begins in, from 1; and a list with one cell for each of `columns`, or a
        ValueError that says why there is none. Cells are `str`, or what JSON has.

    Raises:
        ValueError: the table cannot be read, or not as a whole: it lacks a column, or has two of one name.
    """
    return TABLES[path.suffix.lower()](path, columns)


def lacking(place, columns, there):
    """The ValueError for a row or header without all of the columns."""
    field, name = next((field, name) for field, name in columns.items() if name not in there)
    known = ", ".join(map(repr, there)) or "none"
    advice = f"If it goes by another name, say which: columns={{{field!r}: NAME}}, or --{field} NAME on the command line."
    return ValueError(f"{place}: no column {name!r}; its columns are {known}. {advice}")


def _delimited(path, columns):
    separator, header, line, records = _header(path, columns.values())
    place = f"{path}, line {line}"
    if not header:
        return
    if missing := set(columns.values()) - set(header):
        raise lacking(place, {field: name for field, name in columns.items() if name in missing}, header)
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise ValueError(f"{place}: two columns are named {twice[0]!r}; rename one of them.")
    places, width = [header.index(name) for name in columns.values()], len(header)
    mend = "take the tab out of the cell that holds it" if separator == "\t" else f"put quotes around a cell with {separator!r}"
    for line, cells in records:
        place = f"{path}, line {line}"
        if isinstance(cells, ValueError):
            yield line, ValueError(f"{place}: {cells}.")
        elif len(cells) < 2 and not "".join(cells).strip():
            continue
        elif len(cells) > width:
            yield line, ValueError(f"{place}: {len(cells)} cells, the header has {width}; {mend}.")
        elif len(cells) < width:
            count = f"{len(cells)} cell{'s' * (len(cells) > 1)}"
            yield line, ValueError(f"{place}: {count}, the header has {width}; the column {header[len(cells)]!r} is missing.")
        else:
            yield line, [cells[number] for number in places]


def _header(path, wanted, errors="strict"):
    """The separator, the header's names, its line, and the records after it."""
    numbered = enumerate(text_lines(path, _line_end(path), errors), 1)
    given = None
    for line, text in numbered:
        if line == 1 and (match := re.fullmatch(r"sep=(.)\s*", text, re.IGNORECASE)):
            given = match[1]
        elif "\0" in text:
            raise ValueError(f"{path}, line {line}: its header holds zero bytes; if it is UTF-16, save it as UTF-8.")
        elif text.strip():
            break
    else:
        return ",", [], 1, iter(())
    separator = given or _separator(text, path, set(wanted))
    marks = re.sub(r'"[^"]*"', '""', text)
    spaced = marks.count(separator) == marks.count(f"{separator} ") > 0
    csv.field_size_limit(max(csv.field_size_limit(), path.stat().st_size))  # a guard of the whole process: never lowered
    numbered = itertools.chain([(line, text)], numbered)
    records = _tab_records(numbered) if separator == "\t" else _csv_records(numbered, line, separator, spaced)
    _, header = next(records)
    if isinstance(header, ValueError):
        raise ValueError(f"{path}, line {line}: {header}.")
    return separator, [name.strip() for name in header], line, records


def _line_end(path):
    """What ends the lines of a file, as of `open`: that which ends its first. Others are signs in a cell."""
    first, second = [*itertools.islice(text_lines(path, newline="", errors="replace"), 2), "", ""][:2]
    return "\r" if first.endswith("\r") and second != "\r\n" else "\n"


def _separator(header, path, wanted):
    """The separator that parts the header into the columns asked for, or else the most frequent."""
    usual = "\t" if path.suffix.lower() == ".tsv" else ","
    order = (usual, *(sign for sign in _SEPARATORS if sign != usual))
    parts = {sign: next(csv.reader([header], delimiter=sign, skipinitialspace=True), []) for sign in order}
    if wanted:
        for sign, names in parts.items():
            if wanted <= {name.strip() for name in names}:
                return sign
    return max(order, key=lambda sign: len(parts[sign]))


def _csv_records(numbered, first, separator, spaced):
    lines = (text for _, text in numbered)
    reader = csv.reader(lines, delimiter=separator, strict=True, skipinitialspace=spaced)
    while True:
        line = first + reader.line_num
        try:
            yield line, next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            yield line, ValueError(next((why for sign, why in _REASONS.items() if sign in str(error)), str(error)))


def _tab_records(numbered):
    width, every, ahead = 0, False, deque()  # lines that were looked at already
    for line, text in iter(lambda: ahead.popleft() if ahead else next(numbered, None), None):
        record = text.rstrip("\r\n")
        if '"' not in record:
            cells = record.split("\t")
        else:
            more = _lines_to_closing(record, ahead, numbered)
            lines = [text, *(later for _, later in itertools.islice(ahead, more))]
            if more and not all(each.count("\t") + 1 == width for each in lines):
                record = "".join(lines).rstrip("\r\n")
                for _ in range(more):
                    ahead.popleft()
            cells = [record[start:end] for start, end in _spans(record)]
            every = every or (not width and all(map(_QUOTED.fullmatch, cells)))
            cells = [_unquoted(cell, every) for cell in cells]
        width = width or len(cells)
        yield line, cells


def _spans(record):
    """Where the cells of a record begin and end."""
    end = -1
    while end < len(record):
        start, end = _CELL.match(record, end + 1).span()
        yield start, end


def _unquoted(cell, every):
    if _QUOTED.fullmatch(cell) and (every or any(sign in cell[1:-1] for sign in '"\t\r\n')):
        return cell[1:-1].replace('""', '"')
    return cell


def _lines_to_closing(record, ahead, numbered):
    """How many more lines a record takes to close the quote that it leaves open; 0 if it leaves none, or none that is closed
    as it should be. `ahead` gets the lines that are looked at."""
    count = 0
    while any(_OPEN.match(record, start) for start, _ in _spans(record)):
        record = '"'
        while _OPEN.match(record):
            if count == len(ahead):
                following = next(numbered, None)
                if following is None:
                    return 0
                ahead.append(following)
            record = f'"{ahead[count][1]}'.rstrip("\r\n")  # as if the open cell began here
            count += 1
        if not _QUOTED.match(record):
            return 0
    return count


def _json_lines(path, columns):
    for line, text in enumerate(text_lines(path, errors="strict" if columns else "replace"), 1):
        if text.strip():
            yield line, _object(f"{path}, line {line}", lambda text=text: json.loads(text, object_pairs_hook=_once), columns)


def _json_list(path, columns):
    text = read_text(path, errors="strict" if columns else "replace")
    place = _past_space(text, 0)
    if not text.startswith("[", place):
        yield from _json_lines(path, columns)
        return
    decoder, line, counted = json.JSONDecoder(object_pairs_hook=_once), 1, 0
    place = _past_space(text, place + 1)
    while not text.startswith("]", place):
        line, counted = line + text.count("\n", counted, place), place
        try:
            row, place = decoder.raw_decode(text, place)
        except ValueError as error:
            raise ValueError(f"{path}, line {line}: not JSON ({error}).") from error
        yield line, _object(f"{path}, line {line}", lambda row=row: row, columns)
        place = _past_space(text, place)
        if text.startswith(",", place):
            place = _past_space(text, place + 1)
        elif not text.startswith("]", place):
            raise ValueError(f"{path}, line {line}: not JSON (expected a comma or the end of the list after this object).")


def _past_space(text, place):
    return re.compile(r"\s*").match(text, place).end()


def _object(place, load, columns):
    """The cells of an object, or without `columns` the object; a ValueError where it cannot be read."""
    try:
        row = load()
    except json.JSONDecodeError as error:
        return ValueError(f"{place}: not JSON ({error}).")
    except ValueError as error:
        return ValueError(f"{place}: {error}.")
    if not isinstance(row, dict):
        return ValueError(f"{place}: expected an object, received {row!r:.80}.")
    if columns is None:
        return row
    if not set(columns.values()) <= set(row):
        return lacking(place, columns, row)
    return [row[name] for name in columns.values()]


def _once(pairs):
    row = dict(pairs)
    if len(row) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"two fields are named {next(name for name in names if names.count(name) > 1)!r}")
    return row


TABLES = {  # by suffix, in lower case
    ".tsv": _delimited,
    ".csv": _delimited,
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_list,
    ".txt": _delimited,
}
