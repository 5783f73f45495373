"""Examples from whatever form people have them in: `read_examples`.

Two columns are read, named after the pipeline's input and its answer (`text` and `label` for sentiment), or as `columns`
says; others are ignored. A manifest is a table on disk (`tables.py`); a frame (pandas, polars, Arrow), a dict of columns and
rows that are dicts (Hugging Face's) have columns too; pairs and datasets of pairs need none.

Values are Python's own: a label is a `str`, `int`, `float` or `bool`, as the source has it; in a .csv or .tsv all are `str`.
A column `image` or `audio` holds names of files (`listed.py`), and what goes with them is a transcription: Unicode NFC,
without white space around it. Points in a cell are JSON. Pictures of text lines and recordings of speech also come as
`transcribed.py` and `recordings.py` have them: a path that is no table is one of those forms. Recordings with labels may lie in
folders, a label's in one of its name.

Nothing is passed over but blank lines: an example that cannot be one, such as one without a label, is refused by its name.
"""

import json
import os
import sys
import unicodedata
from array import array
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from seqkit.data.examples import Examples
from seqkit.data.forms import FORMS, has_form, read_form, table_in
from seqkit.data.listed import read_listed
from seqkit.data.parallel import has_pairs, read_pairs
from seqkit.data.recordings import read_folders
from seqkit.data.tables import TABLES, is_table, lacking, read_columns, read_rows

MOST = 1_000_000  # examples of a source that does not say how many it has: it may never end


def read_examples(source, input_name, target_name, columns=None, usual=None):
    """Reads labelled examples from any form `fit` and `evaluate` take.

    Args:
        source: a manifest's path; or that of transcribed lines or of a speech corpus; a frame or a dict of columns; an
            iterable of `(input, target)` pairs or of dicts; or a finite `tf.data.Dataset` of the like, batched or not. Inputs
            that are files are not opened, and lines of pages and stretches of recordings not cut, before they are asked for.
        input_name: `str`, the input's column.
        target_name: `str`, the target's column.
        columns: dict of these two names, or one of them -> the name that the source has for it.
        usual: dict of the like -> names that it goes by too where `columns` says none, the first that there is. Those of
            texts in two languages begin with the languages' codes.

    Returns:
        `Examples`. The input of a manifest is `str`, or `Path` where it names a file, or a list where it is points; a line of
        a page is the `bytes` of a PNG, a stretch of a recording `(samples, rate)` as of `Stretch.read`.

    Raises:
        ValueError: an example has another form, lacks its input or target or names a file that is not there, or there is no
            example, or no end of them; the message names the first, and counts the others.
        FileNotFoundError: there is no such manifest or directory.
    """
    names = _names(input_name, target_name, columns, usual)
    if isinstance(source, Examples):
        return source
    if isinstance(source, (str, os.PathLike)):
        path = table_in(Path(source), input_name)
        rows = _located(path, names)
        if _of_table(path, input_name):
            return _gathered(rows, names, source, array("q"), lambda line: f"{path}, line {line}")
        return _gathered(rows, names, source, [], str)
    name_of = "Example {}".format
    if hasattr(source, "element_spec"):
        rows = _read_dataset(source, names)
    elif (both := _columns(source, names)) is not None:
        rows = zip(*both)
    else:
        rows = (_pair(example, name_of(place), names) for place, example in enumerate(source))
    if not (hasattr(source, "__len__") if not hasattr(source, "element_spec") else int(source.cardinality()) >= 0):
        rows = _ending(rows)
    rows = ((place, *refined(name_of(place), *row, names)) for place, row in enumerate(rows))
    return _gathered(rows, names, source, None, name_of)


def read_located(path, input_name, target_name, columns=None, usual=None):
    """Yields `(name, input, target)` of a path as `read_examples` reads it, but all: the input may be a ValueError, which
    refuses the example, or None, for a line of a page that nobody has transcribed; a target may be empty."""
    path = table_in(path, input_name)
    name_of = (lambda line: f"{path}, line {line}") if _of_table(path, input_name) else str
    for key, x, y in _located(path, _names(input_name, target_name, columns, usual)):
        yield name_of(key), x, y


def transcription(target):
    """The form in which what is written or said is learnt; what is no text stays, for the task to refuse."""
    return unicodedata.normalize("NFC", target).strip() if isinstance(target, str) else target


def is_empty(target):
    """Whether a target says nothing that can be seen: `fit` refuses it, and `check` lists it."""
    return isinstance(target, str) and all(sign.isspace() or unicodedata.category(sign) in ("Cc", "Cf") for sign in target)


