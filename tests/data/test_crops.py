"""Lines of pages: PAGE and ALTO, hand-written here, cropped from pages drawn here, and what each error names."""

import io

import numpy as np
import pytest
from PIL import Image

from seqkit.data.manifests import read_examples, read_located

PAPER, OTHER, INK = 200, 90, 10


def read(source):
    return list(read_examples(source, "image", "text"))


def pixels(png):
    picture = Image.open(io.BytesIO(png))
    assert (picture.format, picture.mode) == ("PNG", "L")
    return np.asarray(picture)


def page(path):
    """60 x 40: dark, but for a band of paper in rows 10 to 19 with ink in columns 20 to 22."""
    shades = np.full((40, 60), OTHER, np.uint8)
    shades[10:20] = PAPER
    shades[10:20, 20:23] = INK
    Image.fromarray(shades).save(path)
    return shades


def page_xml(lines, version="2019-07-15", name="p.png", size=(60, 40), before=""):
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>{before}'
        f'<PcGts xmlns="http://schema.primaresearch.org/PAGE/gts/pagecontent/{version}">'
        f'<Page imageFilename="{name}" imageWidth="{size[0]}" imageHeight="{size[1]}"><TextRegion id="r">'
        f'<Coords points="0,0 59,0 59,39 0,39"/>{lines}<TextEquiv><Unicode>the region</Unicode></TextEquiv>'
        "</TextRegion></Page></PcGts>"
    )


def page_line(name, points, text):
    inner = '<Word id="w"><TextEquiv index="0"><Unicode>a word</Unicode></TextEquiv></Word>' if text else ""
    return f'<TextLine id="{name}"><Coords points="{points}"/><Baseline points="0,9 9,9"/>{inner}{text}</TextLine>'


def alto_xml(lines, version=4, name="p.png", unit="pixel", size=(60, 40)):
    return (
        f'<alto xmlns="http://www.loc.gov/standards/alto/ns-v{version}#"><Description>'
        f"<MeasurementUnit>{unit}</MeasurementUnit><sourceImageInformation><fileName>{name}</fileName>"
        f'</sourceImageInformation></Description><Layout><Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace>'
        f"<TextBlock>{lines}</TextBlock></PrintSpace></Page></Layout></alto>"
    )


TEXT = "<TextEquiv><Unicode>one</Unicode></TextEquiv>"
BOX = "10,10 29,10 29,19 10,19"


@pytest.mark.parametrize("version", ["2013-07-15", "2019-07-15"])
def test_page_lines_are_cropped_with_the_text_of_the_lowest_index(tmp_path, version):
    shades = page(tmp_path / "p.png")
    texts = "".join(
        f'<TextEquiv index="{index}"><Unicode>{text}</Unicode></TextEquiv>' for index, text in ((1, "no"), (0, " cafe\u0301"))
    )
    lines = page_line("l1", BOX, texts) + page_line("l2", BOX, "") + page_line("l3", "0,0 5,0 5,5", TEXT)
    (tmp_path / "p.xml").write_text(page_xml(lines, version), encoding="utf-8")
    (first, text), (_, other) = read(tmp_path / "p.xml")
    assert (text, other) == ("café", "one")
    np.testing.assert_array_equal(pixels(first), shades[10:20, 10:30])


def test_outside_of_the_polygon_is_paper(tmp_path):
    """A triangle over the band: 21 pixels high, of which the lower ones and the corners are outside."""
    shades = page(tmp_path / "p.png")
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", "10,10 30,10 20,30", TEXT)))
    ((line, _),) = read(tmp_path / "p.xml")
    found = pixels(line)
    assert found.shape == (21, 21)
    np.testing.assert_array_equal(found[0], shades[10, 10:31])  # its upper side
    assert list(found[20]) == [PAPER] * 10 + [OTHER] + [PAPER] * 10  # its tip
    assert (found[1:, 0] == PAPER).all()  # left of it the page is dark, the line is not
    assert (found == INK).sum() == 30


def test_a_polygon_that_leaves_the_page_is_cut_off_at_its_edge(tmp_path):
    shades = page(tmp_path / "p.png")
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", "-5,10 99,10 99,19 -5,19", TEXT)))
    ((line, _),) = read(tmp_path / "p.xml")
    np.testing.assert_array_equal(pixels(line), shades[10:20])


