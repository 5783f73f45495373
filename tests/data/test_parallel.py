"""Pairs of sentences in the forms that corpora have them in, on files made here."""

import gzip

import pandas as pd
import pytest

from seqkit.data.manifests import read_examples
from seqkit.tasks import translation

USUAL = translation.usual(translation.Config())
PAIRS = [("One dog.", "Ein Hund."), ("Two cafe\u0301s, \u2028here", "Zwei Caf\u00e9s"), ("“Three”", "„Drei“")]
LEARNT = [("One dog.", "Ein Hund."), ("Two cafe\u0301s, \u2028here", "Zwei Caf\u00e9s"), ("“Three”", "„Drei“")]
TMX = """<?xml version="1.0"?><tmx version="1.4"><header/><body>
<tu><tuv xml:lang="de-DE"><seg>Ein <bpt i="1"/>Hund.</seg></tuv><tuv xml:lang="EN"><seg>One dog.</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>Two</seg></tuv><tuv xml:lang="fr"><seg>Deux</seg></tuv><tuv xml:lang="de"><seg>Zwei</seg></tuv></tu>
{}</body></tmx>"""


def read(source, **columns):
    return list(read_examples(source, "text", "translation", columns or None, USUAL))


def written(folder, name, texts, packed=False):
    content = "".join(f"{text}\n" for text in texts).encode()
    (folder / name).write_bytes(gzip.compress(content) if packed else content)


@pytest.mark.parametrize("packed", [False, True])
def test_two_files_of_lines_are_found_by_what_they_share_or_by_their_folder(tmp_path, packed):
    end = ".gz" * packed
    written(tmp_path, f"train.en{end}", [x for x, _ in PAIRS], packed)
    written(tmp_path, f"train.de{end}", [y for _, y in PAIRS], packed)
    assert read(tmp_path / "train") == read(tmp_path) == LEARNT
    examples = read_examples(tmp_path / "train", "text", "translation", None, USUAL)
    assert examples.name_of(1) == f"{tmp_path}/train.en{end}, line 2"
    written(tmp_path, f"train.nl{end}", [y for _, y in PAIRS], packed)
    assert read(tmp_path / "train", translation="nl") == LEARNT


def test_files_of_different_length_are_refused_by_the_line(tmp_path):
    written(tmp_path, "a.en", ["one", "two", "three"])
    written(tmp_path, "a.de", ["eins", "zwei"])
    with pytest.raises(ValueError, match=r"a\.en, line 3: .*a\.de ends before, at line 2"):
        read(tmp_path / "a")


def test_a_pair_that_is_blank_is_passed_over_and_half_of_one_is_refused(tmp_path):
    written(tmp_path, "a.en", ["one", " ", "two"])
    written(tmp_path, "a.de", ["eins", "", "zwei"])
    assert read(tmp_path / "a") == [("one", "eins"), ("two", "zwei")]
    written(tmp_path, "a.de", ["eins", "", ""])
    with pytest.raises(ValueError, match="line 3: expected a translation"):
        read(tmp_path / "a")


def test_a_file_that_is_no_gzip_is_named(tmp_path):
    (tmp_path / "a.en.gz").write_bytes(b"no gzip")
    (tmp_path / "a.de.gz").write_bytes(b"no gzip")
    with pytest.raises(ValueError, match=r"a\.en\.gz: expected gzipped lines"):
        read(tmp_path / "a")


def test_tmx_is_read_by_language(tmp_path):
    path = tmp_path / "memory.tmx"
    path.write_text(TMX.format(""))
    assert read(path) == [("One dog.", "Ein Hund."), ("Two", "Zwei")]
    (tmp_path / "memory.tmx.gz").write_bytes(gzip.compress(path.read_bytes()))
    assert read(tmp_path / "memory.tmx.gz") == read(path)
    path.write_text(TMX.format('<tu><tuv xml:lang="en"><seg>Alone</seg></tuv></tu>'))
    with pytest.raises(ValueError, match=r"unit 3: there is no text in 'de'; it has \['en'\]"):
        read(path)
    path.write_text("<tmx><body>")
    with pytest.raises(ValueError, match=r"memory\.tmx: expected TMX"):
        read(path)


@pytest.mark.parametrize("names", [("text", "translation"), ("en", "de"), ("source", "target"), ("src", "tgt")])
def test_columns_go_by_their_own_names_by_the_languages_or_by_source_and_target(tmp_path, names):
    rows = [dict(zip(names, pair)) for pair in [("One dog.", "Ein Hund."), ("Two", "Zwei")]]
    expected = [("One dog.", "Ein Hund."), ("Two", "Zwei")]
    frame = pd.DataFrame(rows)
    frame.to_csv(tmp_path / "pairs.tsv", sep="\t", index=False)
    frame.to_json(tmp_path / "pairs.jsonl", orient="records", lines=True)
    for source in (rows, frame, dict(frame), tmp_path / "pairs.tsv", tmp_path / "pairs.jsonl"):
        assert read(source) == expected
    assert read([{"translation": {"en": "One dog.", "de": "Ein Hund."}}]) == expected[:1]