def refined(name, x, y, names):
    """An input and its target as they are handed on, or a ValueError and None; `names` are those of both, as of `_names`."""
    (input_name, target_name), y = names, _scalar(y)
    for part, value in ((input_name, x), (target_name, y)):
        if _is_missing(value):
            return ValueError(f"{name}: expected a {part}, received {value!r}; fill it in, or leave the example out."), None
    if isinstance(y, (bytes, Mapping, list, tuple, np.ndarray)):
        return ValueError(f"{name}: expected one {target_name}, as a text or a number, received {y!r:.80}."), None
    if isinstance(x, (str, bytes)) and type(x) not in (str, bytes):  # such as NumPy's
        x = "".join(x) if isinstance(x, str) else bytes(x)
    if input_name == "text":
        x = _scalar(x, text=False)
        if not isinstance(x, (str, bytes)):
            return ValueError(f"{name}: expected a text, received {type(x).__name__} {x!r:.80}."), None
    if input_name == "points" and isinstance(x, str):
        try:
            x = json.loads(x)
        except ValueError as error:
            return ValueError(f"{name}: expected points, such as [[0, 0], [3, 4]], received {x!r:.40} ({error})."), None
    return x, y


class _Names(dict):
    """The names by which the pipeline knows both columns -> those in the source; `usual` has others that they go by."""

    usual = {}

    def among(self, there):
        """The names in a source that has these columns."""
        return {
            name: next((each for each in (known, *self.usual.get(name, ())) if each in there), known)
            if known == name
            else known
            for name, known in self.items()
        }

    @property
    def languages(self):
        """The names where they are those of languages."""
        return {name: self.usual.get(name, (known,))[0] if known == name else known for name, known in self.items()}


def _names(input_name, target_name, columns, usual=None):
    unknown = sorted(set(columns or ()) - {input_name, target_name})
    if unknown:
        raise ValueError(f"columns says where {unknown[0]!r} is; expected {input_name!r} or {target_name!r}.")
    names = _Names({input_name: input_name, target_name: target_name, **(columns or {})})
    names.usual = usual or {}
    return names


def _of_table(path, input_name):
    return is_table(path) and not has_form(path, input_name)


def _located(path, names):
    """The rows of a path, each with its key: the line of a table, or elsewhere its name."""
    input_name = next(iter(names))
    if "translation" in names and has_pairs(path, names.languages):
        for name, x, y in read_pairs(path, names.languages):
            yield name, x, y
        return
    if not path.exists():
        raise FileNotFoundError(f"There is no {path}.")
    if _of_table(path, input_name):
        yield from read_listed(path, names) if input_name in FORMS else _read_table(path, names)
    elif input_name == "audio" and "label" in names and path.is_dir():
        yield from read_folders(path)
    elif input_name in FORMS:
        for name, x, y in read_form(path, input_name):
            if isinstance(x, Path) and not x.is_file():
                x = ValueError(f"{name}: there is no file {x}.")
            yield name, x, y
    else:
        raise ValueError(f"{path}: expected a manifest ending in {', '.join(TABLES)}; received {path.suffix!r}.")


def _read_table(path, names):
    input_name = next(iter(names))
    for line, cells in read_rows(path, names.among(read_columns(path)) if names.usual else names):
        if isinstance(cells, ValueError):
            yield line, cells, None
        elif input_name == "text" and all(type(cell) is str for cell in cells):  # most rows: nothing to refine
            yield line, *cells
        else:
            yield line, *refined(f"{path}, line {line}", *cells, names)


def _gathered(rows, names, source, keys, name_of):
    """`Examples` of the rows of a source, or the ValueError that refuses it.

    `name_of` makes a name of a row's key. `keys`, empty, gets those keys; None where they are the places.
    """
    inputs, targets, first, wrong, untranscribed = [], [], None, 0, 0
    input_name, target_name = names
    for key, x, y in rows:
        if x is None:
            untranscribed += 1
            continue
        if not isinstance(x, ValueError) and is_empty(y):
            x = ValueError(f"{name_of(key)}: expected a {target_name}, received {y!r}; fill it in, or leave the example out.")
        if isinstance(x, ValueError):
            first, wrong = first or x, wrong + 1
        elif not wrong:
            inputs.append(str(x) if keys is not None and isinstance(x, Path) else x)
            # Labels are few, and each is kept once.
            long = input_name in FORMS or target_name == "translation"
            targets.append(transcription(y) if long else sys.intern(y) if type(y) is str else y)
            if keys is not None:
                keys.append(key)
    if wrong:
        on_disk = "; `seqkit check` lists all" if isinstance(source, (str, os.PathLike)) else ""
        raise ValueError(f"{first} And {wrong - 1} more{on_disk}." if wrong > 1 else f"{first}")
    if not inputs:
        expected = f"its {untranscribed} lines have no text" if untranscribed else f"expected at least one ({', '.join(names)})"
        raise ValueError(f"There are no examples in {source!r:.200}; {expected}.")
    if keys is None:
        return Examples(inputs, targets, name_of)
    return Examples(inputs, targets, lambda place: name_of(keys[place]), _read if input_name in FORMS else None)


