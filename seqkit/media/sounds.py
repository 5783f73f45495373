"""Recordings, in any form that people have them, before the graph: read, checked, made WAVE files that the graph decodes.

Convention: a recording is handed on as the bytes of a RIFF WAVE file of linear PCM or floats, at its own rate; a file that
is one already stays as it is, any other recording becomes mono float32, the mean of its channels. Silence, clipping and no
samples at all are recordings too. A stated size that the file does not bear out is not believed: what is there counts.
Left out: decoding and resampling (`frontends/waves.py`), and all judgement of how it sounds.
"""

import io
import os
import struct
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import soundfile

from seqkit.media.files import named, read_file

RATE = 16000  # Hz, of arrays that come without a rate
LOWEST, HIGHEST = 1_000, 768_000  # Hz
CHANNELS = 64  # most of a recording
LARGEST = 2**31 - 1  # bytes of a WAVE file; the graph counts those of a string in int32
CHUNKS = 1000  # of a WAVE file, among which its samples must come; real files have a dozen
PCM, FLOAT, EXTENSIBLE = 1, 3, 0xFFFE  # format tags; the last says that the true one stands further on
PLAIN = ((PCM, 8), (PCM, 16), (PCM, 24), (PCM, 32), (FLOAT, 32), (FLOAT, 64))  # tag and bits of what the graph decodes
_BLOCK = 1 << 16  # frames decoded at once
_SCALES = {"int16": (0, 2**15), "int32": (0, 2**31), "uint8": (128, 2**7)}  # the middle, and full scale from there


class _Wave(NamedTuple):
    """What the header of a WAVE file says, and where its samples lie: whole frames only, in bytes."""

    tag: int
    bits: int
    channels: int
    rate: int
    start: int
    size: int


def read_sound(item, label):
    """Reads one recording.

    Args:
        item: one of
            - a path, the bytes of a file, or a binary file object: WAVE, FLAC, Ogg (Vorbis, Opus), MP3, AIFF, AU and what
              else libsndfile reads;
            - an array `(samples,)`, or of two axes, the longer of which is time and the other channels (of equal ones, the
              first is time): floats from -1 to 1, or int16, int32 or uint8 as WAVE files have them; at 16 kHz;
            - a pair of an array and its rate in Hz, in either order;
            - a dict as of Hugging Face's datasets: "array" or "raw" with "sampling_rate", else "bytes" or "path".
        label: how errors name it, such as "Item 3"; the name of a file is added.

    Returns:
        The bytes of a RIFF WAVE file: the file's own if it is one of PCM with 8, 16, 24 or 32 bits or of floats with 32 or
        64, else mono float32 of the same rate. A WAVE file cut off among its samples counts up to there; of another kind
        of file that is cut, what libsndfile reads.

    Raises:
        ValueError: the item is no recording; it has NaN or infinite samples, a rate not from 1,000 to 768,000 Hz, or more
            than 64 channels; or it would be a WAVE file of 2 GiB or more. The message says which.
    """
    if isinstance(item, Mapping):
        item, label = _from_dict(item, label)
    if isinstance(item, (tuple, list)) and len(item) == 2:
        samples, rate = reversed(item) if np.ndim(item[0]) == 0 else item
        source = write_wave(mono(samples, label, rate), int(rate))
    elif hasattr(item, "__array__"):
        source = write_wave(mono(item, label), RATE)
    else:
        label, source = _bytes_of(item, label)
        source = _from_file(source, label)
    if len(source) > LARGEST:
        raise ValueError(f"{label}: expected a WAVE file below 2 GiB; received {len(source):,} bytes. Split the recording.")
    return source


def write_wave(samples, rate):
    """The bytes of a WAVE file, mono float32.

    Args:
        samples: `(samples,)` numbers, full scale from -1 to 1.
        rate: int, Hz.
    """
    samples = np.asarray(samples, "<f4").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, FLOAT, 1, rate, 4 * rate, 4, 32)
    data = struct.pack("<4sI", b"data", len(samples))
    return b"".join([struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data) + len(samples), b"WAVE"), form, data, samples])


