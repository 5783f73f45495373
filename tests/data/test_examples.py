"""Examples by place: the same whatever they came from, named as their owner finds them, and read when they are asked for."""

import itertools
import json

import numpy as np
import pandas
import polars
import pytest
import tensorflow as tf
from PIL import Image, ImageFile
from test_crops import BOX, TEXT, page, page_line, page_xml

from seqkit.data import manifests
from seqkit.data.manifests import read_examples

PAIRS = [("good", 1), ("bad", 0), ("fine", 1)]
NAN = float("nan")


def read(source, columns=None, names=("text", "label")):
    return read_examples(source, *names, columns)


def rows(text="text", label="label"):
    return [{text: x, label: y, "id": 7} for x, y in PAIRS]


def columns(**names):
    table = rows(**names)
    return {name: [row[name] for row in table] for name in table[0]}


SOURCES = {
    "pairs": lambda: PAIRS,
    "lists": lambda: [list(pair) for pair in PAIRS],
    "a generator": lambda: iter(PAIRS),
    "NumPy's": lambda: [(np.str_(x), np.int64(y)) for x, y in PAIRS],
    "arrays of one": lambda: [(x, np.array([y])) for x, y in PAIRS],
    "tensors": lambda: [(x, tf.constant(y)) for x, y in PAIRS],
    "dicts": rows,
    "a dict of columns": columns,
    "a dict of arrays": lambda: {name: np.array(column) for name, column in columns().items()},
    "pandas": lambda: pandas.DataFrame(rows(), index=[7, 8, 9]),
    "pandas's own types": lambda: pandas.DataFrame(rows()).convert_dtypes(),
    "polars": lambda: polars.DataFrame(rows()),
    "polars, lazy": lambda: polars.LazyFrame(rows()),
    "an iterable of dicts without a length": lambda: (row for row in rows()),
    "examples": lambda: read(PAIRS),
}


@pytest.mark.parametrize("source", SOURCES)
def test_each_source_gives_the_same_pairs_with_labels_of_pythons_own(source):
    examples = read(SOURCES[source]())
    assert list(examples) == list(examples) == PAIRS
    assert {type(y) for _, y in examples} == {int} and {type(x) for x, _ in examples} == {str}
    assert examples.targets == [1, 0, 1] and examples.name_of(2) == "Example 2"


@pytest.mark.parametrize("source", ["dicts", "a dict of columns", "pandas", "polars"])
def test_columns_of_other_names_are_read_where_they_are_named(source):
    there = {"text": "review", "label": "stars"}
    source = {
        "dicts": rows(**there),
        "a dict of columns": columns(**there),
        "pandas": pandas.DataFrame(rows(**there)),
        "polars": polars.DataFrame(rows(**there)),
    }[source]
    assert list(read(source, there)) == PAIRS
    with pytest.raises(ValueError, match="no column 'text'; its columns are 'review', 'stars', 'id'. .*columns={'text': NAME}"):
        read(source)


@pytest.mark.parametrize("batch", [0, 2])
@pytest.mark.parametrize("form", ["pairs", "dicts", "labels (batch, 1)"])
def test_datasets_are_read_batched_or_not(form, batch):
    texts, labels = map(list, zip(*PAIRS))
    parts = {"text": texts, "label": labels} if form == "dicts" else (texts, np.array(labels))
    if form == "labels (batch, 1)":
        parts = (texts, np.array(labels)[:, None])
    dataset = tf.data.Dataset.from_tensor_slices(parts)
    examples = read(dataset.batch(batch) if batch else dataset)
    assert list(examples) == [(x.encode(), y) for x, y in PAIRS]
    assert {type(y) for y in examples.targets} == {int}


def test_a_dataset_may_hold_pictures_and_texts():
    pictures = np.zeros((3, 8, 9), np.uint8)
    dataset = tf.data.Dataset.from_tensor_slices((pictures, ["a", "b", "c"]))
    for each in (dataset, dataset.batch(2)):
        examples = read(each, names=("image", "text"))
        assert examples[2][0].shape == (8, 9) and examples.targets == ["a", "b", "c"]


@pytest.mark.parametrize(
    "source, message",
    [
        ([("a", 1), ("b", None)], "Example 1: expected a label, received None; fill it in, or leave the example out"),
        ([("a", 1), ("b", NAN)], "Example 1: expected a label, received nan"),
        ([("a", 1), (NAN, 1)], "Example 1: expected a text, received nan"),
        ([("a", 1), (3.5, 1)], "Example 1: expected a text, received float 3.5"),
        ([("a", "x"), ("b", " "), ("c", "")], "Example 1: expected a label, received ' '; .* And 1 more.$"),
        ([("a", "\u200b\ufeff")], "Example 0: expected a label"),
        ([("a", ["x"])], r"Example 0: expected one label, as a text or a number, received \['x'\]"),
        ([("a", np.array([0, 1]))], "Example 0: expected one label"),
        ([("a", b"\xff")], "Example 0: expected one label"),
        ([("a", 1), {"text": "b"}], "Example 1: no column 'label'; its columns are 'text'"),
        ([("a", 1), "ab"], "Example 1: expected a pair .*received 'ab'"),
        ([("a", 1, 2)], "Example 0: expected a pair"),
        (pandas.DataFrame({"text": ["a", None], "label": [1, 2]}), "Example 1: expected a text, received (None|nan)"),
        (pandas.DataFrame({"text": ["a", "b"], "label": [1, None]}), "Example 1: expected a label, received nan"),
        (
            pandas.DataFrame({"text": ["a", "b"], "label": [1, None]}).convert_dtypes(),
            "Example 1: expected a label, received <NA>",
        ),
        (pandas.DataFrame([["a", 1, 2]], columns=["text", "label", "label"]), "DataFrame: two columns are named 'label'"),
        ({"text": ["a", "b"], "label": [1]}, "The dict: expected columns of one length, received 2 in 'text' and 1 in 'label'"),
        ({"train": [], "test": []}, "The dict: no column 'text'; its columns are 'train', 'test'"),
        (pandas.DataFrame({"text": [], "label": []}), "There are no examples in"),
        ([], "There are no examples in"),
    ],
)
def test_what_is_no_example_is_refused_by_its_place(source, message):
    with pytest.raises(ValueError, match=message):
        read(source)


