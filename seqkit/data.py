"""Examples: what people have on disk -> a list of `(input, target)` pairs.

A manifest is a table with a header: `.tsv` (no quoting), `.csv`, or `.jsonl` (one object a line). Two columns are
read, named after the pipeline's input and its answer (`text` and `label` for sentiment); others are ignored.
"""

import csv
import json
import os
from pathlib import Path


def read_examples(source, input_name, target_name):
    """Reads labelled examples from any form `fit` and `evaluate` take.

    Args:
        source: a manifest's path; or an iterable of `(input, target)` pairs; or a finite `tf.data.Dataset` of such
            pairs, batched or not. All of it is read into memory.
        input_name: `str`, the manifest's input column.
        target_name: `str`, the manifest's target column.

    Returns:
        A list of `(input, target)` pairs.

    Raises:
        ValueError: a line or an example has another form, or there is none; the message names it.
        FileNotFoundError: there is no such manifest.
    """
    if isinstance(source, (str, os.PathLike)):
        pairs = _read_manifest(Path(source), input_name, target_name)
    elif hasattr(source, "element_spec"):
        pairs = _read_dataset(source)
    else:
        pairs = [_pair(example, place) for place, example in enumerate(source)]
    if not pairs:
        raise ValueError(f"There are no examples in {source!r}; expected at least one ({input_name}, {target_name}).")
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
    readers = {".tsv": _rows_of_table, ".csv": _rows_of_table, ".jsonl": _rows_of_lines}
    if path.suffix not in readers:
        raise ValueError(f"{path}: expected a manifest ending in {', '.join(readers)}; received {path.suffix!r}.")
    pairs = []
    for line, row in readers[path.suffix](path):
        lacking = [name for name in (input_name, target_name) if row.get(name) is None]
        if lacking:
            raise ValueError(f"{path}, line {line}: no column {lacking[0]!r}; received {sorted(map(str, row))}.")
        pairs.append((row[input_name], row[target_name]))
    return pairs


def _rows_of_table(path):
    dialect = {"delimiter": "\t", "quoting": csv.QUOTE_NONE} if path.suffix == ".tsv" else {}
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file, **dialect)
        for row in reader:
            yield reader.line_num, row


def _rows_of_lines(path):
    with path.open(encoding="utf-8") as file:
        for line, text in enumerate(file, 1):
            try:
                row = json.loads(text)
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {line}: not JSON ({error}).") from error
            if not isinstance(row, dict):
                raise ValueError(f"{path}, line {line}: expected an object, received {text.strip()!r:.80}.")
            yield line, row
