"""WAVE files in graph against soundfile, and other rates against sines, SoX and SciPy."""

import io
import struct

import numpy as np
import pytest
import scipy.signal
import soundfile
import soxr
import tensorflow as tf
from wave_files import LIST, chunk, encoded, file_of

from seqkit.frontends import waves
from seqkit.media.sounds import duration, read_sound, write_wave

RNG = np.random.default_rng(0)
NOISE = RNG.uniform(-0.5, 0.5, (601, 2))
STRING = tf.TensorSpec((), tf.string)

decode = tf.function(waves.decode, input_signature=[STRING], autograph=False)
decoded = tf.function(waves.decoded, input_signature=[tf.TensorSpec((None,), tf.string)], autograph=False)
resample = tf.function(
    waves.resample,
    input_signature=[tf.TensorSpec((None,), tf.float32), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.int32)],
    autograph=False,
)


def form(tag=1, channels=1, rate=8000, bits=16, frame=None):
    frame = channels * bits // 8 if frame is None else frame
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits))


DATA = np.arange(400, dtype="<i2")
SAMPLES = chunk(b"data", DATA.tobytes())


def sine(hertz, rate, seconds):
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate + 0.3)


def read_at(samples, rate, to=16000):
    return resample(tf.constant(samples, tf.float32), rate, to).numpy()


@pytest.mark.parametrize("channels", [1, 2])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_every_format_is_decoded_as_soundfile_does(kind, subtype, channels):
    source = encoded(NOISE[:, :channels], 44100, kind, subtype)
    expected, _ = soundfile.read(io.BytesIO(source), always_2d=True)
    samples, rate = decode(source)
    assert rate == 44100 and rate.dtype == tf.int32 and samples.dtype == tf.float32
    np.testing.assert_allclose(samples, expected.mean(axis=1), atol=1e-7)


@pytest.mark.parametrize("rate, channels", [(1000, 1), (65536, 5), (768_000, 64)])
def test_all_rates_and_channels_are_decoded(rate, channels):
    samples, found = decode(encoded(np.tile(NOISE[:, :1], channels), rate))
    assert found == rate
    np.testing.assert_allclose(samples, NOISE[:, 0], atol=1e-4)  # 16 bits


@pytest.mark.parametrize(
    "source, count",
    [
        (file_of(form(), SAMPLES), 400),
        (file_of(LIST, form(), chunk(b"bext", b"x" * 603), SAMPLES, LIST), 400),
        (file_of(form(), LIST, chunk(b"data", DATA.tobytes(), 0xFFFFFFFF), size=0xFFFFFFFF), 400),
        (file_of(form(), chunk(b"data", DATA.tobytes(), 0), size=0), 400),
        (file_of(form(), chunk(b"data", DATA.tobytes(), 0), size=36), 400),
        (file_of(form(), chunk(b"data", b""), LIST), 0),
        (file_of(form(), SAMPLES)[:-600], 100),
        (file_of(form(), SAMPLES)[:-601], 99),
        (file_of(form(channels=2), SAMPLES)[:-2], 199),
        (file_of(form(), SAMPLES)[:44], 0),
    ],
    ids=["plain", "chunks", "unknown", "zero", "ahead", "empty", "cut", "cut in two", "cut in a frame", "cut at once"],
)
def test_the_samples_there_are_decoded_whatever_the_sizes_say(source, count):
    samples, rate = decode(source)
    assert rate == 8000
    expected = DATA.reshape(-1, 2).mean(axis=1) if count == 199 else DATA
    np.testing.assert_array_equal(samples, expected[:count] / np.float32(2**15))
    assert duration(source) == count / 8000


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"RIFF",
        b"hello, this is text\n" * 50,
        b"RIFX" + file_of(form(), SAMPLES)[4:],
        file_of(form(), SAMPLES).replace(b"WAVE", b"AVI "),
        file_of(form(), SAMPLES)[:43],
        file_of(SAMPLES, form()),
        file_of(*[LIST] * 1000, form(), SAMPLES),
        file_of(chunk(b"fmt ", form()[8:22]), SAMPLES),
        file_of(form(tag=3), SAMPLES),
        file_of(form(tag=7, bits=8), SAMPLES),
        file_of(form(bits=12, frame=2), SAMPLES),
        file_of(form(frame=4), SAMPLES),
        file_of(form(channels=0), SAMPLES),
        file_of(form(channels=65), SAMPLES),
        file_of(form(rate=999), SAMPLES),
        file_of(form(rate=768_001), SAMPLES),
        file_of(form(rate=0), SAMPLES),
        file_of(form(rate=8000).replace(struct.pack("<I", 8000), b"\xff" * 4), SAMPLES),
    ],
)
def test_what_is_no_such_file_has_no_samples(source):
    samples, rate = decode(source)
    assert samples.shape == (0,) and rate == 16000


def test_samples_that_are_not_finite_are_silence():
    source = encoded(np.array([0.5, np.nan, np.inf, -np.inf, 1e300]), subtype="DOUBLE")
    assert decode(source)[0].numpy().tolist() == [0.5, 0, 0, 0, 0]


@pytest.mark.parametrize("kind, subtype", [("WAV", "PCM_16"), ("WAVEX", "PCM_24")])
def test_the_graph_decodes_what_is_kept_before_it_and_nothing_else(kind, subtype):
    """Of files cut off anywhere in their header, and of files a few bytes of which are other ones."""
    whole = encoded(NOISE[:20], 8000, kind, subtype)
    damaged = [whole[:length] for length in range(0, 110, 3)]
    for _ in range(100):
        changed = bytearray(whole)
        for place in RNG.integers(0, 90, 2):
            changed[place] = RNG.choice([0, 1, 2, 3, 16, 255])
        damaged.append(bytes(changed))
    kept = [source for source in damaged if _read_or_none(source) == source]
    assert 20 < len(kept) < len(damaged) - 20
    for source in damaged:
        samples, rate = decode(source)
        assert len(samples) / rate.numpy() == (duration(source) if source in kept else 0)


