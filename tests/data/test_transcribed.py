"""Lines of text and their pictures: pairs of files and IAM's list, hand-written here, and what each error names."""

import pytest
from PIL import Image

from seqkit.data.manifests import read_examples


def read(source):
    return list(read_examples(source, "image", "text"))


def draw(path, size=(40, 20), shade=200):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size, shade).save(path)
    return path


def test_pairs_are_read_in_order_in_subfolders_too(tmp_path):
    for name, text in (("b.png", "two\n"), ("a/c.jpg", " un cafe\u0301 "), ("b-1.jpeg", "a\ufeffb"), ("d.TIF", "\ufefffour")):
        stem = draw(tmp_path / name).with_suffix("")
        stem.with_name(stem.name + ".gt.txt").write_text(text, encoding="utf-8")
    (tmp_path / "notes.md").write_text("not a text")
    draw(tmp_path / ".thumbnails" / "b.png")
    expected = [("a/c.jpg", "un café"), ("b.png", "two"), ("b-1.jpeg", "a\ufeffb"), ("d.TIF", "four")]
    assert read(tmp_path) == read(str(tmp_path)) == [(tmp_path / name, text) for name, text in expected]


def test_of_several_pictures_of_a_line_the_plain_one_is_read_then_the_grey(tmp_path):
    for name in ("a.png", "a.nrm.png", "a.bin.png", "b.nrm.png", "b.bin.png", "c.bin.png"):
        draw(tmp_path / name)
    for stem in "abc":
        (tmp_path / f"{stem}.gt.txt").write_text(stem)
    assert [path.name for path, _ in read(tmp_path)] == ["a.png", "b.nrm.png", "c.bin.png"]


def test_pictures_without_text_and_texts_without_picture_are_refused_together(tmp_path):
    draw(tmp_path / "a.png")
    (tmp_path / "b.gt.txt").write_text("b")
    with pytest.raises(
        ValueError, match=r"a.png: no text is with it; expected a.gt.txt .* And 1 more; `seqkit check` lists all"
    ):
        read(tmp_path)
    (tmp_path / "a.gt.txt").write_text("a")
    with pytest.raises(ValueError, match=r"b.gt.txt: no picture is with it; expected b.png or the like in one directory.$"):
        read(tmp_path)


def test_a_text_in_another_encoding_is_refused_by_line(tmp_path):
    draw(tmp_path / "a.png")
    (tmp_path / "a.gt.txt").write_bytes(b"one\ntw\xe9")
    with pytest.raises(ValueError, match=r"a.gt.txt, line 2: not UTF-8 .*; save it as UTF-8."):
        read(tmp_path)


@pytest.mark.parametrize("place", ["lines/a01/a01-000u", "a01/a01-000u", ".", "lines", "../lines/a01/a01-000u"])
def test_iam_is_read_with_its_pictures_wherever_they_were_unpacked(tmp_path, place):
    folder = tmp_path / "ascii"
    folder.mkdir()
    (folder / "lines.txt").write_text(
        "#--- lines.txt ---\n# a01-000u-00 ok 154\n\n"
        "a01-000u-00 ok 154 19 408 746 1661 89 A|MOVE|to|stop|Mr.\n"
        "a01-000u-01 err 156 19 395 932 1850 105 -1|%|#|.\n"
    )
    pictures = [draw(folder / place / f"a01-000u-0{number}.png") for number in range(2)]
    for source in (folder, folder / "lines.txt"):
        found = read(source)
        assert [text for _, text in found] == ["A MOVE to stop Mr.", "-1 % # ."]
        assert [path.resolve() for path, _ in found] == [path.resolve() for path in pictures]


def test_iam_names_the_line_that_is_wrong(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("# words\na01-000u-00-00 ok 154 408 768 27 51 AT A\n")
    with pytest.raises(ValueError, match="lines.txt, line 2: expected the form 'a01-.*received 'a01-000u-00-00"):
        read(path)
    path.write_text("a01-000u-00 ok 154 19 408 746 1661 89 A\n")
    with pytest.raises(ValueError, match="lines.txt, line 1: there is no file .*lines/a01/a01-000u/a01-000u-00.png"):
        read(path)


def test_other_paths_are_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a manifest, or lines as .*received a directory without any"):
        read(tmp_path)
    (tmp_path / "a.doc").write_text("")
    with pytest.raises(ValueError, match="expected a manifest, or lines as .*received '.doc'"):
        read(tmp_path / "a.doc")
    with pytest.raises(FileNotFoundError, match="There is no .*nowhere"):
        read(tmp_path / "nowhere")


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".JPEG", ".tif", ".TIFF", ".bmp", ".BMP", ".webp", ".gif"])
@pytest.mark.parametrize("ending", [".gt.txt", ".GT.TXT"])
def test_pairs_have_any_kind_of_picture_in_small_letters_or_capitals(tmp_path, suffix, ending):
    picture = draw(tmp_path / f"é{suffix}")
    (tmp_path / f"e\u0301{ending}").write_text("one")  # as a Mac has it
    assert read(tmp_path) == [(picture, "one")]
