"""What counts as the picture of a line, and that the line is the same however it was pictured."""

import io
import zlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont

from seqkit.frontends import image
from seqkit.frontends.image import ImageFrontend, grey
from seqkit.media.pictures import BACK, read_picture

FRONTEND = ImageFrontend()
TEXT = "The quick brown fox jumps over it"


def drawn(text=TEXT, size=44, margin=4):
    """Black text on white paper, cut at the ink but for `margin` pixels: `(height, width)` uint8."""
    picture = Image.new("L", (size * len(text) + 2 * size, 3 * size), 255)
    ImageDraw.Draw(picture).text((size, size), text, font=ImageFont.load_default(size=size), fill=0)
    ink = np.asarray(picture) < 255
    rows, columns = np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))
    box = (columns[0] - margin, rows[0] - margin, columns[-1] + 1 + margin, rows[-1] + 1 + margin)
    return np.asarray(picture.crop(box))


def encoded(picture, kind="PNG", **options):
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, kind, **options)
    return stream.getvalue()


def lines(items, frontend=FRONTEND):
    """The features of each item, without padding."""
    features, lengths, *_ = frontend(frontend.collate(items))
    return [row[:length] for row, length in zip(features.numpy(), lengths.numpy())]


def kept(items):
    """The same of lines that are left to lean and climb."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(image, "_upright", lambda ink: (ink, 0.0))
        return lines(items, ImageFrontend())


def difference(one, other):
    """How much of the ink of two lines lies elsewhere, as a share of all; they may be a step apart."""
    steps = max(len(one), len(other)) + 2

    def at(row, shift):
        return np.pad(row, ((shift, steps - len(row) - shift), (0, 0)))

    return min(np.abs(at(one, 1) - at(other, shift)).sum() for shift in range(3) if len(other) + shift <= steps) / one.sum()


LINE = drawn()
CLEAN = lines([LINE])[0]


def test_features_are_ink_on_paper_of_the_height_asked_for():
    for height in (32, 48):
        features = lines([LINE], ImageFrontend(height))[0]
        assert features.shape[1] == height and features.dtype == np.float32
        assert features.min() == 0 and 0.95 < features.max() <= 1  # a thin stroke is a little softer than that
        ink = np.flatnonzero(features.sum(1) > 0.5)
        margins = (ink[0], len(features) - 1 - ink[-1])  # an eighth of the height
        assert all(abs(margin - height / 8) <= 3 for margin in margins)


def test_time_is_the_x_axis():
    def width(text):
        return len(lines([drawn(text)])[0]) - 12  # without the margins of an eighth of 48

    assert width("nnnnnnnn") == pytest.approx(2 * width("nnnn"), rel=0.05)


def test_letters_keep_their_size_beside_tall_ones():
    def x_height(text):
        # The band of an "x" that stands first.
        rows = np.flatnonzero(lines([drawn(text)])[0][6:18].max(0) > 0.5)
        return rows[-1] - rows[0] + 1

    low, tall = x_height("xxx aceno suma error"), x_height("xxx Éplucher quatre jambons")
    assert low / tall < 1.4  # cropped to the ink, the first would be twice as large


@pytest.mark.parametrize("kind, options", [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True}), ("GIF", {})])
def test_the_kinds_of_lossless_files_give_the_same_line(kind, options):
    np.testing.assert_array_equal(lines([encoded(LINE, kind, **options)])[0], CLEAN)


RGBA = np.dstack([np.zeros((*LINE.shape, 3), np.uint8), 255 - LINE])
UNUSED = np.setdiff1d(np.arange(256), LINE).astype(np.uint8)[0]  # a dark shade
FORMS = {
    "channel": LINE[:, :, None],
    "RGB": np.dstack([LINE] * 3),
    "ink in the alpha channel": RGBA,
    "uint16": LINE.astype(np.uint16) * 257,
    "int64": LINE.astype(np.int64),
    "floats to 1": LINE / 255.0,
    "floats to 255": LINE.astype(np.float32),
    "tensor": tf.constant(LINE),
    "PIL L": Image.fromarray(LINE),
    "PIL RGBA": Image.fromarray(RGBA),
    "PIL LA": Image.fromarray(RGBA).convert("LA"),
    "PIL P": Image.fromarray(LINE).convert("P"),
    "PIL I;16": Image.fromarray(LINE.astype(np.uint16) * 257),
    "PIL F": Image.fromarray(LINE.astype(np.float32)),
    "PNG RGB": encoded(np.dstack([LINE] * 3)),
    "PNG RGBA": encoded(RGBA),
    "PNG LA": encoded(Image.fromarray(RGBA).convert("LA")),
    "PNG of 16 bits": encoded(LINE.astype(np.uint16) * 257),
    "PNG of a palette": encoded(Image.fromarray(LINE).convert("P")),
    "PNG of a transparent white": encoded(np.where(LINE == 255, UNUSED, LINE), transparency=int(UNUSED)),
    "bytearray": bytearray(encoded(LINE)),
    "interlaced": encoded(LINE, interlace=1),
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_picture_gives_the_same_line(form):
    np.testing.assert_array_equal(lines([FORMS[form]])[0], CLEAN)


def test_bool_arrays_are_paper_where_true():
    np.testing.assert_array_equal(lines([LINE > 127])[0], lines([np.where(LINE > 127, 255, 0)])[0])


def test_a_path_is_read_and_jpeg_and_png_go_in_as_they_are(tmp_path):
    for kind, name in (("PNG", "line.png"), ("JPEG", "line.jpg")):
        path = tmp_path / name
        path.write_bytes(encoded(LINE, kind))
        for item in (path, str(path), path.read_bytes()):
            assert FRONTEND.collate([item])["image_bytes"][0] == path.read_bytes()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpegs_are_read_as_pillow_reads_them(mode):
    source = encoded(Image.fromarray(LINE).convert(mode), "JPEG")
    pillow = Image.open(io.BytesIO(source)).convert("RGB").convert("L")
    assert difference(lines([np.asarray(pillow)])[0], lines([source])[0]) < 0.1  # another cosine transform


def test_a_photograph_is_turned_as_its_camera_says():
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    turned = encoded(Image.fromarray(LINE).rotate(90, expand=True), "PNG", exif=exif)
    np.testing.assert_array_equal(lines([turned])[0], CLEAN)


def test_colours_become_grey_by_pillows_weights_over_white():
    random = np.random.default_rng(0)
    for mode, channels in (("L", 1), ("LA", 2), ("RGB", 3), ("RGBA", 4)):
        values = random.integers(0, 256, (20, 30, channels), np.uint8)
        values[:5, :, -1], values[5:8, :, -1] = 255, 0
        picture = Image.fromarray(values.squeeze())
        assert picture.mode == mode
        seen = grey(values).numpy()
        if mode in ("L", "RGB"):
            np.testing.assert_array_equal(seen, np.asarray(picture.convert("L"), np.float32))
        else:
            over = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture.convert("RGBA"))
            assert np.abs(seen - np.asarray(over.convert("L"), np.float32)).max() <= 1


def test_a_clear_ground_shows_what_lies_on_it_light_or_dark():
    """Ink alone on a clear ground; a sheet cut out of its surroundings, inked or blank; and nothing at all."""
    for ink, form in ((0, "RGBA"), (255, "RGBA"), (255, "LA"), (240, "RGBA")):
        picture = Image.merge("LA", [Image.new("L", LINE.T.shape, ink), Image.fromarray(255 - LINE)]).convert(form)
        for item in (picture, encoded(picture), encoded(picture, "WEBP", lossless=True), np.asarray(picture.convert("RGBA"))):
            np.testing.assert_allclose(lines([item])[0], CLEAN, atol=0.02)
    for sheet, around in ((LINE, 10), (LINE, 60), (np.full_like(LINE, 255), 8)):
        cut = np.dstack([np.pad(sheet, around), np.pad(np.full_like(sheet, 255), around)])
        expected = lines([np.pad(sheet, around, constant_values=255)])[0]
        np.testing.assert_allclose(lines([Image.fromarray(cut)])[0], expected, atol=1e-5)
    assert lines([np.zeros((40, 300, 4), np.uint8)])[0].max() == 0


@pytest.mark.parametrize(
    "kind, options", [("PNG", {}), ("TIFF", {}), ("TIFF", {"compression": "tiff_lzw"}), ("JPEG", {"quality": 95})]
)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_file_is_turned_upright_once_by_path_and_by_bytes(tmp_path, orientation, kind, options):
    exif = Image.Exif()
    exif[0x0112] = orientation
    back = BACK.get(orientation)
    stored = Image.fromarray(LINE).transpose(back) if back is not None else Image.fromarray(LINE)
    path = tmp_path / "a"
    path.write_bytes(encoded(stored, kind, exif=exif, **options))
    for item in (path, path.read_bytes()):
        picture, _ = read_picture(item, "Item 0")
        np.testing.assert_allclose(np.asarray(picture.convert("L")).astype(int), LINE, atol=0 if kind != "JPEG" else 40)
        picture, _ = read_picture(item, "Item 0", stored=True)
        assert picture.size == stored.size
        np.testing.assert_allclose(np.asarray(picture).astype(int), np.asarray(stored), atol=0 if kind != "JPEG" else 40)


def test_light_writing_on_a_dark_board_is_ink_too():
    np.testing.assert_allclose(lines([255 - LINE])[0], CLEAN, atol=1e-5)
    board = 40 + (255 - LINE) * 0.7
    assert difference(CLEAN, lines([board])[0]) < 0.1


@pytest.mark.parametrize("above, below, left, right", [(60, 60, 80, 80), (0, 90, 0, 0), (50, 0, 10, 500)])
def test_margins_do_not_matter(above, below, left, right):
    wide = np.pad(LINE, ((above, below), (left, right)), constant_values=255)
    assert difference(CLEAN, lines([wide])[0]) < 0.1


@pytest.mark.parametrize("letter", "aEmW1")
def test_a_letter_cut_at_its_ink_is_read_as_one_with_margins(letter):
    tight, wide = (len(lines([drawn(letter, margin=margin)])[0]) for margin in (0, 20))
    assert tight > 12 and abs(tight - wide) <= 2


def test_dirt_in_the_margins_does_not_matter():
    wide = np.pad(LINE, ((10, 10), (200, 200)), constant_values=255)
    wide[20, 30] = wide[40, 100] = wide[50, -20] = 0
    assert abs(len(lines([wide])[0]) - len(CLEAN)) <= 5


def test_a_full_stop_at_the_end_is_no_dirt():
    with_stop, without = (len(lines([drawn(text)])[0]) for text in (TEXT + " .", TEXT))
    assert with_stop > without + 6


@pytest.mark.parametrize("scale", [0.7, 2, 5])
def test_the_resolution_does_not_matter(scale):
    picture = Image.fromarray(LINE)
    scaled = picture.resize((round(picture.width * scale), round(picture.height * scale)), Image.Resampling.BICUBIC)
    other = lines([scaled])[0]
    assert abs(len(other) - len(CLEAN)) <= 8
    if scale > 1:
        assert difference(CLEAN, other) < 0.25


def test_grey_paper_and_a_shadow_come_out_nearly_clean():
    rows, columns = np.mgrid[: LINE.shape[0], : LINE.shape[1]]
    shadow = 0.45 + 0.55 / (1 + np.exp((columns + rows / 2 - 300) / 15))
    grain = np.random.default_rng(0).normal(0, 3, LINE.shape)
    photograph = np.clip((LINE * 0.75 + 40) * shadow + grain, 0, 255)
    paper = np.median(photograph[:, 500:]) / np.median(photograph[:, :100])
    assert paper < 0.5  # the shadow halves the light, so that no one threshold can do
    for picture in (LINE * 0.5 + 60, (LINE * 0.75 + 40) * shadow, photograph):
        assert difference(CLEAN, lines([picture])[0]) < 0.25


def test_faint_pencil_becomes_full_ink():
    assert difference(CLEAN, lines([235 - (255 - LINE) * 0.15])[0]) < 0.25


def test_what_can_hardly_be_seen_is_not_made_full_ink():
    assert lines([235 - (255 - LINE) * 0.04])[0].max() < 0.5


@pytest.mark.parametrize("shade, noise, most", [(0, 0, 0), (128, 0, 0), (255, 0, 0), (128, 3, 0.1), (200, 8, 0.2)])
def test_an_empty_page_stays_empty(shade, noise, most):
    page = np.clip(shade + np.random.default_rng(0).normal(0, noise, (64, 800)), 0, 255)
    features = lines([page.astype(np.uint8)])[0]
    assert 12 <= len(features) < 48 and features.max() <= most


@pytest.mark.parametrize("degrees", [-4, -2, -0.7, 0.7, 2, 4])
def test_a_line_that_climbs_or_falls_is_made_level(degrees):
    page = Image.fromarray(np.pad(LINE, 60, constant_values=255)).rotate(degrees, Image.Resampling.BICUBIC, fillcolor=255)
    level, tilted = CLEAN.sum(0), lines([np.asarray(page)])[0].sum(0)
    assert np.square(tilted / tilted.sum()).sum() == pytest.approx(np.square(level / level.sum()).sum(), rel=0.06)


@pytest.mark.parametrize("tangent", [-0.6, -0.3, 0.3, 0.6])
def test_letters_that_lean_are_put_upright(tangent):
    page = Image.fromarray(np.pad(LINE, ((0, 0), (60, 60)), constant_values=255))
    size, shift = page.size, -tangent * page.height / 2
    leaning = page.transform(
        size, Image.Transform.AFFINE, (1, tangent, shift, 0, 1, 0), Image.Resampling.BICUBIC, fillcolor=255
    )
    assert difference(CLEAN, lines([np.asarray(leaning)])[0]) < 0.5 * difference(CLEAN, kept([np.asarray(leaning)])[0])


def test_training_is_shown_lines_as_they_come():
    page = Image.fromarray(np.pad(LINE, 60, constant_values=255)).rotate(3, Image.Resampling.BICUBIC, fillcolor=255)
    level, climbing = (lines([np.asarray(page)], frontend)[0] for frontend in (FRONTEND, FRONTEND.learning()))
    rises = []
    for line in (level, climbing):
        ends = (line[: len(line) // 4].sum(0), line[-len(line) // 4 :].sum(0))
        first, last = (ink @ np.arange(48) / ink.sum() for ink in ends)
        rises.append(first - last)
    assert abs(rises[0]) < 2 and rises[1] > 6
    soft, sharp = (np.abs(np.diff(line, axis=0)).max() for line in (CLEAN, *lines([LINE], FRONTEND.learning())))
    assert soft < 0.9 * sharp


def test_a_letter_alone_is_hardly_leant():
    for letter in "/\\|-LW":
        shades = tf.constant(drawn(letter), tf.float32)
        leant, more = image._upright(255.0 - shades)
        assert more <= 0.1 * shades.shape[0]
        rows = [np.asarray(ink).sum(1) / np.asarray(ink).sum() for ink in (leant, 255.0 - shades)]
        np.testing.assert_allclose(*rows, atol=0.03)


def test_a_page_turned_upside_down_is_a_line_upside_down():
    assert difference(CLEAN, lines([LINE[::-1, ::-1]])[0][::-1, ::-1]) < 0.1


@pytest.mark.parametrize("shape", [(1, 1), (8, 90), (64, 10_000), (48, 10_000), (200, 1), (1, 200)])
def test_odd_shapes_are_answered(shape):
    page = np.full(shape, 255, np.uint8)
    page[shape[0] // 2 :: 3, ::7] = 0
    features = lines([page])[0]
    assert len(features) >= 1 and np.isfinite(features).all()
    assert len(features) <= image.LONGEST * 48 + 12


def test_neighbours_and_padding_do_not_matter():
    items = [LINE, drawn("a"), np.full((20, 30), 255, np.uint8), np.pad(LINE, 300, constant_values=255)]
    features, lengths, *_ = FRONTEND(FRONTEND.collate(items))
    for place, item in enumerate(items):
        np.testing.assert_array_equal(features[place, : lengths[place]], lines([item])[0])
        assert not features[place, lengths[place] :].numpy().any()


def test_no_items_are_a_batch_of_one_step():
    features, lengths, *_ = FRONTEND(FRONTEND.collate([]))
    assert features.shape == (0, 1, 48) and lengths.shape == (0,)


def test_pixels_give_the_same_features_as_files():
    items = [np.dstack([LINE] * 3), np.dstack([drawn("short")] * 2 + [drawn("short") // 2])]
    pixels = np.full((2, 90, 2000, 3), 7, np.uint8)  # the padding is not white
    for place, item in enumerate(items):
        pixels[place, : item.shape[0], : item.shape[1]] = item
    sizes = np.array([item.shape[:2] for item in items], np.int32)
    for one, other in zip(FRONTEND({"pixels": pixels, "sizes": sizes}), FRONTEND(FRONTEND.collate(items))):
        np.testing.assert_array_equal(one, other)


def test_sizes_guess_the_steps():
    items = [LINE, drawn("short"), encoded(LINE, "JPEG")]
    for item, length in zip(items, FRONTEND(FRONTEND.collate(items)).lengths.numpy()):
        assert 0.5 < FRONTEND.size(FRONTEND.read(item, "Item")) / length < 2


def test_the_graph_holds_only_tensorflows_own_ops():
    graph = tf.function(FRONTEND, autograph=False).get_concrete_function(FRONTEND.signature).graph.as_graph_def()
    ops = {node.op for function in graph.library.function for node in function.node_def}
    assert "DecodeImage" in ops and not ops & {"PyFunc", "EagerPyFunc", "XlaLaunch"}
    assert all(spec.name == name for specs in (FRONTEND.signature, *FRONTEND.more.values()) for name, spec in specs.items())


def animation():
    frames = [Image.fromarray(LINE), Image.fromarray(255 - LINE)]
    stream = io.BytesIO()
    frames[0].save(stream, "GIF", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def bomb():
    """A PNG of 1 KB that says it has 20,000 x 20,000 pixels."""
    whole = encoded(np.zeros((1, 1), np.uint8))
    header = b"IHDR" + (20_000).to_bytes(4, "big") * 2 + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]


@pytest.mark.parametrize(
    "item, message",
    [
        (3, "expected a picture .*received int 3"),
        (None, "expected a picture .*received NoneType"),
        ([[0, 1]], "expected a picture .*received list"),
        (b"", "expected a whole picture"),
        (b"%PDF-1.4 not a picture", "expected a whole picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "expected a whole picture"),
        (encoded(LINE)[:-1], "expected a whole picture"),
        (encoded(LINE)[:400], "expected a whole picture"),
        (encoded(LINE, "JPEG")[:-1], "expected a whole picture"),
        (encoded(LINE, "JPEG")[:100], "expected a whole picture"),
        (encoded(LINE, "PPM"), "expected a whole picture"),
        (animation(), "received 2 frames"),
        (bomb(), "expected at most 50,000,000 pixels"),
        (Image.new("1", (9000, 9000)), "expected at most 50,000,000 pixels; received 9000 x 9000"),
        (Image.new("L", (0, 5)), "expected a picture with pixels; received 0 x 5"),
        (np.zeros((0, 7), np.uint8), "expected a picture with pixels; received 7 x 0"),
        (np.zeros((2, 900), np.uint8), "one side at most 250 times the other; received 900 x 2"),
        (np.zeros((900, 2), np.uint8), "one side at most 250 times the other; received 2 x 900"),
        (np.zeros((5, 5, 2), np.uint8), r"received \(5, 5, 2\)"),
        (np.zeros((3, 5, 5), np.uint8), r"received \(3, 5, 5\)"),
        (np.float32(3), r"received \(\)"),
        (np.array([["a"]]), "expected an array of numbers"),
        (np.full((5, 5), np.nan), "from nan to nan"),
        (np.full((5, 5), np.inf), "from inf to inf"),
        (np.full((5, 5), -1.0), "from -1 to -1"),
        (np.full((5, 5), 70_000), "from 70000 to 70000"),
        (np.full((5, 5), 300.0), "from 300 to 300"),
    ],
)
def test_what_is_no_line_is_refused_by_place(item, message):
    with pytest.raises(ValueError, match=f"^Item 1: .*{message}"):
        FRONTEND.collate([LINE, item])


def test_a_file_is_refused_by_name(tmp_path):
    (tmp_path / "cut.jpg").write_bytes(encoded(LINE, "JPEG")[:-200])
    cases = [("cut.jpg", "whole picture"), ("none.png", "No such file"), (".", "directory"), ("a\0b", "null")]
    for name, message in cases:
        with pytest.raises(ValueError, match=rf"^Item 0 \({(tmp_path / name).name}\): .*{message}"):
            FRONTEND.collate([tmp_path / name])


def test_many_frontends_are_made_without_a_warning(caplog):
    for height in range(20, 30):
        lines([LINE], ImageFrontend(height))
    assert "retracing" not in caplog.text


def test_a_height_without_room_for_letters_is_refused():
    with pytest.raises(ValueError, match="height must be at least 8 pixels; received 4"):
        ImageFrontend(height=4)