def duration(source):
    """How many seconds a WAVE file lasts that `read_sound` returned, by its header and its length alone.

    Raises:
        ValueError: it is no such file.
    """
    wave = _layout(source)
    if wave is None or not wave.rate:
        raise ValueError(f"Expected the bytes of a WAVE file, as read_sound returns; received {source[:16]!r}.")
    return wave.size / (wave.channels * wave.bits // 8 * wave.rate)


def overlapping(source, seconds, overlap):
    """Cuts a WAVE file that `read_sound` returned into pieces of so many seconds, of which neighbours share some.

    Returns:
        A list of `(bytes, begin)`: WAVE files of the same format, and where they begin, in seconds; the last is shorter.
    """
    wave = _layout(source)
    frame = wave.channels * wave.bits // 8
    size, step = (frame * int(length * wave.rate) for length in (seconds, seconds - overlap))
    places = range(0, max(wave.size - size + step, step), step)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, wave.tag, wave.channels, wave.rate, frame * wave.rate, frame, wave.bits)
    pieces = []
    for place in places:
        samples = source[wave.start + place : wave.start + min(place + size, wave.size)]
        data = struct.pack("<4sI", b"data", len(samples))
        whole = struct.pack("<4sI4s", b"RIFF", 4 + len(form) + len(data) + len(samples), b"WAVE")
        pieces.append((b"".join([whole, form, data, samples]), place / frame / wave.rate))
    return pieces


def _from_dict(item, label):
    """What of a dict is the recording, and the label with the name of its file."""
    samples, raw, content, path = (item.get(key) for key in ("array", "raw", "bytes", "path"))
    samples = raw if samples is None else samples
    if samples is None and content is None:
        if path is None:
            raise ValueError(
                f'{label}: expected a dict with "array" and "sampling_rate", "bytes" or "path"; received the keys {list(item)}.'
            )
        return path, label
    label = label if path is None else named(label, path)
    if samples is None:
        return content, label
    if item.get("sampling_rate") is None:
        raise ValueError(f'{label}: expected "sampling_rate" beside the samples; received the keys {list(item)}.')
    return (samples, item["sampling_rate"]), label


def _bytes_of(item, label):
    """The bytes of a file in any form, and the label with its name."""
    if isinstance(item, (str, os.PathLike)):
        return read_file(item, label, "a recording")
    if isinstance(item, (bytes, bytearray, memoryview)):
        return label, bytes(item)
    if not hasattr(item, "read"):
        raise ValueError(
            f"{label}: expected a recording (path, bytes of a sound file, file object, array, or array and rate); "
            f"received {type(item).__name__} {item!r:.80}."
        )
    if isinstance(getattr(item, "name", None), str):
        label = named(label, item.name)
    try:
        content = item.read()
    except (OSError, ValueError) as error:
        raise ValueError(f"{label}: expected a file that can be read; received {type(item).__name__}: {error}.") from None
    if not isinstance(content, bytes):
        raise ValueError(f"{label}: expected a binary file; it gave {type(content).__name__}. Open it with mode 'rb'.")
    return label, content


def mono(samples, label, rate=RATE):
    """An array of a recording, as of `read_sound` -> `(samples,)` float32, the mean of its channels; ValueError as there."""
    if not hasattr(samples, "__array__"):
        raise ValueError(f"{label}: expected an array beside its rate; received {type(samples).__name__} {samples!r:.80}.")
    samples = np.asarray(samples)
    if samples.ndim not in (1, 2):
        raise ValueError(f"{label}: expected an array (samples,) or (samples, channels); received {samples.shape}.")
    rate = _whole_rate(rate, label)
    name = samples.dtype.name
    if name not in _SCALES and samples.dtype.kind != "f":
        raise ValueError(
            f"{label}: expected floats from -1 to 1, or int16, int32 or uint8; received dtype {name}. Convert the samples."
        )
    if not samples.size:
        return np.zeros(0, np.float32)
    if samples.ndim == 2 and samples.shape[1] > samples.shape[0]:
        samples = samples.T
    samples = samples.reshape(len(samples), -1)
    _check(rate, samples.shape[1], label)
    middle, full = _SCALES.get(name, (0, 1))
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is named
        samples = ((samples.astype(np.float32) - middle) / full).mean(axis=1)
    return _finite(samples, label)


