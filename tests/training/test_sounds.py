"""What augmentation does to a sound, by measure, and what it never does."""

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import tensorflow as tf

from seqkit.training import sounds
from seqkit.training.sounds import RATE, SoundAugmentation, mask_spectrogram, read_noise

OFF = SoundAugmentation(speed=0, gain=0, noisy=0, reverberation=0, band_masks=0, time_masks=0)
EFFECTS = {"speed": 0.1, "gain": 6.0, "noisy": 0.5, "reverberation": 0.2}
ALL = replace(OFF, **EFFECTS)
SEED = tf.constant([1, 2])


def batch(lengths=(3000, 2500, 600, 1), samples=3000, loud=0.1):
    """Random sounds, zero beyond the lengths."""
    values = np.random.default_rng(0).uniform(-loud, loud, (len(lengths), samples)).astype(np.float32)
    values *= np.arange(samples) < np.array(lengths)[:, None]
    return tf.constant(values), tf.constant(lengths, tf.int32)


def sine(hertz, samples):
    return np.sin(2 * np.pi * hertz * np.arange(samples) / RATE)


def frequency(wave):
    """Of a sine, in hertz: half as many as its changes of sign in a second."""
    return np.count_nonzero(np.diff(np.sign(wave))) / 2 / len(wave) * RATE


def decibels(above, below):
    return 10 * np.log10(np.sum(np.square(above), axis=-1) / np.sum(np.square(below), axis=-1))


def recordings():
    """Two clips that show where they were read: 100 samples from 0.1 on, and 10 from 0.9 on, with rubbish behind."""
    clips = np.full((2, 120), 7.0, np.float32)
    clips[0, :100], clips[1, :10] = 0.1 + np.arange(100) / 1000, 0.9 + np.arange(10) / 1000
    return clips, np.array([100, 10], np.int32)


def test_all_off_is_the_identity_to_the_bit():
    samples, lengths = batch()
    for one, other in zip(OFF.waveform(samples, lengths, SEED), (samples, lengths)):
        np.testing.assert_array_equal(one, other)
    features = tf.random.stateless_normal((4, 30, 8), SEED)
    for none in (OFF, replace(SoundAugmentation(), band_width=0, time_width=0)):
        np.testing.assert_array_equal(none.spectrogram(features, tf.constant([30, 20, 5, 1]), SEED), features)


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_works_alone_and_not_when_off(effect):
    samples, lengths = batch((3000, 2900, 2800, 2700, 2600))
    alone = replace(OFF, **{effect: EFFECTS[effect]}).waveform(samples, lengths, SEED)[0]
    assert np.abs(alone - samples).max() > 0.005
    # Taken out of the others it leaves what the rest do: no effect moves the draws of another.
    tiny = replace(ALL, **{effect: 1e-7}).waveform(samples, lengths, SEED)
    off = replace(ALL, **{effect: 0}).waveform(samples, lengths, SEED)
    np.testing.assert_allclose(tiny[0], off[0], atol=1e-3 if effect == "speed" else 1e-5)
    np.testing.assert_array_equal(tiny[1], off[1])


