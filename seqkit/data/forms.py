"""Forms besides tables in which people keep inputs that are files, by the kind of input: which one a path has, and its reading.

Convention: a form is told by the names of its files; of a directory that holds several, the first of FORMS is read, from its
subfolders too. Where a directory is a corpus that has a table, the path stands for that table. Left out: what the forms hold
(`transcribed.py`, `recordings.py`), tables (`listed.py`).
"""

from seqkit.data import recordings, transcribed
from seqkit.data.files import files_in

FORMS = {"image": transcribed.FORMS, "audio": recordings.FORMS}
EXPECTED = {
    "image": "lines as *.gt.txt, lines.txt or PAGE or ALTO *.xml",
    "audio": "recordings with *.trans.txt, validated.tsv, metadata.csv or wav.scp",
}
_TABLES = {"audio": ("validated.tsv",)}  # Common Voice's


def table_in(path, kind):
    """The table that a directory of inputs of this kind stands for; or else the path itself."""
    return next((path / name for name in _TABLES.get(kind, ()) if (path / name).is_file()), path)


def has_form(path, kind):
    """Whether a file is, or a directory holds, one of the forms for a kind of input; false for kinds that have none."""
    return any(fits(file) for file in files_in(path) for fits, _ in FORMS.get(kind, ()))


def read_form(path, kind):
    """Reads the examples of a file or directory, lazily.

    Args:
        path: `Path`.
        kind: one of FORMS.

    Yields:
        `(name, input, text)`: `str`, by which whoever has to mend it finds it; a `Path`, or what has a `read()`, or a
        ValueError that refuses the example, or None where nobody has transcribed it; `str` as it was written.

    Raises:
        ValueError: it has none of the forms.
    """
    files = files_in(path)
    for fits, read in FORMS[kind]:
        if any(map(fits, files)):
            return read(files)
    raise no_form(path, EXPECTED[kind])


def no_form(path, expected):
    """The ValueError for a path that is no manifest and has none of the forms that are expected."""
    received = "a directory without any" if path.is_dir() else repr(path.suffix)
    return ValueError(f"{path}: expected a manifest, or {expected}; received {received}.")