def _whole_rate(rate, label):
    """A rate of any usual type -> int."""
    try:
        whole = int(rate)
        if isinstance(rate, (str, bool)) or whole != rate:
            raise ValueError
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{label}: expected a rate in whole Hz; received {rate!r:.80}.") from None
    _check(whole, 1, label)
    return whole


def _from_file(source, label):
    wave = _layout(source)
    if wave is None:
        if _is_wave(source) and not _chunks(source)[1]:
            raise ValueError(f"{label}: expected a whole WAVE file; it is cut off or damaged before its samples.")
        return _converted(source, label)
    _check(wave.rate, wave.channels, label)
    if wave.tag == FLOAT:
        width = wave.bits // 8
        samples = np.frombuffer(source, f"<f{width}", wave.size // width, wave.start)
        with np.errstate(over="ignore"):
            _finite(samples.astype(np.float32, copy=False), label)
    return source


def _converted(source, label):
    """The bytes of a file of any other kind -> those of a WAVE file."""
    try:
        with soundfile.SoundFile(io.BytesIO(source)) as file:
            rate, channels, blocks = file.samplerate, file.channels, [np.zeros(0, np.float32)]
            _check(rate, channels, label)
            # Not all at once: a damaged header may state more than memory holds.
            while len(block := file.read(_BLOCK, dtype="float32", always_2d=True)):
                blocks.append(block.mean(axis=1))
    except soundfile.SoundFileError:
        reason = "it is of another kind, cut off or damaged" if source else "it is empty"
        raise ValueError(f"{label}: expected a sound file (such as WAVE, FLAC, Ogg, MP3 or AIFF); {reason}.") from None
    return write_wave(_finite(np.concatenate(blocks), label), rate)


def _finite(samples, label):
    wrong = np.flatnonzero(~np.isfinite(samples))
    if len(wrong):
        raise ValueError(
            f"{label}: expected finite samples; received {samples[wrong[0]]} at place {wrong[0]:,} of {len(samples):,}. "
            "Clean the recording."
        )
    return samples


def _check(rate, channels, label):
    if not LOWEST <= rate <= HIGHEST:
        raise ValueError(f"{label}: expected a rate from {LOWEST:,} to {HIGHEST:,} Hz; received {rate:,}. Resample it.")
    if not 1 <= channels <= CHANNELS:
        raise ValueError(f"{label}: expected 1 to {CHANNELS} channels; received {channels:,}. Choose some, or average them.")


def _layout(source):
    """Reads the header of a WAVE file; None if `source` is none, or of no `PLAIN` format.

    A size of samples of 0, or of more than there is, was not known when the header was written, or the file is cut off; but
    0 is meant where the size of the whole file is stated right.
    """
    form, start, size = _chunks(source)
    if len(form) < 16 or not start:
        return None
    tag, channels, rate, _, frame, bits = struct.unpack_from("<HHIIHH", form)
    if tag == EXTENSIBLE and len(form) >= 26:
        (tag,) = struct.unpack_from("<H", form, 24)
    if (tag, bits) not in PLAIN or not channels or frame != channels * bits // 8:
        return None
    (whole,) = struct.unpack_from("<I", source, 4)
    there = len(source) - start
    if size > there or (size == 0 and whole != len(source) - 8):
        size = there
    return _Wave(tag, bits, channels, rate, start, size - size % frame)


def _chunks(source):
    """Of a WAVE file: what its "fmt " chunk holds; and where its samples start, 0 if nowhere, and their stated size."""
    place, form = 12, b""
    if _is_wave(source):
        for _ in range(CHUNKS):
            if place + 8 > len(source):
                break
            name, size = struct.unpack_from("<4sI", source, place)
            place += 8
            if name == b"data":
                return form, place, size
            if name == b"fmt ":
                form = source[place : place + size]
            place += size + size % 2
    return form, 0, 0


def _is_wave(source):
    return source[:4] == b"RIFF" and source[8:12] == b"WAVE"