def test_the_same_seed_makes_the_same_changes_in_graph_and_out_of_it():
    samples, lengths = batch()
    first, again, other = (ALL.waveform(samples, lengths, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(first[0], again[0])
    assert np.abs(first[0] - other[0]).max() > 0.05
    graph = tf.function(ALL.waveform, autograph=False)(samples, lengths, SEED)
    np.testing.assert_allclose(graph[0], first[0], atol=1e-5)
    np.testing.assert_array_equal(graph[1], first[1])
    features, frames = tf.ones((4, 100, 80)), tf.constant([100, 60, 40, 1])
    masked, same, other = (SoundAugmentation().spectrogram(features, frames, seed) for seed in ([1, 2], [1, 2], [1, 3]))
    np.testing.assert_array_equal(masked, same)
    assert np.any(masked != other)


def test_rows_are_changed_each_in_its_own_way_and_neighbours_do_not_matter():
    samples, lengths = batch((2000, 2000, 2000), samples=2500)
    for change in (replace(ALL, noisy=1), replace(ALL, noisy=1, recordings=recordings())):
        changed, new = change.waveform(tf.repeat(samples[:1], 3, axis=0), lengths, SEED)
        assert np.abs(changed[0] - changed[1]).max() > 0.05 and new[0] != new[1]
        neighbours = tf.concat([samples[:1], samples[1:] * 5], axis=0)
        np.testing.assert_array_equal(change.waveform(neighbours, tf.constant([2000, 7, 1]), SEED)[0][0], changed[0])


def test_views_of_a_row_have_the_same_speed_and_differ_in_the_rest():
    samples, lengths = batch((3000, 2500, 2000), samples=3500)
    twice, both = tf.concat([samples, samples], 0), tf.concat([lengths, lengths], 0)
    paced, new = replace(OFF, speed=0.1).waveform(twice, both, SEED, views=2)
    np.testing.assert_array_equal(paced[:3], paced[3:])
    np.testing.assert_array_equal(new[:3], new[3:])
    assert len(set((new / both).numpy()[:3])) == 3  # rows still have each a speed of their own
    for effect in ("gain", "noisy", "reverberation"):
        changed, new = replace(OFF, **{effect: EFFECTS[effect]}).waveform(twice, both, SEED, views=2)
        assert np.abs(changed[:3] - changed[3:]).max() > 0.005, effect
        np.testing.assert_array_equal(new[:3], new[3:])


@pytest.mark.parametrize("seed", range(10))
def test_padding_stays_zero_and_samples_finite_and_between_minus_1_and_1(seed):
    samples, lengths = batch((3000, 1500, 1000, 2, 1, 0), loud=1)
    samples *= tf.constant([1.0, 1.0, 0.0, 1.0, 1.0, 1.0])[:, None]
    strong = replace(ALL, speed=1, gain=40, noise=(-20, 0), noisy=1, reverberation=5)
    for change in (ALL, strong, replace(strong, recordings=recordings())):
        changed, new = change.waveform(samples, lengths, tf.constant([seed, 0]))
        assert changed.shape == samples.shape and np.isfinite(changed).all()
        assert np.abs(changed).max() <= 1 + 1e-6
        for row, length, before in zip(changed.numpy(), new.numpy(), lengths.numpy()):
            assert min(before, 1) <= length <= 3000 and not row[length:].any()
        assert not changed[2].numpy().any()  # silence


def test_speed_changes_length_and_pitch_and_is_squeezed_where_there_is_no_room():
    waves = np.zeros((4, 10_000), np.float32)
    waves[:, :8000] = sine(1000, 8000)
    read, new = sounds._paced(tf.constant(waves), tf.fill(4, 8000), tf.constant([1.25, 0.8, 1.0, 0.5]))
    assert new.numpy().tolist() == [6400, 10_000, 8000, 10_000]
    for row, length, hertz in zip(read.numpy(), new.numpy(), (1250, 800, 1000, 800)):
        assert frequency(row[:length]) == pytest.approx(hertz, abs=2)
        assert np.abs(row[:length]).max() == pytest.approx(1, abs=0.01)
    np.testing.assert_array_equal(read[2], waves[2])


def test_speed_is_drawn_up_to_so_much_faster_or_slower():
    waves = np.zeros((60, 2000), np.float32)
    waves[:, :1600] = sine(1010, 1600)
    read, new = replace(OFF, speed=0.1).waveform(tf.constant(waves), tf.fill(60, 1600), SEED)
    speeds = 1600 / new.numpy()
    assert 0.905 < speeds.min() < 0.93 and 1.07 < speeds.max() < 1.105
    for row, length, speed in zip(read.numpy(), new.numpy(), speeds):
        assert frequency(row[:length]) == pytest.approx(1010 * speed, abs=12)


def test_a_cubic_is_read_between_two_samples_as_exactly_late_as_early():
    time = np.arange(200.0)
    parabola = tf.constant((0.3 - 0.01 * time + 0.0001 * time**2)[None], tf.float32)  # goes through any such cubic
    read, _ = sounds._paced(parabola, tf.constant([200]), tf.constant([1.3]))
    place = 1.3 * np.arange(1, 150)
    np.testing.assert_allclose(read[0, 1:150], 0.3 - 0.01 * place + 0.0001 * place**2, atol=1e-6)
    long = tf.constant(sine(250, 480_000)[None], tf.float32)  # half a minute
    read, _ = sounds._paced(long, tf.constant([480_000]), tf.constant([1.0371]))
    speed = float(np.float32(1.0371))
    np.testing.assert_allclose(read[0, 450_000:460_000], sine(250 * speed, 460_000)[450_000:], atol=2e-4)


def test_gain_is_in_decibels_up_to_what_was_asked_for():
    samples, lengths = batch((500,) * 60, samples=500)
    louder = replace(OFF, gain=6.0).waveform(samples, lengths, SEED)[0].numpy()
    gains = decibels(louder, samples)
    assert -6 < gains.min() < -5 and 5 < gains.max() < 6
    np.testing.assert_allclose(louder, samples * 10 ** (gains / 20)[:, None], atol=1e-6)


def test_no_row_is_made_so_loud_that_it_goes_beyond_1():
    samples, lengths = batch((500,) * 20, samples=500, loud=0.9)
    louder = replace(OFF, gain=20.0).waveform(samples, lengths, SEED)[0].numpy()
    peaks = np.abs(louder).max(axis=1)
    assert peaks.max() == pytest.approx(1) and peaks.min() < 0.3
    factors = louder / samples
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], factors.shape), rtol=1e-5)  # no peak was cut off