@pytest.mark.parametrize("version", [2, 3, 4])
def test_alto_lines_have_a_box_or_a_polygon(tmp_path, version):
    shades = page(tmp_path / "p.png")
    words = '<Shape><Polygon POINTS="0,0 9,0 9,9"/></Shape>'
    box = 'HPOS="10" VPOS="10" WIDTH="20" HEIGHT="10"'
    lines = (
        f'<TextLine ID="l1" {box}><String CONTENT="two">{words}</String><SP/><String CONTENT="wo"/>'
        '<HYP CONTENT="-"/></TextLine>'
        f'<TextLine ID="l2" {box}><Shape><Polygon POINTS="10 10 29 10 29 14 10 14"/></Shape>'
        '<String CONTENT="a"/><String CONTENT="b"/></TextLine>'
        f'<TextLine ID="l3" {box}><Shape><Polygon POINTS="10,10 29,10 29,19 10,19"/></Shape><String CONTENT="c"/></TextLine>'
    )
    (tmp_path / "p.xml").write_text(alto_xml(lines, version))
    found = read(tmp_path / "p.xml")
    assert [text for _, text in found] == ["two wo-", "a b", "c"]
    np.testing.assert_array_equal(pixels(found[0][0]), shades[10:20, 10:30])
    np.testing.assert_array_equal(pixels(found[1][0]), shades[10:15, 10:30])
    np.testing.assert_array_equal(pixels(found[2][0]), shades[10:20, 10:30])


def test_coordinates_are_scaled_to_the_picture(tmp_path):
    """Tenths of a millimetre, five to a pixel: rows 50 to 99 are the rows 10 to 19."""
    shades = page(tmp_path / "p.png")
    line = '<TextLine ID="l1" HPOS="50" VPOS="50" WIDTH="100" HEIGHT="46"><String CONTENT="a"/></TextLine>'
    (tmp_path / "p.xml").write_text(alto_xml(line, unit="mm10", size=(300, 200)))
    ((found, _),) = read(tmp_path / "p.xml")
    np.testing.assert_array_equal(pixels(found)[:, :20], shades[10:20, 10:30])


def test_a_directory_of_pages_finds_pictures_one_folder_up_and_passes_over_other_xml(tmp_path):
    page(tmp_path / "p.png")
    (tmp_path / "page").mkdir()
    (tmp_path / "page" / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT), name=r"C:\scans\p.png"))
    (tmp_path / "mets.xml").write_text("<mets/>")
    assert [text for _, text in read(tmp_path)] == ["one"]
    with pytest.raises(ValueError, match=r"mets.xml: expected PAGE or ALTO XML, received <mets>."):
        read(tmp_path / "mets.xml")


def test_a_page_is_opened_once_and_its_lines_are_the_same_bytes_each_time(tmp_path, monkeypatch):
    page(tmp_path / "p.png")
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT) * 3))
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda *arguments, **options: opened.append(1) or original(*arguments, **options))
    first = read(tmp_path)
    assert len(first) == 3 and len(opened) == 2  # for its size, and for its lines
    assert read(tmp_path) == first


LAUGHS = '<!DOCTYPE l [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;"><!ENTITY c "&b;&b;&b;">]>'


@pytest.mark.parametrize(
    "content, message",
    [
        ("<PcGts>", r"p.xml: not XML \(no element found"),
        (page_xml("", before=LAUGHS), "p.xml: it has a DOCTYPE, which PAGE and ALTO do not need"),
        (page_xml("", before='<!DOCTYPE x SYSTEM "file:///etc/passwd">'), "p.xml: it has a DOCTYPE"),
        (page_xml(page_line("l1", BOX, TEXT), name="../../q.png"), "p.xml: there is no picture 'q.png' beside it"),
        (page_xml(page_line("l1", BOX, TEXT), name=""), "p.xml: there is no picture '' beside it or one folder up"),
        (
            page_xml(page_line("l1", "", TEXT)),
            "p.xml, line l1: expected a box or a polygon of three points or more, received 0",
        ),
        (page_xml(page_line("l1", "70,0 80,0 80,9", TEXT)), "line l1: its polygon lies outside of the picture, .* 60 x 40"),
        (page_xml(page_line("l1", "0,0 9,0 9,1" + "0" * 400, TEXT)), "line l1: its polygon lies outside of the picture"),
        (
            page_xml(page_line("l1", "0,0 9,x 9,9", TEXT)),
            "p.xml, line l1: expected a box or a polygon, whose coordinates are numbers; received 'x'",
        ),
        (page_xml(page_line("l1", BOX, TEXT), size=(40, 60)), "its page is 40 x 60, but .*p.png is 60 x 40 pixels; expected"),
        (page_xml(page_line("l1", BOX, TEXT), name="broken.png"), "p.xml, line l1: .*broken.png: expected a whole picture"),
        (alto_xml("", unit="mm10", size=(0, 0)), "p.xml: its unit is 'mm10'; expected pixel, or the page's WIDTH and HEIGHT"),
        (page_xml("").replace("Page", "Pages"), "p.xml: expected one page a file, received 0"),
        (page_xml(page_line("l1", BOX, "")), "There are no examples in .*p.xml.*; its 1 lines have no text"),
    ],
)
def test_a_bad_page_is_refused_by_name(tmp_path, content, message):
    page(tmp_path / "p.png")
    (tmp_path / "broken.png").write_bytes((tmp_path / "p.png").read_bytes()[:60])
    (tmp_path / "p.xml").write_text(content)
    with pytest.raises(ValueError, match=message):
        read(tmp_path / "p.xml")


