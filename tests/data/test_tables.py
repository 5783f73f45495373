"""Tables as people have them: what pandas and Python's csv write comes back whole, and what does not is refused by line."""

import csv
import io
import json
import random

import pandas
import pytest

from seqkit.data.manifests import read_examples

ROWS = [
    ("good, really", "a"),
    ('the "worst"', "b"),
    ('"', "a"),
    ("two\nlines", "b"),
    ("a\ttab; and | bar", "a"),
    ("x" * 140_000, "b"),
]


def read(path, columns=None):
    return list(read_examples(path, "text", "label", columns))


def written(path, content, encoding="utf-8"):
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("separator", [",", ";", "|", "\t"])
@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.txt", "M.CSV"])
def test_every_separator_line_end_and_suffix_gives_the_same_rows(tmp_path, name, separator, ends):
    rows = [(text, label) for text, label in ROWS if ends == "\n" or "\n" not in text]
    stream = io.StringIO()
    writer = csv.writer(stream, delimiter=separator, lineterminator=ends)
    writer.writerows([("id", "text", "label"), *((number, *row) for number, row in enumerate(rows))])
    assert read(written(tmp_path / name, stream.getvalue())) == rows


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("separator", [",", "\t"])
def test_what_pandas_writes_comes_back_in_every_encoding(tmp_path, separator, encoding):
    """Chance texts of the signs that make trouble."""
    random.seed(0)
    texts = ["".join(random.choices('ab"\t\n,; é😀\u2028\x85', k=random.randint(1, 9))) for _ in range(300)]
    frame = pandas.DataFrame({"text": [f"a{text}b" for text in texts], "label": "x", "more": range(300)})
    frame.to_csv(tmp_path / "m.tsv", sep=separator, encoding=encoding)
    assert read(tmp_path / "m.tsv") == list(zip(frame.text, frame.label))
    frame.to_csv(tmp_path / "all.tsv", sep=separator, encoding=encoding, quoting=csv.QUOTE_ALL)
    assert read(tmp_path / "all.tsv") == list(zip(frame.text, frame.label))


@pytest.mark.parametrize(
    "text",
    [
        'She said "hi"',
        '"Great" film',
        'a 5" screen',
        '"never closed',
        '"all of it"',
        '""',
        "it's",
        '"a" and "b"',
        '"He said ""no',
        "a\0b",
        "a\rb",
    ],
)
def test_a_quote_in_a_tsv_without_quoting_is_a_sign_like_others(tmp_path, text):
    path = written(tmp_path / "m.tsv", f"text\tlabel\n{text}\tx\nplain\ty\n")
    assert read(path) == [(text, "x"), ("plain", "y")]


def test_rows_with_a_quote_each_are_not_taken_for_one_cell(tmp_path):
    path = written(tmp_path / "m.tsv", 'text\tlabel\n"I came home.\tx\nIt was late."\ty\n"two\nlines"\tz\nb\t"c\nd"\n"e\n')
    with pytest.raises(ValueError, match="m.tsv, line 8: 1 cell, the header has 2"):
        read(path)
    path.write_text(path.read_text().removesuffix('"e\n'))
    expected = [('"I came home.', "x"), ('It was late."', "y"), ("two\nlines", "z"), ("b", "c\nd")]
    assert read(path) == expected


def test_the_separator_is_told_by_the_header_never_by_cells(tmp_path):
    path = written(tmp_path / "m.csv", "text;label\na, b, c, d;x\n")
    assert read(path) == [("a, b, c, d", "x")]
    path = written(tmp_path / "m.csv", "id, as given, or, not;text;label\n1;a\tb,c;x\n")
    assert read(path) == [("a\tb,c", "x")]
    path = written(tmp_path / "m.csv", 'sep=;\n"text, all";label\na;x\n')
    assert read(path, {"text": "text, all"}) == [("a", "x")]
    path = written(tmp_path / "m.csv", 'text, label\n"a, b", x\n c, y \n')
    assert read(path) == [("a, b", "x"), ("c", "y ")]


@pytest.mark.parametrize("name", ["m.csv", "m.tsv", "m.jsonl", "m.json"])
def test_blank_lines_are_passed_over_and_counted(tmp_path, name):
    rows = [json.dumps({"text": "a", "label": "x"}), json.dumps({"text": "b", "label": "y"})]
    if not name.startswith("m.json"):
        rows = ["text,label", "a,x", "b,y"] if name == "m.csv" else ["text\tlabel", "a\tx", "b\ty"]
    path = written(tmp_path / name, "\n" + "\n \n".join(rows) + "\n\n")
    examples = read_examples(path, "text", "label")
    assert list(examples) == [("a", "x"), ("b", "y")]
    assert examples.name_of(1) == f"{path}, line {2 * len(rows)}"


