"""Strokes: what a step is, counted by hand and against a second route in NumPy; what is refused; how glyphs are varied."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.frontends.strokes import BOXES, StrokesFrontend, deform

SQUARE = [(0, 0), (0, 5), (5, 5), (5, 0), (0, 0)]
EQUALS = [[(0, 0), (2, 0)], [(2, 1), (0, 1)]]  # two bars, the pen lifted between
RANDOM = np.random.default_rng(0)
SCRIBBLES = [RANDOM.normal(size=(count, 2)) for count in (2, 9, 30, 5)]


def features_of(items, spacing=0.1, box="longer"):
    frontend = StrokesFrontend(spacing, box)
    features, lengths, *_ = frontend({name: tf.constant(value) for name, value in frontend.collate(items).items()})
    return features.numpy(), lengths.numpy()


def steps_of(item, **settings):
    return features_of([item], **settings)[0][0]


def test_a_straight_line_has_equal_steps():
    # Ten units at a tenth of the box make ten steps and a start, however the points lie on the line.
    for points in ([(0, 0), (10, 0)], [(0, 0), (1, 0), (1.5, 0), (10, 0)], [(x, 0) for x in np.linspace(0, 10, 101)]):
        steps = steps_of(points)
        assert steps.shape == (11, 5)
        np.testing.assert_allclose(steps[:, 0], np.linspace(-0.5, 0.5, 11), atol=1e-6)
        np.testing.assert_allclose(steps[1:, 1:], [[0, 1, 0, 1]] * 10, atol=1e-5)
        assert steps[0].tolist() == [-0.5, 0, 0, 0, 0]


def test_a_square_is_read_corner_by_corner():
    steps = steps_of(SQUARE, spacing=0.25)  # four steps a side: left up, top, right down, bottom
    assert len(steps) == 17
    np.testing.assert_allclose(steps[::4, :2], [(-0.5, -0.5), (-0.5, 0.5), (0.5, 0.5), (0.5, -0.5), (-0.5, -0.5)], atol=1e-6)
    np.testing.assert_allclose(steps[1:, 2:4], np.repeat([(0, 1), (1, 0), (0, -1), (-1, 0)], 4, axis=0), atol=1e-5)


def test_a_step_around_a_corner_is_shorter():
    # Two sides of 1 in three steps of 2/3: the middle one goes 1/3 up and 1/3 right.
    steps = steps_of([(0, 0), (0, 1), (1, 1)], spacing=0.7)
    np.testing.assert_allclose(steps[1:, 2:4], [(0, 1), (0.5, 0.5), (1, 0)], atol=1e-5)


def test_a_lift_is_a_way_that_is_not_drawn():
    # Two units, a lift of one, two units back: in a box of 2 by 1, five steps of 0.5 of the larger side.
    steps = steps_of(EQUALS, spacing=0.5)
    np.testing.assert_allclose(steps[1:, 4], [1, 1, 0, 1, 1], atol=1e-5)
    np.testing.assert_allclose(steps[3], [0.5, 0.25, 0, 1, 0], atol=1e-5)
    half = steps_of([(0, 0, 1), (1, 0, 1), (2, 0, 0)], spacing=1)  # one step, half of it lifted
    np.testing.assert_allclose(half[1], [0.5, 0, 1, 0, 0.5], atol=1e-6)


def test_all_forms_of_a_glyph_are_read_alike():
    points = [(0, 0, 1), (2, 0, 1), (2, 1, 0), (0, 1, 1)]
    timed = [[(*point, 0.1 * place) for place, point in enumerate(stroke)] for stroke in EQUALS]
    forms = [EQUALS, points, np.array(points), np.array(EQUALS), tuple(map(tuple, EQUALS)), timed]
    forms.append([(*point, 7.5 * place) for place, point in enumerate(points)])
    forms.append([np.array(stroke, "float32") for stroke in EQUALS])
    expected = steps_of(forms[0])
    for form in forms[1:]:
        np.testing.assert_array_equal(steps_of(form), expected)


def test_steps_are_those_of_numpys_interpolation():
    for points in SCRIBBLES:
        steps = steps_of(points, spacing=0.07)
        low, high = points.min(axis=0), points.max(axis=0)
        places = (points - (low + high) / 2) / (high - low).max()
        travelled = np.append(0, np.cumsum(np.linalg.norm(np.diff(places, axis=0), axis=1)))
        goals = np.linspace(0, travelled[-1], 1 + int(np.ceil(travelled[-1] / 0.07)))
        expected = np.stack([np.interp(goals, travelled, axis) for axis in places.T], axis=1)
        np.testing.assert_allclose(steps[:, :2], expected, atol=2e-5)
        np.testing.assert_allclose(steps[1:, 2:4], np.diff(expected, axis=0) / goals[1], atol=2e-3)


@pytest.mark.parametrize("box", BOXES[:3])
def test_neither_place_nor_size_matters(box):
    for points in SCRIBBLES:
        expected = steps_of(points, box=box)
        for factor, shift in ((3.0, 0.0), (1e-6, 0.0), (1.0, 1e6), (1e20, -1e20)):
            np.testing.assert_allclose(steps_of(points * factor + shift, box=box), expected, atol=1e-3)


def test_both_sides_are_stretched():
    flat = SCRIBBLES[1] * [1, 0.01]
    np.testing.assert_allclose(steps_of(flat, box="both"), steps_of(SCRIBBLES[1], box="both"), atol=1e-4)
    assert np.ptp(steps_of(SCRIBBLES[1], box="both", spacing=0.01)[:, :2], axis=0).min() > 0.98


def test_a_line_is_as_high_as_one_and_says_no_place_along_it():
    short, long = (steps_of([(0, 0), (0, 2)] + [(x, 2) for x in range(1, end)], box="height") for end in (5, 40))
    assert len(short) == 11 + 20 and len(long) == 11 + 195  # 4 and 39 of a height of 2, in steps of a tenth of the height
    for steps in (short, long):
        assert not steps[:, 0].any()
        np.testing.assert_allclose(steps[[0, 10], 1], [-0.5, 0.5], atol=1e-6)
        np.testing.assert_allclose(steps[11:, 2:4], [(1, 0)] * (len(steps) - 11), atol=1e-3)
    assert len(steps_of([(0, 0), (9, 0)], box="height", spacing=1)) == 65  # flat: taken to be a 64th as high as it is wide
    with pytest.raises(ValueError, match="box must be one of .*'width'"):
        StrokesFrontend(0.1, "width")


def test_a_point_alone_is_one_step():
    for item in ([(3, 4)], [(3, 4, 1), (3, 4, 1)], [[(3, 4)]]):
        assert steps_of(item).tolist() == [[0, 0, 0, 0, 0]]
    assert steps_of([(3, 4), (3, 5)], box="both").shape == (11, 5)  # one side of the box is 0


def test_neighbours_and_padding_change_no_bit():
    together, lengths = features_of([*SCRIBBLES, SQUARE, [(1, 1)]])
    for row, length, item in zip(together, lengths, [*SCRIBBLES, SQUARE, [(1, 1)]]):
        np.testing.assert_array_equal(row[:length], steps_of(item))
        assert not row[length:].any()
    batch = StrokesFrontend(0.1).collate(SCRIBBLES)
    batch["points"] = np.pad(batch["points"], [[0, 0], [0, 7], [0, 0]], constant_values=99)
    np.testing.assert_array_equal(StrokesFrontend(0.1)(batch)[0], features_of(SCRIBBLES)[0])


@pytest.mark.parametrize("box", BOXES)
def test_sizes_are_the_steps(box):
    frontend, items = StrokesFrontend(0.1, box), [*SCRIBBLES, SQUARE, [(1, 1)], [(0, 0), (8, 0)]]
    sizes = [frontend.size(frontend.read(item, "Item")) for item in items]
    np.testing.assert_allclose(sizes, features_of(items, box=box)[1], atol=1)


@pytest.mark.parametrize(
    "item, message",
    [
        ("zero", "expected pen points .*received str 'zero'"),
        (None, "received NoneType"),
        ({"points": 1}, "received dict"),
        (3.5, "received float 3.5"),
        ([(0, 0), (1,)], "received list"),
        ([1, 2, 3], r"received .* of shape \(3,\)"),
        (np.zeros((2, 5)), r"received .* of shape \(2, 5\)"),
        (np.zeros((2, 1)), r"received .* of shape \(2, 1\)"),
        ([np.zeros((2, 2)), np.zeros((3, 4))], r"received .* of shape \(2, 2\) and \(3, 4\)"),
        (np.zeros((2, 2, 2, 2)), "received .* of shape"),
        ([], "at least one pen point, received none"),
        (np.zeros((0, 2)), "at least one pen point, received none"),
        ([np.zeros((0, 2))] * 2, "at least one pen point, received none"),
        ([(0, 0), (float("nan"), 1)], r"expected finite x and y .*point 1 is \[nan, 1.0, 1.0\]"),
        ([(0, float("-inf"))], "point 0 is"),
        ([(0, 1e31)], "below 1e.30"),
        ([(0, 0, 1), (1, 1, 255)], r"pen from 0, lifted, to 1, drawing; point 1 is \[1.0, 1.0, 255.0\]"),
    ],
)
def test_other_items_are_refused_by_place(item, message):
    with pytest.raises(ValueError, match=f"Item 1: .*{message}"):
        StrokesFrontend(0.1).collate([SQUARE, item])


def test_parts_join_to_the_glyph():
    frontend = StrokesFrontend(0.1)
    np.testing.assert_array_equal(steps_of(frontend.join([SQUARE[:2], SQUARE[2:3], SQUARE[3:]])), steps_of(SQUARE))
    np.testing.assert_array_equal(steps_of(frontend.join([EQUALS[:1], EQUALS[1:]])), steps_of(EQUALS))
    np.testing.assert_array_equal(steps_of(frontend.join([EQUALS[0], [], [(2, 1, 0), (0, 1, 1)]])), steps_of(EQUALS))


def moved(items, seed, **settings):
    features, lengths = features_of(items, box=settings.get("box", "longer"))
    again, steps = deform(features, lengths, tf.constant(seed), **settings)
    assert np.asarray(steps).tolist() == lengths.tolist() and again.shape == features.shape
    return again.numpy()


@pytest.mark.parametrize("box", BOXES)
def test_a_glyph_not_deformed_is_itself(box):
    expected = features_of([SQUARE, EQUALS], box=box)[0]
    np.testing.assert_allclose(moved([SQUARE, EQUALS], [0, 1], box=box), expected, atol=1e-5)


def test_deforming_turns_slants_and_stretches_as_much_as_asked():
    # A line, rotated and sheared, is a line; so its angle tells the map that was drawn.
    steps = moved([[(0, 0), (1, 0)]] * 2000, [0, 1], rotation=10.0)
    angles = np.degrees(np.arctan2(steps[:, 5, 3], steps[:, 5, 2]))
    assert angles.std() == pytest.approx(10, rel=0.05) and abs(angles.mean()) < 0.7
    np.testing.assert_allclose(np.linalg.norm(steps[:, 1:, 2:4], axis=2), 1, atol=1e-4)
    corner = moved([[(0, 1), (0, 0), (1, 0)]] * 50, [0, 1], rotation=30.0)[:, :, 2:4]
    turned = corner[:, 5, 0] * corner[:, -5, 1] - corner[:, 5, 1] * corner[:, -5, 0]
    np.testing.assert_allclose(turned, 1, atol=1e-4)  # a rotation keeps a right angle to the left
    upright = moved([[(0, 0), (0, 1)]] * 2000, [0, 1], shear=0.2)
    assert (upright[:, 5, 2] / upright[:, 5, 3]).std() == pytest.approx(0.2, rel=0.05)
    square = moved([SQUARE] * 2000, [0, 1], scale=0.3)
    assert np.log(np.ptp(square[..., 0], axis=1) / np.ptp(square[..., 1], axis=1)).std() == pytest.approx(0.3, rel=0.05)
    assert np.ptp(square[..., :2], axis=1).max(axis=1) == pytest.approx(1, abs=1e-5)  # normalised anew


def test_a_deformed_glyph_is_what_the_frontend_reads_of_moved_points():
    # A step of a bend is cut off a little differently; a straight one is the same to rounding.
    features = features_of([SQUARE], spacing=0.05)
    slanted = deform(*features, tf.constant([0, 1]), shear=0.3)[0].numpy()[0]
    slant = (slanted[10, 2] / slanted[10, 3]).item()  # of the left side
    expected = steps_of(np.array(SQUARE) @ [[1, 0], [slant, 1]], spacing=0.05)
    reached = [np.abs(expected[:, :2] - place).sum(axis=1).min() for place in slanted[:, :2]]
    assert abs(slant) > 0.05 and max(reached) < 0.05
    np.testing.assert_allclose(np.linalg.norm(slanted[1:, 2:4], axis=1).sum(), len(slanted) - 1, rtol=1e-4)


def test_a_warp_moves_neighbours_alike():
    scattered = features_of([[(0, 0), (1, 0)]] * 2000, spacing=0.01)
    steps = deform(*scattered, tf.constant([0, 1]), warp=0.02)[0].numpy()
    assert 0.01 < (steps[:, 50, 1] - steps[:, [0, -1], 1].mean(axis=1)).std() < 0.05
    assert np.abs(np.diff(steps[..., 1], axis=1)).max() < 0.01


def test_deforming_follows_its_seed_and_leaves_padding_and_lifts():
    settings = {"rotation": 10.0, "scale": 0.2, "shear": 0.2, "warp": 0.05}
    one, again, other = (moved([SQUARE, EQUALS], [3, seed], **settings) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert np.abs(one - other).max() > 0.01
    length = features_of([EQUALS])[1][0]
    assert not one[1, length:].any()
    assert (one[1, :, 4] < 0.5).sum() - (len(one[1]) - length) - 1 in range(3, 8)  # five steps of about twenty-five
    alone = moved([SQUARE], [3, 1], **settings)
    assert np.isfinite(alone).all() and np.isfinite(moved([[(1, 1)]], [3, 1], **settings)).all()