def _read(x):
    """An input out of what stands for it: a path is kept as text, which is smaller; all else can be read itself."""
    return Path(x) if isinstance(x, str) else x.read()


def _ending(rows):
    """The rows, unless there is no end of them."""
    for place, row in enumerate(rows):
        if place == MOST:
            raise ValueError(
                f"There are more than {MOST:,} examples, and the source does not say how many; does it repeat them for ever? "
                "Hand in a list or a manifest, or say it: dataset.apply(tf.data.experimental.assert_cardinality(n))."
            )
        yield row


def _pair(example, name, names):
    if isinstance(example, Mapping):
        if isinstance(example.get("translation"), Mapping):  # as Hugging Face's datasets have pairs
            example = example["translation"]
        names = names.among(example)
        if not set(names.values()) <= set(example):
            raise lacking(name, names, example)
        return [example[column] for column in names.values()]
    if not isinstance(example, (tuple, list, np.ndarray)) or len(example) != 2:
        raise ValueError(f"{name}: expected a pair (input, target), received {example!r:.80}.")
    return example


def _columns(source, names):
    """The two columns of a frame or of a dict of columns, as lists; None for a source without columns."""
    if hasattr(source, "collect_schema") and not hasattr(source, "iter_rows"):  # one of polars that is yet to be computed
        source = source.collect()
    kinds = (("iloc", "columns"), ("iter_rows", "columns"), ("to_pydict", "column_names"))  # pandas, polars, Arrow
    attribute = next((each for sign, each in kinds if hasattr(source, sign) and hasattr(source, each)), None)
    if attribute is None and not isinstance(source, Mapping):
        return None
    there = list(source if attribute is None else getattr(source, attribute))
    names = names.among(there)
    place = f"The {type(source).__name__}"
    if not set(names.values()) <= set(there):
        raise lacking(place, names, there)
    twice = [name for name in names.values() if there.count(name) > 1]
    if twice:
        raise ValueError(f"{place}: two columns are named {twice[0]!r}; rename one of them.")
    both = []
    for name in names.values():
        column = source[name]
        convert = next((getattr(column, way) for way in ("to_pylist", "to_list") if hasattr(column, way)), None)
        both.append(list(column) if convert is None else convert())
    if len(both[0]) != len(both[1]):
        lengths = " and ".join(f"{len(column):,} in {name!r}" for column, name in zip(both, names.values()))
        raise ValueError(f"{place}: expected columns of one length, received {lengths}.")
    return both


def _read_dataset(dataset, names):
    """The pairs of a `tf.data.Dataset`."""
    spec = dataset.element_spec
    names = names.among(spec) if isinstance(spec, dict) else names
    if isinstance(spec, dict) and set(names.values()) <= set(spec):
        dataset = dataset.map(lambda row: tuple(row[name] for name in names.values()))
        spec = dataset.element_spec
    if not isinstance(spec, tuple) or len(spec) != 2 or not all(hasattr(part, "shape") for part in spec):
        raise ValueError(f"Expected a dataset of (input, target) pairs, received elements of the form {spec}.")
    if int(dataset.cardinality()) == -1:  # tf.data.INFINITE_CARDINALITY
        raise ValueError("The dataset never ends (its cardinality is infinite); leave repeat() out, or take(n) of it.")
    inputs, targets = (part.shape.rank for part in spec)
    batched = targets == 2 or (targets == 1 and inputs != 0)
    if targets is not None and targets - batched > 0 and spec[1].shape[-1] != 1:
        raise ValueError(
            f"Expected one target for each input, received targets of the shape {spec[1].shape}. "
            "Of labels that are one-hot, take their places: tf.argmax(y, axis=-1)."
        )
    return (dataset.unbatch() if batched else dataset).as_numpy_iterator()


def _scalar(value, text=True):
    """A value as Python has it: out of NumPy's and TensorFlow's scalars, arrays of one value and, of a text, its bytes."""
    if type(value) in (str, int, float, bool):
        return value
    if hasattr(value, "numpy"):
        value = value.numpy()
    if isinstance(value, (np.generic, np.ndarray)) and value.size == 1:
        value = value.item()
    if text and isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            return value
    return "".join(value) if isinstance(value, str) else value  # of a subclass, the plain text


def _is_missing(value):
    """Whether a value stands for none: None, NaN, or pandas's NA and NaT."""
    return value is None or (isinstance(value, float) and value != value) or type(value).__name__ in ("NAType", "NaTType")