def _read_or_none(source):
    try:
        return read_sound(source, "Item 0")
    except ValueError:
        return None


def test_what_is_read_before_the_graph_is_decoded_in_it():
    for item, expected in (((NOISE, 22050), NOISE.mean(axis=1)), (encoded(NOISE, 22050, "FLAC"), NOISE.mean(axis=1))):
        samples, rate = decode(read_sound(item, "Item 0"))
        assert rate == 22050
        np.testing.assert_allclose(samples, expected, atol=1e-4)


def test_the_same_rate_is_left_alone():
    samples = NOISE[:, 0].astype(np.float32)
    np.testing.assert_array_equal(read_at(samples, 16000), samples)
    np.testing.assert_array_equal(read_at(samples, 8000, 8000), samples)


RATES = [8000, 11025, 22050, 44100, 48000, 15999]


@pytest.mark.parametrize("rate", [*RATES, 1000, 31999, 96000, 768_000])
def test_a_sine_stays_itself(rate):
    lower = min(rate, 16000)
    for share in (0.01, 0.5, 0.9):
        given = sine(share * lower / 2, rate, 0.2)
        samples = read_at(given, rate)
        assert len(samples) == -(-len(given) * 16000 // rate)
        expected = sine(share * lower / 2, 16000, len(samples) / 16000)
        ends = 50 * 16000 // lower + 16
        assert np.abs(samples - expected)[ends:-ends].max() < 5e-4


@pytest.mark.parametrize("rate", [22050, 31999, 44100, 48000, 192_000])
def test_a_sine_above_the_new_nyquist_frequency_is_gone(rate):
    for hertz in (8005, 9000, 0.49 * rate):
        assert np.abs(read_at(sine(hertz, rate, 0.1), rate))[100:-100].max() < 10 ** (-75 / 20)


@pytest.mark.parametrize("rate, to", [*((rate, 16000) for rate in RATES), (16000, 8000), (16000, 22050)])
def test_noise_is_read_as_sox_and_scipy_read_it(rate, to):
    """Noise below 0.8 of the lower Nyquist frequency, against SoX's resampler of highest quality, and SciPy's, which reads
    whole periods through Fourier's transform; the loudest sample is 1."""
    seconds = 0.5
    spectrum = np.fft.rfft(RNG.normal(size=round(rate * seconds)))
    spectrum[int(0.4 * min(rate, to) * seconds) :] = 0
    samples = np.fft.irfft(spectrum, round(rate * seconds))
    samples /= np.abs(samples).max()
    read = read_at(samples, rate, to)
    assert len(read) == -(-len(samples) * to // rate)
    inside = slice(round(0.02 * to), round(-0.02 * to))
    sox = soxr.resample(samples, rate, to, quality="VHQ")  # rounds the length
    assert np.abs(read[: len(sox)] - sox)[inside].max() < 1e-3
    if rate % 2 == 0:  # of an odd rate half a second is no whole period
        assert np.abs(read - scipy.signal.resample(samples, len(read)))[inside].max() < 1e-3


def test_the_last_minute_is_as_exact_as_the_first():
    """Ten minutes from 1,001 to 1,000 Hz; places in float32 would be off by 0.03 samples in the end, and by 1e-2 the sine."""
    samples = read_at(sine(100, 1001, 600), 1001, 1000)
    assert len(samples) == 600_000
    assert np.abs(samples - sine(100, 1000, 600))[100:-100].max() < 5e-4


def test_blocks_join():
    """Outputs do not depend on where the blocks begin, here three blocks and one later."""
    samples = RNG.normal(size=60_000)
    silent = np.zeros(441)
    whole = read_at(samples, 44100)
    later = read_at(np.concatenate([silent, samples]), 44100)  # 441 samples are 160 at 16 kHz
    assert len(whole) > 2 * waves.BLOCK
    np.testing.assert_allclose(later[160:], whole, atol=1e-5)


@pytest.mark.parametrize("rate", [1000, 15999, 16000, 44100, 768_000])
@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_shortest_are_read(rate, count):
    samples = read_at(np.ones(count), rate)
    assert len(samples) == -(-count * 16000 // rate)
    assert np.isfinite(samples).all()
    assert np.abs(samples).max(initial=0) < 1.3


def test_a_batch_is_each_of_its_files_at_16_khz():
    sources = [encoded(NOISE, 48000), b"no file", write_wave(NOISE[:, 0], 16000), encoded(NOISE[:100], 8000)]
    samples, lengths = decoded(sources)
    assert lengths.numpy().tolist() == [201, 0, 601, 200] and lengths.dtype == tf.int32
    assert samples.shape == (4, 601)
    for source, row, length in zip(sources, samples.numpy(), lengths.numpy()):
        np.testing.assert_array_equal(row[:length], resample(*decode(source), 16000))
        assert not row[length:].any()


@pytest.mark.parametrize("sources", [[], [b""]])
def test_a_batch_of_nothing_has_one_step(sources):
    for function in (decoded, waves.decoded):
        samples, lengths = function(tf.constant(sources, tf.string))
        assert samples.shape == (len(sources), 1) and lengths.shape == (len(sources),)
        assert not samples.numpy().any() and not lengths.numpy().any()


def test_the_graph_needs_no_python():
    graph = decoded.get_concrete_function().graph.as_graph_def()
    names = {node.op for function in graph.library.function for node in function.node_def}
    assert "DecodePaddedRaw" in names and not {name for name in names if "Py" in name}