@pytest.mark.parametrize("clips", [None, recordings()])
def test_noise_has_the_ratio_that_was_asked_for_in_the_share_of_the_rows(clips):
    samples, lengths = batch((3000, 1000, 5, 1) * 20)
    change = replace(OFF, noise=(7, 7), noisy=1, recordings=clips)
    noise = change.waveform(samples, lengths, SEED)[0] - samples
    np.testing.assert_allclose(decibels(samples, noise), 7, atol=0.05)
    noise = replace(change, noise=(5, 30), noisy=0.3).waveform(samples, lengths, SEED)[0] - samples
    noisy = noise.numpy().any(axis=1)
    assert 0.15 < noisy.mean() < 0.45  # the others are left as they were, to the bit
    ratios = decibels(samples.numpy()[noisy], noise.numpy()[noisy])
    assert 4.9 < ratios.min() < 10 and 25 < ratios.max() < 30.1


def test_noise_that_is_silent_is_no_noise():
    samples, lengths = batch()
    silent = np.zeros((1, 50), np.float32), np.array([50])
    change = replace(OFF, noisy=1, recordings=silent)
    np.testing.assert_array_equal(change.waveform(samples, lengths, SEED)[0], samples)


def test_noise_of_recordings_is_a_stretch_of_one_repeated_if_too_short():
    change = replace(OFF, noisy=1, recordings=recordings())
    starts = [], []
    for seed in range(8):
        lengths = tf.constant([30, 100, 150] * 4)
        stretches = change._stretches(tf.zeros((12, 150)), lengths, tf.constant([seed, 0])).numpy()
        for row, length in zip(stretches, lengths.numpy()):
            clip = int(row[0] >= 0.9)
            place = np.rint((row[:length] - (0.1, 0.9)[clip]) * 1000).astype(int)
            starts[clip].append((length, place[0]))
            np.testing.assert_array_equal(place, (place[0] + np.arange(length)) % (100, 10)[clip])
            assert clip or length > 100 or place[-1] == place[0] + length - 1  # where there is enough, there is no seam
    assert {start for _, start in starts[1]} == set(range(10))
    drawn = [start for length, start in starts[0] if length == 30]
    assert len(drawn) > 8 and min(drawn) < 20 and 50 < max(drawn) <= 70


def test_noise_made_on_the_spot_is_from_white_to_brown():
    noise = sounds._coloured(tf.constant([40, 16_000]), SEED).numpy()
    power = np.square(np.abs(np.fft.rfft(noise * np.hanning(16_000))))[:, 200:6400]
    octaves = np.log2(power.reshape(40, -1, 200).mean(axis=2))  # 200 Hz each
    middles = np.log2(300 + 200 * np.arange(octaves.shape[1]))
    slopes = np.polyfit(middles, octaves.T, 1)[0]
    assert -2.2 < slopes.min() < -1.7 and -0.3 < slopes.max() < 0.2
    assert np.ptp(slopes) > 1.5 and np.abs(np.corrcoef(noise[:, :4000])[~np.eye(40, dtype=bool)]).max() < 0.9


