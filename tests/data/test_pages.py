"""A page comes apart into the lines that were drawn on it."""

import sys

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from seqkit.data.pages import split_lines
from seqkit.frontends.image import ImageFrontend

TEXTS = ["The quick brown fox jumps over the lazy dog", "and typography", "gray yaks play jazz by day", "a", "Finally: five."]


def drawn(texts=TEXTS, size=40, spacing=1.5):
    page = Image.new("L", (size * 28, round(size * (5 + len(texts) * spacing))), 255)
    for place, text in enumerate(texts):
        place = (2 * size, 2 * size + place * size * spacing)
        ImageDraw.Draw(page).text(place, text, font=ImageFont.load_default(size=size), fill=0)
    return page


def alone(text, size=40):
    """The text on a page of its own, cut at its ink by Pillow."""
    page = drawn([text], size)
    return page.crop(page.point(lambda shade: 255 - shade).getbbox())


def differs(line, text, size=40):
    """How much of the ink is other than that of the text alone, as a share; the cut may be some pixels wider."""
    expected = 255.0 - np.asarray(alone(text, size))
    seen = np.zeros((expected.shape[0] + 8, expected.shape[1] + 8))
    ink = 255.0 - np.asarray(line)
    assert abs(ink.shape[0] - expected.shape[0]) <= 6 and abs(ink.shape[1] - expected.shape[1]) <= 6
    seen[4 : 4 + ink.shape[0], 4 : 4 + ink.shape[1]] = ink
    rows, columns = expected.shape
    shifts = [seen[down : down + rows, right : right + columns] for down in range(9) for right in range(9)]
    return min(np.abs(shifted - expected).sum() for shifted in shifts) / expected.sum()


@pytest.mark.parametrize("size, spacing", [(40, 1.5), (40, 1.25), (24, 2), (80, 1.4)])
def test_every_line_comes_out_whole_and_in_order(size, spacing):
    lines = split_lines(drawn(size=size, spacing=spacing))
    assert len(lines) == len(TEXTS)
    for line, text in zip(lines, TEXTS):
        assert line.mode == "L" and differs(line, text, size) < 0.05


@pytest.mark.parametrize("degrees", [-2, -0.6, 1.3, 2])
def test_a_page_askew_is_turned_straight(degrees):
    page = drawn().rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    lines = split_lines(page)
    assert len(lines) == len(TEXTS)
    assert all(abs(line.height - alone(text).height) <= 8 for line, text in zip(lines, TEXTS))


@pytest.mark.parametrize(
    "change",
    [
        lambda page: np.asarray(page),
        lambda page: 255 - np.asarray(page),
        lambda page: 90 + np.asarray(page) * 0.4,
        lambda page: page.convert("RGB"),
        lambda page: page.convert("RGBA"),
        lambda page: page.crop((70, 85, 1000, 370)),  # lines at the very edges
    ],
)
def test_the_form_of_the_page_does_not_matter(change):
    assert len(split_lines(change(drawn()))) == len(TEXTS)


def test_files_and_their_bytes_are_pages_too(tmp_path):
    drawn().save(tmp_path / "page.png")
    for page in (tmp_path / "page.png", (tmp_path / "page.png").read_bytes()):
        assert len(split_lines(page)) == len(TEXTS)


def test_dirt_is_no_line():
    page = np.array(drawn())
    page[-40, 30] = page[-20:-18, 500] = 0
    assert len(split_lines(page)) == len(TEXTS)


@pytest.mark.parametrize("text", ["one line", "i", "."])
def test_one_line_alone_is_one_line(text):
    (line,) = split_lines(drawn([text]))
    assert all(0 <= side - ink <= 4 for side, ink in zip(line.size, alone(text).size))  # 2 pixels are left around it


def test_a_stroke_that_reaches_into_the_next_line_stays_whole():
    page = Image.new("L", (700, 300), 255)
    pen = ImageDraw.Draw(page)
    for row in (60, 160):
        for column in range(50, 650, 40):
            pen.rectangle((column, row, column + 20, row + 40), fill=0)
    pen.rectangle((359, 75, 361, 170), fill=0)  # a stroke of the upper line, between two letters
    upper, lower = split_lines(page)
    assert upper.height == 4 + 111 and lower.height == 4 + 41  # rows 60 to 170, and 160 to 200
    between = np.asarray(lower)[:, 351 - 48 : 370 - 48]  # of a letter up to column 350 and one from 370 on
    assert between.min() == 255


def test_strokes_that_join_two_lines_are_cut_between_them():
    page = Image.new("L", (700, 300), 255)
    pen = ImageDraw.Draw(page)
    for row in (60, 160):
        for column in range(50, 650, 40):
            pen.rectangle((column, row, column + 20, row + 40), fill=0)
    pen.rectangle((300, 80, 302, 180), fill=0)
    upper, lower = split_lines(page)
    assert upper.height + lower.height == 8 + 141  # rows 60 to 200, each in one of them
    assert min(upper.height, lower.height) >= 41


@pytest.mark.parametrize("shade", [0, 128, 255])
def test_an_empty_page_has_no_lines(shade):
    assert split_lines(np.full((300, 200), shade, np.uint8)) == []


def test_lines_can_be_read_by_the_frontend():
    frontend = ImageFrontend()
    lengths = frontend(frontend.collate(split_lines(drawn())))[1].numpy()
    expected = frontend(frontend.collate([alone(text) for text in TEXTS]))[1].numpy()
    assert abs(lengths - expected).max() <= 4


def test_what_is_no_page_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"^Page \(none.png\): expected the path of a picture"):
        split_lines(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"^Page: expected a picture .*received int 3"):
        split_lines(3)


def test_without_scipy_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "scipy", None)
    with pytest.raises(ImportError, match=r"pip install 'seqkit\[pages\]'"):
        split_lines(drawn())
