"""What augmentation does to a line, by measure, and what it never does."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import tensorflow as tf

from seqkit.training import augment
from seqkit.training.augment import LineAugmentation

OFF = LineAugmentation(**{field.name: 0 for field in fields(LineAugmentation)})
EFFECTS = asdict(LineAugmentation())
SEED = tf.constant([1, 2])
HEIGHT = 17


def batch(lengths=(60, 45, 10, 1), steps=60):
    """Random ink, zero beyond the lengths."""
    features = np.random.default_rng(0).random((len(lengths), steps, HEIGHT), np.float32)
    features *= np.arange(steps)[None, :, None] < np.array(lengths)[:, None, None]
    return tf.constant(features), tf.constant(lengths, tf.int32)


def page(*boxes, steps=80):
    """One row of paper with boxes of ink: (first step, last step, first row, last row)."""
    features = np.zeros((1, steps, HEIGHT), np.float32)
    for left, right, top, bottom in boxes:
        features[0, left : right + 1, top : bottom + 1] = 1
    return tf.constant(features)


def moved(features, length, slant=0.0, stretch=1.0, scale=1.0, shift=0.0):
    values = (tf.constant([value]) for value in (slant, stretch, scale, shift))
    features, lengths = augment._moved(features, tf.constant([length]), *values)
    return features.numpy()[0], int(lengths[0])


def centre(weights):
    return (weights * np.arange(len(weights))).sum() / weights.sum()


def test_all_off_is_the_identity_to_the_bit():
    features, lengths = batch()
    for one, other in zip(OFF(features, lengths, SEED), (features, lengths)):
        np.testing.assert_array_equal(one, other)


def test_no_movement_no_wave_and_no_growth_are_the_identity_to_the_bit():
    features, lengths = batch((60, 45))
    none = tf.zeros(2)
    still, same = augment._moved(features, lengths, none, none + 1, none + 1, none)
    np.testing.assert_array_equal(still, features)
    np.testing.assert_array_equal(same, lengths)
    np.testing.assert_array_equal(augment._proportioned(features, tf.zeros((2, 1, 1)), 0.1), features)
    np.testing.assert_array_equal(augment._waved(features, 0.1, tf.zeros((2, 3, 1))), features)
    np.testing.assert_array_equal(augment._paced(features, lengths, 0.3, tf.zeros((2, 3, 2, 1))), features)


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_works_alone_and_not_when_off(effect):
    features, lengths = batch()
    alone = replace(OFF, **{effect: EFFECTS[effect]})(features, lengths, SEED)[0]
    assert np.abs(alone - features)[:2].max() > 0.01
    # Taken out of the others it leaves what the rest do: no effect moves the draws of another.
    tiny = replace(LineAugmentation(), **{effect: 1e-7})(features, lengths, SEED)[0]
    off = replace(LineAugmentation(), **{effect: 0})(features, lengths, SEED)[0]
    assert np.mean(np.abs(tiny - off) > 1e-3) < 0.01


def test_the_same_seed_makes_the_same_changes_in_graph_and_out_of_it():
    features, lengths = batch()
    change = LineAugmentation()
    first, again, other = (change(features, lengths, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.1
    graph = tf.function(change, autograph=False)(features, lengths, SEED)
    np.testing.assert_allclose(graph[0], first[0], atol=1e-5)
    np.testing.assert_array_equal(graph[1], first[1])


def test_rows_are_changed_each_in_its_own_way_and_neighbours_do_not_matter():
    features, lengths = batch((60, 60, 60))
    same = tf.repeat(features[:1], 3, axis=0)
    changed = LineAugmentation()(same, lengths, SEED)[0]
    assert np.abs(changed[0] - changed[1]).max() > 0.1
    neighbours = tf.concat([features[:1], features[1:] * 0], axis=0)
    np.testing.assert_array_equal(LineAugmentation()(neighbours, lengths, SEED)[0][0], changed[0])


def test_views_of_a_line_keep_its_steps_in_place_and_differ_in_the_rest():
    features, lengths = batch((60, 45, 30), steps=80)
    twice, both = tf.concat([features, features], 0), tf.concat([lengths, lengths], 0)
    lying = {name: EFFECTS[name] for name in ("slant", "stretch", "rhythm")}
    still, new = replace(OFF, **lying)(twice, both, SEED, views=2)
    np.testing.assert_array_equal(still[:3], still[3:])
    np.testing.assert_array_equal(new[:3], new[3:])
    assert np.abs(still[0] - still[1]).max() > 0.1  # lines still lie each in its own way
    for effect in set(EFFECTS) - set(lying):
        changed, new = replace(OFF, **{effect: EFFECTS[effect]})(twice, both, SEED, views=2)
        assert np.abs(changed[:3] - changed[3:]).max() > 0.01, effect
        np.testing.assert_array_equal(new[:3], new[3:])


@pytest.mark.parametrize("seed", range(20))
def test_shapes_hold_padding_stays_zero_and_ink_between_0_and_1(seed):
    features, lengths = batch()
    strong = replace(LineAugmentation(), slant=2, stretch=2)
    for change in (LineAugmentation(), strong):
        changed, new = change(features, lengths, tf.constant([seed, 0]))
        assert changed.shape == features.shape
        for row, length in zip(changed.numpy(), new.numpy()):
            assert 1 <= length <= 60 and not row[length:].any()
        assert changed.numpy().min() >= 0 and changed.numpy().max() <= 1


def test_static_shapes_are_kept_where_the_batch_is_unknown():
    spec = tf.TensorSpec((None, None, 48)), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((2,), tf.int32)
    traced = tf.function(LineAugmentation(), input_signature=spec, autograph=False)
    features, lengths = traced.get_concrete_function().structured_outputs
    assert features.shape.as_list() == [None, None, 48] and lengths.shape.as_list() == [None]
    features, _ = traced(tf.zeros((3, 20, 48)), tf.constant([20, 5, 1]), SEED)
    assert features.shape == (3, 20, 48)


def test_slant_leans_the_top_to_the_right_and_makes_room():
    upright, length = page((0, 0, 0, 16)), 40  # a bar at the very start
    leaning, new = moved(upright, length, slant=0.5)
    assert new == length + 8  # 16 rows of half a step
    top, bottom = (centre(leaning[:, row]) for row in (0, 16))
    assert top == pytest.approx(8) and bottom == pytest.approx(0)
    np.testing.assert_allclose(leaning.sum(0), np.ones(17), atol=1e-5)  # nothing was cut off
    left, new = moved(upright, length, slant=-0.5)
    assert (centre(left[:, 0]), centre(left[:, 16])) == pytest.approx((0, 8))


def test_a_slanted_line_without_room_is_squeezed():
    line = page((0, 0, 0, 16), (79, 79, 0, 16))
    leaning, new = moved(line, 80, slant=0.5)
    assert new == 80
    first, last = leaning[:40].sum(0), leaning[40:].sum(0)
    assert first.min() > 0.5 and last.min() > 0.5  # both bars are whole


def test_stretch_moves_ink_apart_and_lengthens_the_line_but_never_past_the_padding():
    line = page((10, 10, 0, 16), (30, 30, 0, 16))
    for length, asked, got in ((40, 1.5, 1.5), (40, 0.5, 0.5), (40, 3.0, 2.0), (80, 1.5, 1.0), (60, 1.5, 80 / 60)):
        stretched, new = moved(line, length, stretch=asked)
        assert new == round(length * got)
        profile = stretched.sum(1)
        half = round(20.5 * got)
        if 1 <= got <= 2:
            assert half + centre(profile[half:]) - centre(profile[:half]) == pytest.approx(20 * got, abs=0.3)


def test_scale_and_shift_move_rows_around_the_middle():
    line = page((0, 79, 4, 4), (0, 79, 12, 12))  # four rows above and below the middle, row 8
    taller = moved(line, 80, scale=1.5)[0][40]
    assert centre(taller[:8]) == pytest.approx(2, abs=0.2) and 8 + centre(taller[8:]) == pytest.approx(14, abs=0.2)
    lower = moved(line, 80, shift=2 / 17)[0][40]
    assert np.flatnonzero(lower > 0.5).tolist() == [6, 14]


def test_the_wave_is_a_sine_of_the_height_asked_for():
    line = page((0, 399, 8, 8), steps=400)
    waved = augment._waved(line, 0.2, tf.constant([[[1.0], [0.0], [0.5]]])).numpy()[0]
    expected = 8 - 0.2 * 17 * np.sin(2 * np.pi * np.arange(400) / (6 * 17) + np.pi / 2)
    seen = [centre(step) for step in waved]
    np.testing.assert_allclose(seen, expected, atol=1e-3)


@pytest.mark.parametrize("axis", [1, 2])
def test_a_shift_reads_further_along_its_axis_and_between_two_pixels_a_mix(axis):
    ramp = np.broadcast_to(np.arange(80.0)[:, None] if axis == 1 else np.arange(17.0), (1, 80, 17)).astype("float32")
    for shift in (-2.0, -0.25, 0.0, 1.5, 3.0):
        read = augment._shifted(tf.constant(ramp), tf.fill((1, 80, 17), shift), 3, axis).numpy()
        np.testing.assert_allclose(read[:, 3:-3, 3:-3], ramp[:, 3:-3, 3:-3] + shift, rtol=1e-5)


def test_strokes_are_bent_as_far_as_asked_and_neighbours_alike():
    ramp = np.broadcast_to(np.arange(400.0)[:, None] + 1000, (20, 400, 48)).astype("float32")  # shows where it was read
    shifts = augment._bent(tf.constant(ramp), 0.03, SEED).numpy()[:, 5:-5, 5:-5] - ramp[:, 5:-5, 5:-5]
    assert np.abs(shifts).max() <= 2 * 0.03 * 48 + 1e-2
    assert 0.5 < shifts.std() / (0.03 * 48) < 1.0  # half way between two points of the grid it is less
    assert abs(shifts.mean()) < 0.1
    assert np.abs(np.diff(shifts, axis=1)).max() < 0.8 and np.abs(np.diff(shifts, axis=2)).max() < 0.8


def test_small_letters_grow_and_the_middle_and_both_edges_stay():
    rows = np.arange(48.0)
    ramp = np.broadcast_to(rows + 1000, (2, 10, 48)).astype("float32")  # shows where it was read
    read = augment._proportioned(tf.constant(ramp), tf.constant([[[0.05]], [[-0.15]]]), 0.15).numpy()[:, 0] - 1000
    expected = rows + 0.05 * 48 * np.sin(2 * np.pi * (rows + 0.5) / 48)
    np.testing.assert_allclose(read[0], expected, atol=1e-3)
    assert read[0, 12] == pytest.approx(12 + 0.05 * 48, abs=0.01) and read[0, 35] == pytest.approx(35 - 0.05 * 48, abs=0.01)
    assert (np.diff(read[:, 4:-4], axis=1) > 0).all()  # never turned over, at the most that may be asked for


def test_the_rhythm_changes_between_two_ends_that_stay():
    # A ramp shows at each step where it was read: speeds differ by what was asked, and a line's ends do not move.
    ramp = np.repeat(np.arange(400, dtype=np.float32)[None, :, None], HEIGHT, axis=2)
    draws = tf.constant([[[[1.0], [0.0]], [[0.0], [0.0]], [[0.25], [0.0]]]])  # one sine of 2 ** 1.5 heights
    read = augment._paced(tf.constant(ramp), tf.constant([350]), 0.3, draws).numpy()[0, :, 0]
    assert read[0] == pytest.approx(0, abs=1e-3) and read[349] == pytest.approx(349, abs=1e-3)
    speed = np.diff(read[:350])
    assert speed.max() == pytest.approx(1.15, abs=0.02) and speed.min() == pytest.approx(0.85, abs=0.02)
    turns = np.flatnonzero(np.diff(np.sign(speed - speed.mean())))
    assert np.diff(turns).mean() == pytest.approx(HEIGHT * 2**1.5 / 2, rel=0.03)
    np.testing.assert_array_equal(read[350:], np.arange(350, 400))


def test_strokes_grow_and_shrink():
    stroke = page((20, 22, 5, 7))
    assert augment._widened(stroke).numpy().sum() == 25  # 3 x 3 becomes 5 x 5
    assert -augment._widened(-stroke).numpy().sum() == 1


def test_blur_spreads_ink_and_loses_none():
    blurred = augment._blurred(page((20, 20, 8, 8))).numpy()[0, 19:22, 7:10]
    np.testing.assert_allclose(blurred * 16, [[1, 2, 1], [2, 4, 2], [1, 2, 1]])


def test_noise_has_the_deviation_asked_for_and_stays_off_the_padding():
    features = tf.fill((64, 200, HEIGHT), 0.5)
    noisy = replace(OFF, noise=0.1)(features, tf.fill((64,), 200), SEED)[0].numpy()
    deviations = (noisy - 0.5).std(axis=(1, 2))
    assert deviations.max() < 0.105 and deviations.mean() == pytest.approx(0.05, rel=0.2)  # drawn from 0 to 0.1


def test_holes_only_take_ink_away_and_are_no_larger_than_asked_for():
    features, lengths = tf.ones((50, 200, HEIGHT)), tf.fill((50,), 200)
    cut = 1 - replace(OFF, cutout=0.5)(features, lengths, SEED)[0].numpy()
    assert set(np.unique(cut)) == {0, 1}
    assert 0 < cut.sum(axis=(1, 2)).max() <= augment.HOLES * 9 * 9  # half of 17 touches 9 pixels at most


def test_ranges_out_of_bounds_are_refused():
    for name, value, most in (("slant", -0.1, 2), ("wave", 0.3, 0.2), ("ink", 2, 1), ("noise", float("nan"), 1)):
        with pytest.raises(ValueError, match=f"{name} must be from 0 to {most}; received {value}"):
            replace(OFF, **{name: value})