def test_reverberation_decays_and_is_below_the_direct_sound_as_asked_for():
    seconds, direct = tf.constant([[0.2], [0.5], [0.0]]), tf.constant([[3.0], [10.0], [10.0]])
    response = sounds._response(seconds, direct, 8000, SEED).numpy()
    np.testing.assert_array_equal(response[:, 0], 1)
    assert not response[2, 1:].any()
    for row, asked, ratio in zip(response[:2], (0.2, 0.5), (3, 10)):
        assert decibels(row[:1], row[1:]) == pytest.approx(ratio, abs=0.01)
        # Schroeder's backward integration: the energy still to come falls by 60 decibels in that time.
        left = 10 * np.log10(np.cumsum(np.square(row[:0:-1]))[::-1])
        slope = np.polyfit(np.arange(2000) / RATE, left[:2000], 1)[0]
        assert -60 / slope == pytest.approx(asked, rel=0.1)


def test_reverberation_convolves_half_of_the_rows_and_keeps_their_energy():
    samples, lengths = batch((3000, 2000, 700, 1) * 10)
    impulse = np.zeros((40, 3000), np.float32)
    impulse[:, 0] = 0.5
    change = replace(OFF, reverberation=0.1)
    wet = change.waveform(samples, lengths, SEED)[0].numpy()
    rooms = change.waveform(tf.constant(impulse), tf.fill(40, 3000), SEED)[0].numpy()
    changed = (rooms != impulse).any(axis=1)
    assert 0.25 < changed.mean() < 0.75
    for row, dry, room, length, reverberant in zip(wet, samples.numpy(), rooms, lengths.numpy(), changed):
        if not reverberant:
            np.testing.assert_array_equal(row, dry)
            continue
        expected = np.convolve(dry[:length].astype(float), room)[:length]
        expected *= np.sqrt(np.sum(np.square(dry, dtype=float)) / np.sum(np.square(expected)))
        np.testing.assert_allclose(row[:length], expected, atol=1e-5)
        assert np.sum(np.square(row, dtype=float)) == pytest.approx(np.sum(np.square(dry, dtype=float)), rel=1e-4)


def test_masks_are_no_wider_than_asked_for_and_inside_of_the_length():
    lengths = tf.constant([100, 60, 33, 1] * 50)
    features = tf.ones((200, 100, 20))
    masked = 1 - mask_spectrogram(features, lengths, SEED, bands=(1, 6), time=(0, 0)).numpy()
    assert (masked == masked[:, :1]).all()  # a band is masked from the first frame to the last
    widths = masked[:, 0].sum(axis=1)
    assert set(widths) == set(range(7))
    assert (np.abs(np.diff(masked[:, 0], axis=1)).sum(axis=1) <= 2).all()  # one piece
    assert masked[:, 0, 0].any() and masked[:, 0, -1].any()
    masked = 1 - mask_spectrogram(features, lengths, SEED, bands=(0, 0), time=(1, 0.1)).numpy()
    assert (masked == masked[:, :, :1]).all()
    widths = masked[:, :, 0].sum(axis=1)
    for length, most in ((100, 10), (60, 6), (33, 3), (1, 0)):
        rows = masked[lengths.numpy() == length, :, 0]
        assert set(rows.sum(axis=1)) <= set(range(most + 1)) and rows.sum(axis=1).max() >= 0.9 * most
        assert not rows[:, length:].any()
        assert (np.abs(np.diff(rows, axis=1)).sum(axis=1) <= 2).all()
        assert length == 1 or np.flatnonzero(rows.any(axis=0)).max() >= length - 3


def test_as_many_masks_as_asked_for_set_zeros_and_change_nothing_else():
    features = tf.random.stateless_normal((40, 200, 80), SEED)
    masked = SoundAugmentation().spectrogram(features, tf.fill(40, 200), SEED).numpy()
    hidden = masked != features.numpy()
    assert not masked[hidden].any()
    assert 15 < hidden.all(axis=1).sum(axis=1).max() <= 2 * 15  # bands: more than one mask covers, never more than two
    assert 10 < hidden.all(axis=2).sum(axis=1).max() <= 2 * 10  # frames, of 200 a twentieth each
    wide = mask_spectrogram(features, tf.fill(40, 200), SEED, bands=(1, 500), time=(0, 0)).numpy()
    assert 0.35 < np.mean(wide == 0) < 0.65  # where there are fewer bands than that, any width up to these is as likely


