"""Examples: what people have on disk -> a list of `(input, target)` pairs.

A manifest is a table with a header: `.tsv` (no quoting), `.csv`, or `.jsonl` (one object a line). Two columns are
read, named after the pipeline's input and its answer (`text` and `label` for sentiment); others are ignored.

A column `image` or `audio` holds names of files, looked up from the manifest's folder, and what is said of them is a
transcription: Unicode NFC, without white space around it. Pictures of text lines also come as `transcribed.py` has them:
a path that is no manifest is one of those forms.
"""

import csv
import io
import json
import os
import unicodedata
from pathlib import Path

from seqkit.data.transcribed import read_transcribed, read_utf8

FILES = ("image", "audio")  # inputs that are files


def read_examples(source, input_name, target_name):
    """Reads labelled examples from any form `fit` and `evaluate` take.

    Args:
        source: a manifest's path; or, for pictures, that of transcribed lines; or an iterable of `(input, target)` pairs;
            or a finite `tf.data.Dataset` of such pairs, batched or not. All of it is read into memory; files are not
            opened, but for pages, whose lines are cropped (some 0.1 MB each at 300 dots an inch).
        input_name: `str`, the manifest's input column.
        target_name: `str`, the manifest's target column.

    Returns:
        A list of `(input, target)` pairs. The input of a manifest is `str`, or `Path` where it names a file; a line of a page
        is the `bytes` of a PNG.

    Raises:
        ValueError: a line or an example has another form or names a file that is not there, or there is no example; the
            message names the first, and counts the others where they could be read on.
        FileNotFoundError: there is no such manifest or directory.
    """
    if isinstance(source, (str, os.PathLike)):
        pairs = _sound(read_located(Path(source), input_name, target_name))
    elif hasattr(source, "element_spec"):
        pairs = _read_dataset(source)
    else:
        pairs = [_pair(example, place) for place, example in enumerate(source)]
    if not pairs:
        raise ValueError(f"There are no examples in {source!r}; expected at least one ({input_name}, {target_name}).")
    return [(x, transcription(y)) for x, y in pairs] if input_name in FILES else pairs


def read_located(path, input_name, target_name):
    """Yields `(place, input, target)` of a path, as in `transcribed.py`: a ValueError for an input that is not there."""
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    if path.suffix not in MANIFESTS and input_name == "image":
        rows = read_transcribed(path)
    else:
        rows = _read_manifest(path, input_name, target_name)
    for place, x, y in rows:
        if isinstance(x, Path) and not x.is_file():
            x = ValueError(f"{place}: there is no file {x}.")
        yield place, x, y


def read_columns(path):
    """The names of a manifest's columns, or an empty list where it has no row."""
    return next(([str(name) for name in row] for _, row in MANIFESTS[path.suffix](path)), [])


def transcription(target):
    """The form in which what is written or said is learnt; what is no text stays, for the task to refuse."""
    return unicodedata.normalize("NFC", target).strip() if isinstance(target, str) else target


def _sound(rows):
    pairs, wrong = [], []
    for _, x, y in rows:
        if isinstance(x, ValueError):
            wrong.append(x)
        elif x is not None:
            pairs.append((x, y))
    if wrong:
        others = f" And {len(wrong) - 1} more; `seqkit check` lists all." if len(wrong) > 1 else ""
        raise ValueError(f"{wrong[0]}{others}")
    return pairs


def _pair(example, place):
    if not isinstance(example, (tuple, list)) or len(example) != 2:
        raise ValueError(f"Example {place}: expected a pair (input, target), received {example!r:.80}.")
    return tuple(example)


def _read_dataset(dataset):
    spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2:
        raise ValueError(f"Expected a dataset of (input, target) pairs, received elements of the form {spec}.")
    if spec[1].shape.rank == 1:
        dataset = dataset.unbatch()
    return [(x, y.decode() if isinstance(y, bytes) else y) for x, y in dataset.as_numpy_iterator()]


def _read_manifest(path, input_name, target_name):
    if path.suffix not in MANIFESTS:
        raise ValueError(f"{path}: expected a manifest ending in {', '.join(MANIFESTS)}; received {path.suffix!r}.")
    for line, row in MANIFESTS[path.suffix](path):
        place = f"{path}, line {line}"
        lacking = [name for name in (input_name, target_name) if row.get(name) is None]
        if lacking:
            raise ValueError(f"{place}: no column {lacking[0]!r}; received {sorted(map(str, row))}.")
        x, y = row[input_name], row[target_name]
        if input_name in FILES:
            if not isinstance(x, str) or not isinstance(y, str):
                raise ValueError(f"{place}: expected a file's name and its text, received {x!r:.80} and {y!r:.80}.")
            x = path.parent / x
        yield place, x, y


def _rows_of_table(path):
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.suffix == ".tsv" else {}
    reader = csv.DictReader(io.StringIO(read_utf8(path), newline=""), **dialect)
    for row in reader:
        yield reader.line_num, row


def _rows_of_lines(path):
    for line, text in enumerate(io.StringIO(read_utf8(path)), 1):
        try:
            row = json.loads(text)
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {line}: not JSON ({error}).") from error
        if not isinstance(row, dict):
            raise ValueError(f"{path}, line {line}: expected an object, received {text.strip()!r:.80}.")
        yield line, row


MANIFESTS = {".tsv": _rows_of_table, ".csv": _rows_of_table, ".jsonl": _rows_of_lines}
