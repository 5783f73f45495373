"""Examples from every form they come in, and the line that each error names."""

import json

import pytest
import tensorflow as tf

from seqkit.data.manifests import read_examples

PAIRS = [("good, really", "positive"), ('the "worst"', "negative")]


def read(source, names=("text", "label"), columns=None):
    return list(read_examples(source, *names, columns))


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
        (
            "m.tsv",
            "words\tlabel\na\tb\n",
            "m.tsv, line 1: no column 'text'; its columns are 'words', 'label'. If it goes by another name, .*--text NAME",
        ),
        ("m.csv", "text,label\na,b\nc\n", "m.csv, line 3: 1 cell, the header has 2; the column 'label' is missing"),
        ("m.jsonl", '{"text": "a", "label": "b"}\n{oops\n', "m.jsonl, line 2: not JSON"),
        ("m.jsonl", "[1]\n", "line 1: expected an object"),
        ("m.tsv", "text\tlabel\n", "no examples in"),
        ("m.tsv", b"text\tlabel\n\xe9\tb\n", "m.tsv, line 2: not UTF-8 .*; save it as UTF-8."),
        ("m.doc", "", "expected a manifest ending in .tsv, .csv, .jsonl, .*; received '.doc'"),
    ],
)
def test_a_bad_manifest_is_refused_by_line(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        read(tmp_path / name)


def test_a_byte_order_mark_is_no_part_of_a_column(tmp_path):
    (tmp_path / "m.tsv").write_text("text\tlabel\na\tb\n", encoding="utf-8-sig")
    assert read(tmp_path / "m.tsv") == [("a", "b")]


@pytest.mark.parametrize("name", ["image", "audio"])
def test_names_of_files_are_looked_up_from_the_manifest_and_what_they_say_is_composed(tmp_path, name):
    (tmp_path / "inner").mkdir()
    inside, outside = tmp_path / "inner" / "a.x", tmp_path / "b.x"
    inside.write_text("")
    outside.write_text("")
    rows = [{name: "inner/a.x", "text": " cafe\u0301 "}, {name: str(outside), "text": "two"}]
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "m.tsv").write_text(f"text\t{name}\n" + "".join(f"{row['text']}\t{row[name]}\n" for row in rows))
    for source in (tmp_path / "m.jsonl", tmp_path / "m.tsv"):
        assert read(source, (name, "text")) == [(inside, "café"), (outside, "two")]
    assert read([(outside, " cafe\u0301")], (name, "text")) == [(outside, "café")]
    assert read([(outside, 7)], (name, "text")) == [(outside, 7)]  # the task refuses it
    assert read([("x", " cafe\u0301")]) == [("x", " cafe\u0301")]
    assert read(tmp_path / "m.jsonl", ("text", name))[0] == (" cafe\u0301 ", "inner/a.x")  # a text stays as it is


def test_files_that_are_not_there_are_refused_by_line_and_counted(tmp_path):
    (tmp_path / "m.tsv").write_text("image\ttext\na.png\ta\nb.png\tb\n")
    with pytest.raises(ValueError, match=r"m.tsv, line 2: there is no file .*a.png. And 1 more; `seqkit check` lists all."):
        read_examples(tmp_path / "m.tsv", "image", "text")
    (tmp_path / "m.jsonl").write_text('{"image": 7, "text": "a"}\n')
    with pytest.raises(ValueError, match="m.jsonl, line 1: expected a file's name and its text, received 7 and 'a'"):
        read_examples(tmp_path / "m.jsonl", "image", "text")


def test_only_files_come_in_other_forms_than_manifests(tmp_path):
    for names in (("text", "label"), ("points", "label")):
        with pytest.raises(ValueError, match="expected a manifest ending in"):
            read(tmp_path, names)


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
