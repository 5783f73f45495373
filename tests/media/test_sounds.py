"""What counts as a recording, and that it is the same however it is handed in."""

import io
import struct

import numpy as np
import pytest
import scipy.io.wavfile
import soundfile
from wave_files import LIST, chunk, encoded, file_of

from seqkit.media.sounds import CHANNELS, duration, overlapping, read_sound, write_wave

RNG = np.random.default_rng(0)
NOISE = RNG.uniform(-0.5, 0.5, 3000)
STEREO = RNG.uniform(-0.5, 0.5, (3000, 2))


FORM = chunk(b"fmt ", struct.pack("<HHIIHH", 1, 1, 8000, 16000, 2, 16))  # mono, 8 kHz, 16 bits
DATA = np.arange(400, dtype="<i2").tobytes()  # 0.05 seconds


def heard(item):
    """The samples and the rate of what is read."""
    return soundfile.read(io.BytesIO(read_sound(item, "Item 0")))


def test_every_form_is_the_same_recording(tmp_path):
    source = encoded(NOISE, 22050, "WAV", "FLOAT")
    path = tmp_path / "a.wav"
    path.write_bytes(source)
    samples = NOISE.astype(np.float32)
    files = [str(path), path, source, bytearray(source), memoryview(source), io.BytesIO(source), {"path": str(path)}]
    files += [{"bytes": source, "path": None}, {"bytes": source, "path": "elsewhere.wav"}]
    arrays = [(samples, 22050), (22050, samples), [NOISE, np.int64(22050)], (22050.0, samples[:, None])]
    arrays += [{"array": NOISE, "sampling_rate": 22050, "path": "a.wav"}, {"raw": NOISE, "sampling_rate": 22050}]
    with path.open("rb") as opened:
        for item in [*files, opened, *arrays]:
            heard_samples, rate = heard(item)
            assert rate == 22050
            np.testing.assert_array_equal(heard_samples, samples)


@pytest.mark.parametrize("samples", [NOISE, STEREO], ids=["mono", "stereo"])
@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"])
@pytest.mark.parametrize("kind", ["WAV", "WAVEX"])
def test_a_wave_file_of_a_plain_format_is_kept(kind, subtype, samples):
    source = encoded(samples, 44100, kind, subtype)
    assert read_sound(source, "Item 0") == source
    assert duration(source) == pytest.approx(3000 / 44100)