def dataset(*parts):
    return tf.data.Dataset.from_tensor_slices(tuple(map(list, parts)))


@pytest.mark.parametrize(
    "source, message",
    [
        (dataset("ab", [1, 2]).repeat(), "never ends .its cardinality is infinite.; leave repeat.. out, or take"),
        (dataset("ab", [1, 2]).repeat().filter(lambda x, y: True), "more than 50 examples, .*assert_cardinality"),
        (itertools.cycle(PAIRS), "more than 50 examples"),
        (dataset("ab", [[0, 1], [1, 0]]), r"one target for each input, .* \(2,\). Of labels that are one-hot, .*tf.argmax"),
        (dataset("ab", [[0, 1], [1, 0]]).batch(2), r"one target for each input, .* \(None, 2\)"),
        (dataset("ab", [1, 2], [3, 4]), "dataset of .input, target. pairs"),
        (tf.data.Dataset.from_tensor_slices({"text": ["a"]}), "dataset of .input, target. pairs"),
    ],
)
def test_datasets_that_never_end_or_have_another_form_are_refused(source, message, monkeypatch):
    monkeypatch.setattr(manifests, "MOST", 50)
    with pytest.raises(ValueError, match=message):
        read(source)


def test_a_source_that_says_how_many_it_has_may_have_any_number(monkeypatch):
    monkeypatch.setattr(manifests, "MOST", 2)
    assert len(read(PAIRS)) == len(read(dataset(*zip(*PAIRS)))) == 3
    unknown = tf.data.Dataset.from_generator(
        lambda: iter(PAIRS), output_signature=(tf.TensorSpec((), tf.string), tf.TensorSpec((), tf.int32))
    )
    assert len(read(unknown.apply(tf.data.experimental.assert_cardinality(3)))) == 3


def test_places_are_those_of_a_sequence():
    examples = read(PAIRS)
    assert examples[-1] == examples[np.int64(2)] == PAIRS[2]
    assert examples[1:] == PAIRS[1:] and examples.name_of(-1) == "Example 2"
    assert repr(examples) == "<3 examples, from Example 0>"
    for ask in (examples.__getitem__, examples.name_of):
        with pytest.raises(IndexError):
            ask(3)


def test_a_line_of_a_table_names_its_example(tmp_path):
    (tmp_path / "m.csv").write_text('text,label\n"a\nb",x\n\nc,y\n')
    examples = read(tmp_path / "m.csv")
    assert [examples.name_of(place) for place in range(2)] == [f"{tmp_path / 'm.csv'}, line {line}" for line in (2, 5)]


def test_points_are_lists_in_json_and_json_in_a_cell(tmp_path):
    (tmp_path / "m.jsonl").write_text(json.dumps({"points": [[0, 0], [3, 4]], "label": 1}))
    (tmp_path / "m.csv").write_text('points,label\n"[[0, 0], [3, 4]]",1\n')
    for name, label in (("m.jsonl", 1), ("m.csv", "1")):
        assert list(read(tmp_path / name, names=("points", "label"))) == [([[0, 0], [3, 4]], label)]
    (tmp_path / "m.tsv").write_text("points\tlabel\n0 0 3 4\t1\n")
    with pytest.raises(ValueError, match=r"m.tsv, line 2: expected points, such as .*received '0 0 3 4'"):
        read(tmp_path / "m.tsv", names=("points", "label"))


def test_pictures_are_opened_when_they_are_asked_for_and_then_refused_by_name(tmp_path, monkeypatch):
    """A page is opened for its size when it is read; of files nothing is, but that they are there."""
    page(tmp_path / "p.png")
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT)))
    (tmp_path / "m.csv").write_text("image,text\np.png,one\n")
    Image.init()
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda picture: pytest.fail("opened"))
    table, lines = (read(tmp_path / name, names=("image", "text")) for name in ("m.csv", "p.xml"))
    monkeypatch.undo()
    assert list(table) == [(tmp_path / "p.png", "one")]
    assert lines[0][0] == lines[0][0] and lines.targets == ["one"]
    (tmp_path / "p.png").write_bytes((tmp_path / "p.png").read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"p.xml, line l1: .*p.png: expected a whole picture"):
        lines[0]
    (tmp_path / "p.png").unlink()
    with pytest.raises(ValueError, match=r"p.xml, line l1: .*p.png: expected the path of a picture"):
        lines[0]
