"""Spectrograms against librosa, and their normalisation against NumPy."""

import io

import librosa
import numpy as np
import pytest
import soundfile
import tensorflow as tf

from seqkit.frontends.audio import FLOOR, USUAL_FRAMES, USUAL_MEAN, USUAL_VARIANCE, AudioFrontend, samples_of
from seqkit.media.mels import mel_bands, mel_picture
from seqkit.media.sounds import write_wave

RANDOM = np.random.default_rng(0)
SOUNDS = [
    RANDOM.normal(0, 0.1, 16000),
    0.5 * np.sin(np.arange(5001) ** 1.5 / 40) * np.hanning(5001),
    RANDOM.normal(0, 1e-4, 160),
    RANDOM.uniform(-1, 1, 16160),
    np.zeros(400),
    np.ones(1),
]
SOUNDS = [sound.astype("float32") for sound in SOUNDS]


def log_mel(sound, bands=80):
    """By librosa, `(frames, bands)`."""
    spectrum = librosa.stft(sound, n_fft=512, hop_length=160, win_length=400, pad_mode="constant")
    power = librosa.feature.melspectrogram(S=np.abs(spectrum) ** 2, sr=16000, n_mels=bands)
    return np.log(np.maximum(power, 1e-10)).T


def normalised(values):
    return (values - values.mean(0)) / np.sqrt(values.var(0) + FLOOR)


def level(values):
    return (values - values.mean()) / np.sqrt(values.var() + FLOOR)


def so_far(values):
    """Each frame by those up to it, one by one, behind as many usual ones."""
    frames = []
    for count in range(1, len(values) + 1):
        heard = values[:count].astype(float)
        total = USUAL_FRAMES + count
        mean = (USUAL_FRAMES * USUAL_MEAN + heard.sum(0)) / total
        square = (USUAL_FRAMES * (USUAL_VARIANCE + USUAL_MEAN**2) + (heard**2).sum(0)) / total
        frames.append((values[count - 1] - mean) / np.sqrt(square - mean**2 + FLOOR))
    return np.array(frames)


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")
@pytest.mark.parametrize("normalise, by_hand", [("whole", normalised), ("level", level), ("running", so_far)])
def test_features_are_those_of_librosa_normalised(normalise, by_hand):
    frontend = AudioFrontend(80, normalise)
    found = frontend(frontend.gather(SOUNDS))
    for row, sound in enumerate(SOUNDS):
        expected = by_hand(log_mel(sound))
        assert int(found.lengths[row]) == len(expected) == 1 + len(sound) // 160
        np.testing.assert_allclose(found.values[row, : len(expected)], expected, atol=1e-4)
        assert not found.values[row, len(expected) :].numpy().any()


def test_bands_are_those_of_librosa():
    for bands in (12, 40, 80, 128):
        np.testing.assert_allclose(
            mel_bands(bands, 16000, 512), librosa.filters.mel(sr=16000, n_fft=512, n_mels=bands).T, atol=1e-8
        )


def test_frames_lie_in_seconds_around_their_middles_and_within_the_recording():
    frontend = AudioFrontend()
    spans = frontend(frontend.gather([np.zeros(400, "float32"), np.zeros(0, "float32")])).spans
    np.testing.assert_allclose(spans[0], [[0, 0.005], [0.005, 0.015], [0.015, 0.025]], atol=1e-7)
    assert not spans[1].numpy().any()


def test_files_of_any_rate_and_number_of_channels_are_the_same_recording():
    frontend = AudioFrontend()
    tone = 0.3 * np.sin(2 * np.pi * 440 * np.arange(48000) / 48000)
    file = io.BytesIO()
    soundfile.write(file, np.stack([tone, tone], 1), 48000, format="WAV", subtype="PCM_24")
    items = [file.getvalue(), {"array": tone, "sampling_rate": 48000}, tone[::3].astype("float32")]
    found = frontend(frontend.collate(items))
    assert found.lengths.numpy().tolist() == [101, 101, 101]
    waveform = frontend.otherwise(frontend.collate(items))["waveform"]["waveform"]
    for row in (0, 1):
        np.testing.assert_allclose(waveform[row, 200:-200], items[2][200:-200], atol=1e-3)


@pytest.mark.parametrize("normalise", ["whole", "running", "level"])
def test_what_training_keeps_has_the_features_of_a_call(normalise):
    frontend = AudioFrontend(40, normalise)
    items = [write_wave(np.round(sound * 32767) / 32768, 16000) for sound in SOUNDS]
    blocks = frontend.learning()(frontend.batch(items))
    assert blocks.values.dtype == tf.int16 and blocks.values.shape[2] == 160
    expected = frontend(frontend.batch(items))
    features, lengths = frontend.plain(blocks.values, blocks.lengths, seed=None)
    np.testing.assert_array_equal(lengths, expected.lengths)
    np.testing.assert_allclose(features, expected.values, atol=1e-5)
    samples, lengths = samples_of(blocks.values, blocks.lengths)
    assert samples.shape[1] == blocks.values.shape[1] * 160 and (lengths.numpy() >= list(map(len, SOUNDS))).all()


def test_parts_are_samples_or_bytes_of_16_bits():
    frontend = AudioFrontend(normalise="running")
    whole = np.array([0, 16384, -32768], "<i2")
    for part in (whole, whole.tobytes(), whole / np.float32(32768)):
        assert frontend.part(part, "Chunk 0").tolist() == [0.0, 0.5, -1.0]
    assert frontend.part(np.zeros(0), "Chunk 0").tolist() == frontend.part(b"", "Chunk 0").tolist() == []
    with pytest.raises(ValueError, match="Chunk 3: expected whole samples of 2 bytes; received 3 bytes"):
        frontend.part(b"abc", "Chunk 3")
    with pytest.raises(ValueError, match="Chunk 1: expected an array of samples at 16 kHz, .*; received str 'x'"):
        frontend.part("x", "Chunk 1")


def test_longer_than_six_hours_is_refused_by_its_header(monkeypatch):
    source = write_wave(np.zeros(24000), 1000)
    monkeypatch.setattr("seqkit.frontends.audio.MOST_SECONDS", 20)
    with pytest.raises(ValueError, match="Item 4: expected at most"):
        AudioFrontend().read(source, "Item 4")


@pytest.mark.filterwarnings("ignore:n_fft=512 is too large")
def test_the_picture_of_a_recording_is_librosas_too():
    for sound in SOUNDS:
        picture, seconds = mel_picture(sound)
        np.testing.assert_allclose(picture, log_mel(sound), atol=1e-3)
        assert seconds == len(sound) / 16000
    picture, seconds = mel_picture({"array": SOUNDS[0], "sampling_rate": 44100}, bands=40)
    assert picture.shape == (1 + 16000 // 441, 40) and seconds == pytest.approx(16000 / 44100)
    assert mel_picture(np.zeros(0))[0].shape == (1, 80)