@pytest.mark.parametrize(
    "name, content, message",
    [
        (
            "m.csv",
            "text,label\na,x\nb, really,y\nc,d,z\n",
            "line 3: 3 cells, the header has 2; put quotes around .*','. And 1 more",
        ),
        ("m.tsv", "text\tlabel\na\tb\tx\n", "m.tsv, line 2: 3 cells, the header has 2; take the tab out"),
        ("m.csv", "text,label\na,x,\n", "m.csv, line 2: 3 cells, the header has 2"),
        ("m.csv", "id,text,label\n1,a\n", "m.csv, line 2: 2 cells, the header has 3; the column 'label' is missing"),
        ("m.csv", 'text,label\n"a\nb",x\nc\n', "m.csv, line 4: 1 cell, the header has 2"),
        ("m.csv", "text,label,label\na,b,c\n", "m.csv, line 1: two columns are named 'label'; rename one"),
        (
            "m.csv",
            "Text,Label\na,b\n",
            "line 1: no column 'text'; its columns are 'Text', 'Label'. .*columns={'text': NAME}, or --text",
        ),
        ("m.csv", 'text,label\na,b\n"c,d\ne,f\n', "m.csv, line 3: a quote opens here and is never closed"),
        ("m.csv", 'text,label\n"a" b,c\n', "m.csv, line 2: a cell goes on after its closing quote"),
        ("m.csv", "text,label\na\rb,c\n", "m.csv, line 2: a carriage return stands outside of quotes"),
        (
            "m.csv",
            "text,label\na,b\n\ncafé,c\n".encode("cp1252"),
            "m.csv, line 4: not UTF-8 .*, perhaps Windows-1252 or .*; save it as UTF-8",
        ),
        ("m.csv", ("text,label\n" + "a,b\n" * 5000).encode() + b"\xe9,c\n", "m.csv, line 5002: not UTF-8"),
        ("m.csv", b"text,label\ra,b\r\xe9,c\r", "m.csv, line 3: not UTF-8"),
        ("m.csv", "text,label\na,b\n".encode("utf-16")[:-1], "m.csv, line 2: not UTF-16"),
        (
            "m.csv",
            "text,label\na,b\n".encode("utf-16-le"),
            "line 1: its header holds zero bytes; if it is UTF-16, save it as UTF-8",
        ),
        (
            "m.csv",
            "text,label\na,\nb, \n",
            "m.csv, line 2: expected a label, received ''; fill it in, .* And 1 more; `seqkit check`",
        ),
        ("m.jsonl", '{"text": "a", "label": null}\n', "m.jsonl, line 1: expected a label, received None"),
        ("m.jsonl", '{"text": NaN, "label": "x"}\n', "m.jsonl, line 1: expected a text, received nan"),
        ("m.jsonl", '\n{"text": 7, "label": "x"}\n', "m.jsonl, line 2: expected a text, received int 7"),
        (
            "m.jsonl",
            '{"text": "a", "label": ["x"]}\n',
            r"line 1: expected one label, as a text or a number, received \['x'\]",
        ),
        ("m.jsonl", '{"text": "a"}\n', "m.jsonl, line 1: no column 'label'; its columns are 'text'."),
        ("m.jsonl", '{"text": "a", "label": 1, "label": 2}\n', "m.jsonl, line 1: two fields are named 'label'"),
        ("m.json", '[{"text": "a", "label": "x"},\n{"text": "b"}]', "m.json, line 2: no column 'label'"),
        ("m.json", '[{"text": "a", "label": "x"},\n{oops]', "m.json, line 2: not JSON"),
        ("m.json", '[{"text": "a", "label": "x"}', "m.json, line 1: not JSON"),
        ("m.json", '{"data": []}', "m.json, line 1: no column 'text'; its columns are 'data'"),
    ],
)
def test_what_cannot_be_read_whole_is_refused_by_file_and_line(tmp_path, name, content, message):
    with pytest.raises(ValueError, match=message):
        read(written(tmp_path / name, content))


@pytest.mark.parametrize("name", ["m.jsonl", "m.ndjson", "m.json", "list.json", "M.JSONL"])
def test_json_keeps_the_types_of_labels(tmp_path, name):
    labels = [1, 0, True, 1.5, "1"]
    rows = [json.dumps({"text": "a\u2028b", "label": label}, ensure_ascii=False) for label in labels]
    content = f"[{','.join(rows)}\n]" if name == "list.json" else "\r\n".join(rows)
    found = read(written(tmp_path / name, content))
    assert [(text, label, type(label)) for text, label in found] == [("a\u2028b", label, type(label)) for label in labels]


def test_columns_may_go_by_other_names(tmp_path):
    path = written(tmp_path / "m.csv", "review,text,sentiment\na,b,x\n")
    assert read(path, {"text": "review", "label": "sentiment"}) == [("a", "x")]
    assert read(path, {"label": "sentiment"}) == [("b", "x")]
    with pytest.raises(ValueError, match="columns says where 'lable' is; expected 'text' or 'label'"):
        read(path, {"lable": "sentiment"})
    with pytest.raises(ValueError, match="no column 'review2'; its columns are 'review', 'text', 'sentiment'"):
        read(path, {"text": "review2", "label": "sentiment"})


def test_a_file_is_read_without_holding_all_of_it(tmp_path):
    """Of 40 MB, with a column that is not asked for, less than a tenth is held at any time."""
    import tracemalloc

    path = written(tmp_path / "m.tsv", "text\tlabel\tmore\n" + f"a\tx\t{'y' * 1000}\n" * 40_000)
    tracemalloc.start()
    assert len(read_examples(path, "text", "label")) == 40_000
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 4e6