def test_batches_of_unknown_shape_are_changed_in_a_graph_that_holds_recordings_once():
    noise = np.random.default_rng(0).normal(size=(4, 50_000)).astype(np.float32), [50_000] * 4
    change = replace(ALL, noisy=1, recordings=noise)
    spec = tf.TensorSpec((None, None)), tf.TensorSpec((None,), tf.int32), tf.TensorSpec((2,), tf.int32)
    traced = tf.function(change.waveform, input_signature=spec, autograph=False)
    assert len(traced.get_concrete_function().graph.as_graph_def().SerializeToString()) < 200_000
    for lengths in ((3000, 2500, 1), (7,)):
        samples, lengths = batch(lengths, samples=max(lengths))
        changed, new = traced(samples, lengths, SEED)
        np.testing.assert_array_equal(new, change.waveform(samples, lengths, SEED)[1])
        assert changed.shape == samples.shape
    spec = tf.TensorSpec((None, None, None)), *spec[1:]
    traced = tf.function(SoundAugmentation().spectrogram, input_signature=spec, autograph=False)
    assert traced(tf.zeros((3, 20, 80)), tf.constant([20, 5, 1]), SEED).shape == (3, 20, 80)


def test_ranges_out_of_bounds_are_refused():
    for name, value, most in (("speed", -0.1, 1), ("gain", 50, 40), ("noisy", float("nan"), 1), ("time_width", 2, 1)):
        with pytest.raises(ValueError, match=f"{name} must be from 0 to {most}; received {value}"):
            replace(OFF, **{name: value})
    with pytest.raises(ValueError, match="band_masks must be a whole number from 0 to 100; received 1.5"):
        replace(OFF, band_masks=1.5)
    for noise in ((30, 5), (5,), (-30, 5), (0, float("inf")), (float("nan"), 5)):
        with pytest.raises(ValueError, match="noise must be two ratios, the lower first, from -20 to 100"):
            replace(OFF, noise=noise)


def test_recordings_that_are_none_are_refused():
    clips, lengths = recordings()
    with pytest.raises(ValueError, match="recordings must be a pair"):
        replace(OFF, recordings=(clips,))
    for wrong in ((clips[0], lengths), (clips, lengths[:1]), (clips[:0], lengths[:0])):
        with pytest.raises(ValueError, match="recordings must be .clips, samples. and their lengths"):
            replace(OFF, recordings=wrong)
    for wrong in ([0, 10], [121, 10]):
        with pytest.raises(ValueError, match="lengths of recordings must be from 1 to 120; received"):
            replace(OFF, recordings=(clips, wrong))


def test_noise_is_read_from_a_directory_and_long_recordings_in_pieces(tmp_path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 1000).astype(np.float32)
    (tmp_path / "below").mkdir()
    soundfile.write(tmp_path / "a.wav", noise[:100], RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "below" / "b.WAV", noise, RATE, subtype="FLOAT")
    soundfile.write(tmp_path / "c.flac", noise[:50], RATE)
    (tmp_path / "LICENSE.txt").write_text("free")
    clips, lengths = read_noise(tmp_path, longest=400 / RATE)
    assert clips.dtype == np.float32 and lengths.dtype == np.int32
    assert clips.shape == (5, 334) and lengths.tolist() == [100, 334, 333, 333, 50]
    np.testing.assert_array_equal(clips[0, :100], noise[:100])
    np.testing.assert_array_equal(np.concatenate([clips[1], clips[2, :333], clips[3, :333]]), noise)
    np.testing.assert_allclose(clips[4, :50], noise[:50], atol=1e-4)
    assert not clips[0, 100:].any()
    SoundAugmentation(recordings=(clips, lengths))


def test_directories_and_files_that_are_no_noise_are_refused_by_name(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path}: expected a directory of sound files .*; found none"):
        read_noise(tmp_path)
    path = tmp_path / "hum.wav"
    for samples, rate, message in (
        (np.zeros(10), 8000, "expected 16000 Hz, mono; received 8000 Hz, 1 channels"),
        (np.zeros((10, 2)), RATE, "expected 16000 Hz, mono; received 16000 Hz, 2 channels"),
        (np.zeros(0), RATE, "expected finite samples; received none"),
        (np.full(10, np.nan), RATE, "expected finite samples; received some that are not"),
    ):
        soundfile.write(path, samples, rate, subtype="FLOAT")
        with pytest.raises(ValueError, match=f"{path}: {message}"):
            read_noise(tmp_path)
    path.write_bytes(b"RIFF, nearly")
    with pytest.raises(ValueError, match=f"{path}: expected a sound file; it is of another kind or damaged"):
        read_noise(tmp_path)
