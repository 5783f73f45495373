"""Examples from every form they come in, and the line that each error names."""

import json

import pytest
import tensorflow as tf

from seqkit.data import read_examples

PAIRS = [("good, really", "positive"), ('the "worst"', "negative")]


def read(source):
    return read_examples(source, "text", "label")


def test_manifests_of_each_kind_hold_the_same(tmp_path):
    tsv, csv, jsonl = (tmp_path / f"m.{kind}" for kind in ("tsv", "csv", "jsonl"))
    tsv.write_text("label\ttext\n" + "".join(f"{y}\t{x}\n" for x, y in PAIRS))
    csv.write_text('id,text,label\n1,"good, really",positive\n2,"the ""worst""",negative\n')
    jsonl.write_text("".join(json.dumps({"text": x, "label": y, "id": 7}) + "\n" for x, y in PAIRS))
    assert read(tsv) == read(str(csv)) == read(jsonl) == PAIRS


def test_pairs_generators_and_datasets_hold_the_same():
    dataset = tf.data.Dataset.from_tensor_slices(tuple(map(list, zip(*PAIRS))))
    expected = [(x.encode(), y) for x, y in PAIRS]
    assert read(PAIRS) == read(iter(PAIRS)) == PAIRS
    assert read(dataset) == read(dataset.batch(2)) == expected


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("m.tsv", "words\tlabel\na\tb\n", "m.tsv, line 2: no column 'text'; received"),
        ("m.csv", "text,label\na,b\nc\n", "m.csv, line 3: no column 'label'"),
        ("m.jsonl", '{"text": "a", "label": "b"}\n{oops\n', "m.jsonl, line 2: not JSON"),
        ("m.jsonl", "[1]\n", "line 1: expected an object"),
        ("m.tsv", "text\tlabel\n", "no examples in"),
        ("m.txt", "", "expected a manifest ending in .tsv, .csv, .jsonl; received '.txt'"),
    ],
)
def test_a_bad_manifest_is_refused_by_line(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name)


def test_other_examples_are_refused_by_place():
    with pytest.raises(ValueError, match="Example 1: expected a pair .*received 'alone'"):
        read([PAIRS[0], "alone"])
    with pytest.raises(ValueError, match="no examples"):
        read([])
    with pytest.raises(ValueError, match="dataset of .input, target. pairs"):
        read(tf.data.Dataset.from_tensor_slices(["a"]))


def test_a_missing_manifest_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.tsv"):
        read(tmp_path / "none.tsv")