def test_a_page_with_the_same_picture_twice_is_refused(tmp_path):
    page(tmp_path / "p.png")
    (tmp_path / "alto.xml").write_text(
        alto_xml('<TextLine ID="l1" HPOS="0" VPOS="0" WIDTH="9" HEIGHT="9"><String CONTENT="a"/></TextLine>')
    )
    (tmp_path / "page.xml").write_text(page_xml(page_line("l1", BOX, TEXT)))
    with pytest.raises(ValueError, match=r"page.xml: .*alto.xml has the lines of .*p.png already; read one of the two."):
        read(tmp_path)


def test_pairs_come_before_pages(tmp_path):
    page(tmp_path / "p.png")
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT)))
    (tmp_path / "p.gt.txt").write_text("the pair")
    assert read(tmp_path) == [(tmp_path / "p.png", "the pair")]


@pytest.mark.parametrize(
    "way, picture, xml",
    [
        ("../images/p.png", "images/p.png", "xml/p.xml"),
        ("images/p.png", "images/p.png", "p.xml"),
        ("OCR-D-IMG/p.tif", "OCR-D-IMG/p.tif", "OCR-D-GT/p.xml"),
        ("/data/scans/p.png", "p.png", "p.xml"),
        ("/data/scans/p.png", "scans/p.png", "page/p.xml"),
        (r"C:\scans\p.png", "p.png", "page/p.xml"),
        ("file:///data/my%20page.png", "my page.png", "p.xml"),
        ("p.png", "P.PNG", "p.xml"),
        ("caf\u00e9/\u00e9.png", "cafe\u0301/e\u0301.png", "p.xml"),
        ("../../p.png", "p.png", "a/b/p.XML"),
        ("100%.png", "100%.png", "p.xml"),
    ],
)
def test_a_picture_is_found_by_the_way_that_the_xml_gives(tmp_path, way, picture, xml):
    for name in (picture, xml):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    shades = page(tmp_path / picture)
    (tmp_path / xml).write_text(page_xml(page_line("l1", BOX, TEXT), name=way), encoding="utf-8")
    for source in (tmp_path, tmp_path / xml)[: 1 if way == "../../p.png" else 2]:
        ((line, text),) = read(source)
        assert text == "one"
        np.testing.assert_array_equal(pixels(line), shades[10:20, 10:30])


@pytest.mark.parametrize("way", ["../../secret.png", "/{root}/secret.png", "../../../secret.png", "file://{root}/secret.png"])
def test_no_picture_is_read_from_farther_out_than_one_folder_up(tmp_path, way):
    page(tmp_path / "secret.png")
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "b" / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT), name=way.format(root=tmp_path)))
    with pytest.raises(ValueError, match="p.xml: there is no picture 'secret.png' beside it or one folder up"):
        read(tmp_path / "a" / "b" / "p.xml")


def test_points_of_2010_and_texts_of_words_alone_are_read(tmp_path):
    shades = page(tmp_path / "p.png")
    corners = "".join(f'<Point x="{x}" y="{y}"/>' for x, y in ((10, 10), (29, 10), (29, 19), (10, 19)))
    words = "".join(f"<Word><TextEquiv><Unicode>{word}</Unicode></TextEquiv></Word>" for word in ("two", "", "words"))
    line = f'<TextLine id="l1"><Coords>{corners}</Coords>{words}</TextLine>'
    (tmp_path / "p.xml").write_text(page_xml(line, version="2010-03-19"))
    ((found, text),) = read(tmp_path)
    assert text == "two words"
    np.testing.assert_array_equal(pixels(found), shades[10:20, 10:30])
    # Where somebody has transcribed lines, words are what a machine has read.
    (tmp_path / "p.xml").write_text(page_xml(line + page_line("l2", BOX, TEXT)))
    assert [text for _, text in read(tmp_path)] == ["one"]


