"""Tables whose rows name files, of pictures or recordings, and give the text that is written or said there.

Convention: a file is looked up from the table's folder, then in `clips/` there, where Common Voice (Ardila et al., 2020) has
them. Columns of recordings also go by the names in USUAL, the first that the table has, where `columns` names no other.
`offset` beside `duration`, both in seconds, is NeMo's: the input is that stretch of the recording. Left out: what a table
says of speakers, and its durations where there is no offset.
"""

from seqkit.data.files import Finder
from seqkit.data.stretches import Stretch
from seqkit.data.tables import read_columns, read_rows

USUAL = {
    "audio": {
        "audio": ("audio", "audio_filepath", "path", "file", "file_name", "filename", "wav"),
        "text": ("text", "sentence", "transcript", "transcription"),
    }
}
STRETCH = ("offset", "duration")
FOLDERS = ("", "clips")


def usual_columns(path, names):
    """The columns to read of a table.

    Args:
        path: `Path`, with one of the suffixes of `TABLES`.
        names: dict of the input's and the target's name -> the column that is asked for, as of `read_examples`.

    Returns:
        The dict, with the usual names of columns that go by these, and those of STRETCH where the table has both.
    """
    usual = USUAL.get(next(iter(names)))
    if usual is None:
        return names
    there = read_columns(path)
    found = {field: _first(usual.get(field, ()), there, name) if name == field else name for field, name in names.items()}
    return {**found, **({name: name for name in STRETCH} if set(STRETCH) <= set(there) else {})}


def read_listed(path, names):
    """Yields the rows of a table, without holding all of them.

    Args:
        path, names: as of `usual_columns`.

    Yields:
        `(line, input, text)`: int from 1; a `Path`, or a `Stretch`, or a ValueError that says why there is none; `str` as it
        is written.

    Raises:
        ValueError: the table cannot be read, or lacks a column.
    """
    finder = Finder()
    for line, cells in read_rows(path, usual_columns(path, names)):
        if isinstance(cells, ValueError):
            yield line, cells, None
            continue
        name, text, *times = cells
        try:
            x = _file(finder, path.parent, name, text)
            x = Stretch(x, *_start_and_end(*times)) if times else x
        except ValueError as error:
            x = ValueError(f"{path}, line {line}: {error}")
        yield line, x, text


def _first(usual, there, name):
    return next((other for other in (name, *usual) if other in there), name)


def _file(finder, folder, name, text):
    if not isinstance(name, str) or not isinstance(text, str):
        raise ValueError(f"expected a file's name and its text, received {name!r:.80} and {text!r:.80}.")
    file = next(filter(None, (finder.find(folder / inner, name) for inner in FOLDERS)), None)
    if file is None:
        raise ValueError(f"there is no file {folder / name}.")
    return file


def _start_and_end(offset, duration):
    try:
        return float(offset), float(offset) + float(duration)
    except (TypeError, ValueError):
        raise ValueError(f"expected an offset and a duration in seconds, received {offset!r} and {duration!r}.") from None