@pytest.mark.parametrize(
    "kind, subtype",
    [
        ("FLAC", "PCM_16"),
        ("OGG", "VORBIS"),
        ("OGG", "OPUS"),
        ("MP3", "MPEG_LAYER_III"),
        ("AIFF", "PCM_24"),
        ("AU", "FLOAT"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
        ("RF64", "PCM_16"),
        ("WAV", "ULAW"),
        ("WAV", "IMA_ADPCM"),
    ],
)
def test_a_file_of_any_other_kind_becomes_a_mono_wave_file_of_its_rate(kind, subtype):
    source = encoded(STEREO, 48000, kind, subtype)
    expected, _ = soundfile.read(io.BytesIO(source), dtype="float32")
    read = read_sound(source, "Item 0")
    info = soundfile.info(io.BytesIO(read))
    assert (info.format, info.subtype, info.channels, info.samplerate) == ("WAV", "FLOAT", 1, 48000)
    samples, _ = soundfile.read(io.BytesIO(read))
    np.testing.assert_allclose(samples, expected.mean(axis=1), atol=1e-7)
    assert duration(read) == len(expected) / 48000


def test_a_long_file_is_decoded_whole():
    """Of more than two of the blocks in which it is read."""
    samples = RNG.integers(-1000, 1000, 150_000).astype(np.int16)
    np.testing.assert_array_equal(heard(encoded(samples, 16000, "FLAC", "PCM_16"))[0], samples / 2**15)


@pytest.mark.parametrize(
    "array",
    [
        np.array([-(2**15), 0, 2**14], np.int16),
        np.array([-(2**31), 0, 2**30], np.int32),
        np.array([0, 128, 192], np.uint8),
        np.array([-1, 0, 0.5]),
        np.array([-1, 0, 0.5], np.float16),
        np.array([-1, 0, 0.5], ">f4"),
        np.array([-(2**15), 0, 2**14], ">i2"),
        np.array([[-1, -1], [-0.25, 0.25], [0.25, 0.75]]),
        np.array([[-1, -0.25, 0.25], [-1, 0.25, 0.75]]),
    ],
    ids=lambda array: f"{array.dtype.str}{array.shape}",
)
def test_arrays_are_scaled_as_files_are_and_their_channels_averaged(array):
    samples, rate = heard(array)
    assert rate == 16000
    assert samples.tolist() == [-1, 0, 0.5]


def test_of_two_equal_axes_the_first_is_time():
    assert heard(np.array([[0.5, 0.0], [1.0, 1.0]]))[0].tolist() == [0.25, 1.0]


@pytest.mark.parametrize("shape", [(0,), (0, 2), (2, 0), (0, 100)])
def test_no_samples_are_an_empty_recording(shape):
    source = read_sound(np.zeros(shape), "Item 0")
    assert duration(source) == 0
    assert soundfile.info(io.BytesIO(source)).frames == 0


def test_empty_files_of_sound_silence_and_clipping_are_recordings():
    assert duration(read_sound(encoded(NOISE[:0], 8000, "WAV", "PCM_16"), "Item 0")) == 0
    assert duration(read_sound(encoded(NOISE[:0], 8000, "AIFF", "PCM_16"), "Item 0")) == 0
    assert heard(np.zeros(5))[0].tolist() == [0] * 5
    assert heard(np.array([7.0, -7.0]))[0].tolist() == [7, -7]


def test_other_programs_read_what_is_written():
    source = write_wave(NOISE, 11025)
    assert int.from_bytes(source[4:8], "little") == len(source) - 8
    rate, samples = scipy.io.wavfile.read(io.BytesIO(source))
    assert rate == 11025 and samples.dtype == np.float32
    np.testing.assert_array_equal(samples, NOISE.astype(np.float32))


@pytest.mark.parametrize(
    "source, seconds",
    [
        (file_of(FORM, chunk(b"data", DATA)), 0.05),
        (file_of(LIST, FORM, chunk(b"bext", b"x" * 603), chunk(b"data", DATA), LIST), 0.05),
        (file_of(FORM, LIST, chunk(b"data", DATA, 0xFFFFFFFF), size=0xFFFFFFFF), 0.05),
        (file_of(FORM, chunk(b"data", DATA, 0), size=0), 0.05),
        (file_of(FORM, chunk(b"data", DATA, 0), size=36), 0.05),  # as if 36 and 0 had been written ahead
        (file_of(FORM, chunk(b"data", b""), LIST), 0),
        (file_of(FORM, chunk(b"data", DATA))[:-600], 0.0125),
        (file_of(FORM, chunk(b"data", DATA))[:-601], 99 / 8000),  # a sample cut in two
    ],
    ids=["plain", "chunks", "unknown", "zero", "ahead", "empty", "cut", "cut in two"],
)
def test_a_duration_is_that_of_the_samples_there(source, seconds):
    assert read_sound(source, "Item 0") == source
    assert duration(source) == pytest.approx(seconds)


def test_a_duration_is_of_wave_files():
    with pytest.raises(ValueError, match="Expected the bytes of a WAVE file, as read_sound returns; received b'fLaC"):
        duration(encoded(NOISE, 8000, "FLAC", "PCM_16"))


ARRAY = np.zeros(10)


@pytest.mark.parametrize(
    "item, message",
    [
        (np.array([0, np.nan]), "expected finite samples; received nan at place 1 of 2"),
        (np.array([np.inf, 0]), "received inf at place 0"),
        (np.array([1e300]), "received inf at place 0"),
        (encoded(np.array([0, np.nan]), 8000, "WAV", "FLOAT"), "received nan at place 1"),
        (encoded(np.array([0, np.inf]), 8000, "WAV", "DOUBLE"), "received inf at place 1"),
        (encoded(np.array([0, np.nan]), 8000, "AU", "FLOAT"), "received nan at place 1"),
        (np.zeros(5, np.int64), "expected floats from -1 to 1, or int16, int32 or uint8; received dtype int64"),
        (np.zeros(5, np.uint16), "received dtype uint16"),
        (np.zeros(5, bool), "received dtype bool"),
        (np.array(["a"]), "received dtype str"),
        (np.zeros((5, 5, 5)), r"expected an array \(samples,\) or \(samples, channels\); received \(5, 5, 5\)"),
        (np.zeros(()), r"received \(\)"),
        ((ARRAY, 999), "expected a rate from 1,000 to 768,000 Hz; received 999. Resample it."),
        ((768_001, ARRAY), "received 768,001"),
        ((0, np.zeros(0)), "received 0"),
        ((ARRAY, 44100.5), "expected a rate in whole Hz; received 44100.5"),
        ((ARRAY, "16k"), "expected a rate in whole Hz; received '16k'"),
        ((ARRAY, float("nan")), "expected a rate in whole Hz; received nan"),
        ((ARRAY, None), "expected a rate in whole Hz; received None"),
        (([0.5, 0.5], 16000), "expected an array beside its rate; received list"),
        ((1, 2), "expected an array beside its rate; received int 2"),
        (encoded(NOISE, 500, "WAV", "PCM_16"), "received 500"),
        (encoded(NOISE, 500, "AIFF", "PCM_16"), "received 500"),
        (np.zeros((100, CHANNELS + 1)), "expected 1 to 64 channels; received 65. Choose some"),
        (encoded(np.zeros((5, 65)), 8000, "WAV", "PCM_16"), "received 65"),
        (b"", "expected a sound file .*; it is empty."),
        (b"hello, this is text\n" * 50, "it is of another kind, cut off or damaged."),
        (file_of(FORM, chunk(b"data", DATA))[:43], "expected a whole WAVE file; it is cut off or damaged before its samples."),
        (file_of(FORM, chunk(b"data", DATA))[:30], "it is cut off or damaged before its samples."),
        (file_of(FORM, chunk(b"bext", b"")), "it is cut off or damaged before its samples."),
        (file_of(*[LIST] * 1000, FORM, chunk(b"data", DATA)), "it is cut off or damaged before its samples."),
        (file_of(chunk(b"data", DATA), FORM), "it is of another kind, cut off or damaged."),
        (encoded(NOISE, 8000, "FLAC", "PCM_16")[:3000], "it is of another kind, cut off or damaged."),
        (encoded(NOISE, 8000, "OGG", "VORBIS")[:20], "it is of another kind, cut off or damaged."),
        (io.StringIO("text"), "expected a binary file; it gave str. Open it with mode 'rb'."),
        ({"array": ARRAY}, r"""expected "sampling_rate" beside the samples; received the keys \['array'\]"""),
        ({"text": "a"}, r"""expected a dict with "array" .*; received the keys \['text'\]"""),
        (7, r"expected a recording \(path, bytes of a sound file, .*\); received int 7"),
        (None, "received NoneType None"),
        ([1, 2, 3], r"received list \[1, 2, 3\]"),
    ],
    ids=lambda value: value if isinstance(value, str) else type(value).__name__,
)
def test_what_is_no_recording_is_refused(item, message):
    with pytest.raises(ValueError, match=f"Item 0: .*{message}"):
        read_sound(item, "Item 0")


@pytest.mark.parametrize(
    "name, message",
    [
        ("text.wav", r"Item 0 \(text.wav\): expected a sound file .*; it is of another kind, cut off or damaged."),
        ("none.wav", r"Item 0 \(none.wav\): expected a sound file .*; it is empty."),
        ("folder", r"Item 0 \(folder\): expected the path of a recording; received .*Is a directory"),
        ("missing.wav", r"Item 0 \(missing.wav\): expected the path of a recording; received .*No such file"),
    ],
)
def test_a_file_that_is_no_recording_is_named(name, message, tmp_path):
    (tmp_path / "text.wav").write_text("hello")
    (tmp_path / "none.wav").write_bytes(b"")
    (tmp_path / "folder").mkdir()
    for item in (tmp_path / name, {"path": str(tmp_path / name)}):
        with pytest.raises(ValueError, match=message):
            read_sound(item, "Item 0")
    closed = (tmp_path / "text.wav").open("rb")
    closed.close()
    with pytest.raises(ValueError, match=r"\(text.wav\): expected a file that can be read; received BufferedReader: .*closed"):
        read_sound(closed, "Item 0")


def test_a_recording_too_long_for_the_graph_is_refused(monkeypatch):
    monkeypatch.setattr("seqkit.media.sounds.LARGEST", 1000)
    with pytest.raises(ValueError, match="Item 0: expected a WAVE file below 2 GiB; received 1,044 bytes. Split"):
        read_sound(np.zeros(250), "Item 0")


@pytest.mark.parametrize("subtype", ["PCM_U8", "PCM_16", "PCM_24", "FLOAT"])
def test_pieces_overlap_and_are_the_samples_of_the_whole(subtype):
    whole = np.random.default_rng(0).uniform(-0.9, 0.9, (1000 * 10 + 7, 2))
    source = encoded(whole, 1000, "WAV", subtype)
    pieces = overlapping(source, 4, 1)
    assert [begin for _, begin in pieces] == [0.0, 3.0, 6.0, 9.0]
    expected, _ = soundfile.read(io.BytesIO(source), always_2d=True)
    for piece, begin in pieces:
        samples, rate = soundfile.read(io.BytesIO(piece), always_2d=True)
        first = int(begin * 1000)
        assert rate == 1000 and samples.shape == expected[first : first + 4000].shape
        np.testing.assert_array_equal(samples, expected[first : first + 4000])
    assert overlapping(source, 60, 1)[0][1] == 0.0 and len(overlapping(source, 60, 1)) == 1
    assert [begin for _, begin in overlapping(encoded(whole[:7000], 1000, "WAV", subtype), 4, 1)] == [0.0, 3.0]