BAD = {
    "a letter": page_line("l1", "10,10 29,1O 29,19", TEXT),
    "half a point": page_line("l1", "10,10 29,10 29", TEXT),
    "one point": page_line("l1", "10,10", TEXT),
    "flat": page_line("l1", "10,10 29,10 20,10", TEXT),
    "flat, askew": page_line("l1", "10,10 20,20 30,30 15,15", TEXT),
    "no coordinates": f'<TextLine id="l1"><Baseline points="10,15 29,15"/>{TEXT}</TextLine>',
    "half a corner": f'<TextLine id="l1"><Coords><Point x="1"/><Point x="2" y="2"/></Coords>{TEXT}</TextLine>',
    "ALTO without a box": '<TextLine ID="l1" BASELINE="10 15 29 15"><String CONTENT="a"/></TextLine>',
    "ALTO without a height": '<TextLine ID="l1" HPOS="1" VPOS="1" WIDTH="9"><String CONTENT="a"/></TextLine>',
    "ALTO, no width": '<TextLine ID="l1" HPOS="1" VPOS="1" WIDTH="0" HEIGHT="9"><String CONTENT="a"/></TextLine>',
    "ALTO, an ellipse": '<TextLine ID="l1"><Shape><Ellipse HPOS="20"/></Shape><String CONTENT="a"/></TextLine>',
    "ALTO, flat": '<TextLine ID="l1"><Shape><Polygon POINTS="1,1 9,1 5,1"/></Shape><String CONTENT="a"/></TextLine>',
}


@pytest.mark.parametrize("kind", BAD)
def test_a_line_without_a_place_is_refused_and_the_others_stay(tmp_path, kind):
    page(tmp_path / "p.png")
    box = 'HPOS="10" VPOS="10" WIDTH="20" HEIGHT="10"'
    good = f'<TextLine ID="l2" {box}><String CONTENT="b"/></TextLine>' if "ALTO" in kind else page_line("l2", BOX, TEXT)
    (tmp_path / "p.xml").write_text((alto_xml if "ALTO" in kind else page_xml)(BAD[kind] + good))
    with pytest.raises(ValueError, match=r"p.xml, line l1: expected a box or a polygon[^(]*$"):
        read(tmp_path)
    (_, bad, _), (name, crop, _) = read_located(tmp_path, "image", "text")
    assert isinstance(bad, ValueError) and name.endswith("p.xml, line l2") and crop.read()


def test_an_index_that_is_no_number_counts_only_where_it_has_to_choose(tmp_path):
    page(tmp_path / "p.png")
    text = TEXT.replace("<TextEquiv>", '<TextEquiv index="">')
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, text)))
    assert [text for _, text in read(tmp_path)] == ["one"]
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, text + TEXT) + page_line("l2", BOX, TEXT)))
    with pytest.raises(ValueError, match="p.xml, line l1: expected whole numbers for the index of its texts, received ''"):
        read(tmp_path)


@pytest.mark.parametrize("kind", ["png", "tif", "jpg"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_coordinates_are_those_of_the_stored_picture_whichever_way_up_it_is(tmp_path, orientation, kind):
    shades = page(tmp_path / "p.png")
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(shades).save(tmp_path / f"p.{kind}", exif=exif, **({"quality": 100} if kind == "jpg" else {}))
    box = 'HPOS="10" VPOS="10" WIDTH="20" HEIGHT="10"'
    (tmp_path / "p.xml").write_text(alto_xml(f'<TextLine ID="l1" {box}><String CONTENT="a"/></TextLine>', name=f"p.{kind}"))
    ((line, _),) = read(tmp_path / "p.xml")
    np.testing.assert_allclose(pixels(line).astype(int), shades[10:20, 10:30], atol=4)


@pytest.mark.parametrize("kind", ["png", "tif"])
@pytest.mark.parametrize("orientation, turn", [(6, Image.Transpose.ROTATE_90), (8, Image.Transpose.ROTATE_270)])
def test_coordinates_are_those_of_the_upright_picture_where_only_its_sides_fit(tmp_path, orientation, turn, kind):
    shades = page(tmp_path / "p.png")
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(shades).transpose(turn).save(tmp_path / f"q.{kind}", exif=exif)
    (tmp_path / "p.xml").write_text(page_xml(page_line("l1", BOX, TEXT), name=f"q.{kind}"))
    ((line, _),) = read(tmp_path / "p.xml")
    np.testing.assert_array_equal(pixels(line), shades[10:20, 10:30])


def test_a_page_may_be_larger_than_a_line_and_of_any_shape(tmp_path):
    Image.new("1", (10_000, 6_000), 1).save(tmp_path / "large.png")
    Image.new("L", (3, 1200), 255).save(tmp_path / "thin.png")
    for name, size, box in (("large", (10_000, 6_000), BOX), ("thin", (3, 1200), "0,0 2,0 2,9")):
        (tmp_path / "p.xml").write_text(page_xml(page_line("l1", box, TEXT), name=f"{name}.png", size=size))
        assert len(read(tmp_path / "p.xml")) == 1
