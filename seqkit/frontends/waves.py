"""Waveforms in graph: the bytes of WAVE files -> samples at one rate, padded, with their lengths.

Convention: samples are mono float32, full scale from -1 to 1; rates are in Hz. Reading another rate goes in two steps, so that
the many multiplications are a matrix product and not a gather. First the samples are cut off below the lower of both Nyquist
frequencies and read on an even grid, at least twice as dense as what is left needs, whose places fall on every half sample
or a multiple; then the grid is read at the new places with a short kernel from a table of phases. Both kernels are sincs
under a Kaiser window (Smith and Gossett 1984; Kaiser and Schafer 1980) that damps by 80 dB. Left out: files of other kinds
(`media/sounds.py` makes them WAVE files), and features.
"""

import functools
import math
from typing import NamedTuple

import tensorflow as tf

from seqkit.media.sounds import CHANNELS, CHUNKS, EXTENSIBLE, FLOAT, HIGHEST, LOWEST, PLAIN, RATE

_FORM, _DATA, _RIFF, _WAVE = (int.from_bytes(name, "little") for name in (b"fmt ", b"data", b"RIFF", b"WAVE"))
CUTOFF = 0.95  # of the lower Nyquist frequency: there a sine has half its amplitude; up to 0.9 it has all, from 1 on none
BETA = 7.86  # of the Kaiser windows: 80 dB
ZEROS = 50  # at the lower rate, samples that the first kernel reaches to either side: from 0.9 to 1 it falls by 80 dB
REACH = 5  # places of the grid that the second kernel reaches: it falls from half the grid's Nyquist frequency to 1.5 of it
PHASES = 512  # of the second kernel, between which it is a straight line
ROW = 64  # places of the grid that one row of the matrix product makes; even, so that rows begin on whole samples
BLOCK = 8192  # outputs made at once


def decoded(sources):
    """Decodes WAVE files and makes them 16 kHz.

    Args:
        sources: `(batch,)` strings, as of `decode`.

    Returns:
        `(batch, longest)` float32, zero after the end, of one sample at least; and how many each row has, `(batch,)` int32.
    """

    def read(source):
        return resample(*decode(source))

    with tf.device("CPU"):  # where strings are; matrix products of a GPU may be of less than float32
        rows = tf.map_fn(read, sources, fn_output_signature=tf.RaggedTensorSpec((None,), tf.float32, ragged_rank=0))
        rows = rows.with_values(tf.reshape(rows.values, [-1]))  # no items have no shape
        shape = tf.stack([-1, tf.maximum(rows.bounding_shape()[1], 1)])
        return tf.ensure_shape(rows.to_tensor(shape=shape), (None, None)), tf.cast(rows.row_lengths(), tf.int32)


def decode(source):
    """Decodes one WAVE file: PCM of 8, 16, 24 or 32 bits or floats of 32 or 64.

    Args:
        source: scalar string, below 2 GiB.

    Returns:
        `(samples,)` float32, the mean of the channels; and the rate, int32. A server answers a batch or fails it as a whole,
        so nothing is refused here: what is no such file has no samples, at 16 kHz, as has one of a rate not from 1,000 to
        768,000 Hz or of more than 64 channels; a sample that is not finite is 0. Stated sizes are believed as
        `media.sounds.read_sound` believes them.
    """
    length = tf.cast(tf.strings.length(source), tf.int64)
    riff, whole, wave = tf.unstack(_integers(source, 0, tf.int32, 3))
    form, data = _chunks(source, length)
    fields = _integers(source, form.start, tf.uint16, 13)
    tag, channels, frame, bits, later = (tf.cast(fields[place], tf.int32) for place in (0, 1, 6, 7, 12))
    (rate,) = tf.unstack(_integers(source, form.start + 4, tf.int32, 1))
    tag = tf.where((tag == EXTENSIBLE) & (form.size >= 26), later, tag)
    kinds = tf.reduce_all(tf.constant(PLAIN) == tf.stack([tag, bits]), axis=1)
    known = (riff == _RIFF) & (wave == _WAVE) & (form.size >= 16) & (data.start > 0) & tf.reduce_any(kinds)
    known &= (channels >= 1) & (channels <= CHANNELS) & (frame == channels * bits // 8) & (rate >= LOWEST) & (rate <= HIGHEST)

    there = length - data.start
    unknown = (data.size > there) | ((data.size == 0) & (tf.cast(whole, tf.int64) != length - 8))
    size = tf.where(unknown, there, data.size)
    size -= size % tf.cast(tf.maximum(frame, 1), tf.int64)
    content = tf.strings.substr(source, tf.where(known, data.start, 0), tf.where(known, size, 0))
    kind = tf.argmax(kinds, output_type=tf.int32)  # of none the first, of no bytes
    samples = tf.switch_case(kind, [functools.partial(_samples, content, *kind) for kind in PLAIN])
    samples = tf.reduce_mean(tf.reshape(samples, tf.stack([-1, tf.where(known, channels, 1)])), axis=1)
    return tf.where(tf.math.is_finite(samples), samples, 0.0), tf.where(known, rate, RATE)


class _Chunk(NamedTuple):
    """Where the content of a part of the file starts, 0 if there is none, and its stated size: int64."""

    start: tf.Tensor
    size: tf.Tensor


def _chunks(source, length):
    """The chunks that hold the format and the samples; what follows these is not looked at."""
    nothing = _Chunk(tf.constant(0, tf.int64), tf.constant(0, tf.int64))

    def more(place, form, data):
        return (data.start == 0) & (place + 8 <= length)

    def walk(place, form, data):
        name, size = tf.unstack(_integers(source, place, tf.int32, 2))
        size = tf.cast(tf.bitcast(size, tf.uint32), tf.int64)
        place += 8

        def found(chunk, name_of_chunk):
            return _Chunk(*(tf.where(name == name_of_chunk, new, old) for new, old in zip((place, size), chunk)))

        return place + size + size % 2, found(form, _FORM), found(data, _DATA)

    start = tf.constant(12, tf.int64)
    _, form, data = tf.while_loop(more, walk, (start, nothing, nothing), maximum_iterations=CHUNKS)
    return form, data


def _integers(source, place, dtype, count):
    """`(count,)` little-endian integers of a string, from a place within it on; zeros where it has ended."""
    size = count * dtype.size
    place = tf.minimum(tf.cast(place, tf.int64), tf.cast(tf.strings.length(source), tf.int64))
    return tf.io.decode_raw(tf.strings.substr(source, place, tf.constant(size, tf.int64)), dtype, fixed_length=size)


def _samples(content, tag, bits):
    """The bytes of numbers in a format of `PLAIN` -> `(numbers,)` float32."""
    if tag == FLOAT:
        return tf.cast(tf.io.decode_raw(content, tf.float32 if bits == 32 else tf.float64), tf.float32)
    if bits == 8:
        return (tf.cast(tf.io.decode_raw(content, tf.uint8), tf.float32) - 128.0) / 128.0
    if bits == 24:  # a byte of zeros below makes them 32 bits
        triples = tf.reshape(tf.io.decode_raw(content, tf.uint8), (-1, 3))
        return tf.cast(tf.bitcast(tf.pad(triples, [[0, 0], [1, 0]]), tf.int32), tf.float32) / 2.0**31
    return tf.cast(tf.io.decode_raw(content, tf.int16 if bits == 16 else tf.int32), tf.float32) / 2.0 ** (bits - 1)


def resample(samples, rate, to=RATE):
    """Reads samples at another rate, without the frequencies that it cannot hold.

    Args:
        samples: `(samples,)` float32; before and after lies silence.
        rate: scalar int32, Hz, of the samples.
        to: int or scalar int32, Hz. Costs grow with `rate / to`, also where it is far from whole; both from 1,000 to 768,000.

    Returns:
        `(ceil(samples * to / rate),)` float32, the first at the time of the first; the samples themselves where both rates
        are the same. Away from the ends, sines of amplitude 1 stay within 5e-4 up to 0.9 of the lower Nyquist frequency, and
        above it they are damped by 75 dB. Beside the input, it takes memory of up to three times the output, whose blocks are
        joined in the end.
    """
    return tf.cond(tf.equal(rate, to), lambda: samples, lambda: _resampled(samples, rate, to))


def _resampled(samples, rate, to):
    rate, to = tf.cast(rate, tf.int64), tf.cast(to, tf.int64)
    count = -(-tf.size(samples, tf.int64) * to // rate)
    size = tf.clip_by_value(count, 1, BLOCK)
    step = tf.maximum(rate // to, 1)  # from place to place of the grid, in half samples
    kernel, reach = _first_kernel(rate, to, step)
    phases = tf.range(PHASES + 1, dtype=tf.float32)[:, None] / PHASES
    table = _kernel(phases - tf.range(1 - REACH, REACH + 1, dtype=tf.float32), 1.0, REACH)

    def block(number):
        # In integers, so that the last place of an hour is as exact as the first.
        places = 2 * rate * (number * size + tf.range(size))
        whole = places // (to * step)
        first, last = (whole[0] - REACH + 1) // ROW, (whole[-1] + REACH) // ROW
        grid = _grid(samples, first, last + 1, kernel, step * ROW // 2, reach)
        phase = tf.cast((places - whole * to * step) * PHASES, tf.float64) / tf.cast(to * step, tf.float64)
        before = tf.cast(phase, tf.int32)
        share = tf.cast(phase - tf.floor(phase), tf.float32)[:, None]
        near = tf.gather(grid, tf.cast(whole - first * ROW, tf.int32)[:, None] + tf.range(1 - REACH, REACH + 1))
        weights = (1.0 - share) * tf.gather(table, before) + share * tf.gather(table, before + 1)
        return tf.reduce_sum(weights * near, axis=1)

    blocks = tf.maximum(-(-count // size), 1)  # one of no samples too, as none would have no shape
    made = tf.map_fn(block, tf.range(blocks), fn_output_signature=tf.TensorSpec((None,), tf.float32))
    return tf.reshape(made, [-1])[:count]


def _first_kernel(rate, to, step):
    """The matrix that makes `ROW` places of the grid out of samples, `(samples, ROW)`, zero in its last rows so that these are
    a multiple of the samples from row to row of the grid; and how many of the samples come before the first place."""
    lower = tf.cast(tf.minimum(rate, to) / rate, tf.float32)
    reach = tf.cast(tf.math.ceil(ZEROS / lower), tf.int64)
    hop = step * ROW // 2
    width = hop - (-2 * reach // hop) * hop
    starts = tf.cast(tf.range(width) - reach, tf.float32)[:, None]
    places = tf.cast(step, tf.float32) / 2.0 * tf.range(ROW, dtype=tf.float32)
    return _kernel(starts - places, CUTOFF * lower, ZEROS / lower), reach


def _kernel(places, cutoff, reach):
    """A sinc that cuts off at `cutoff` of the Nyquist frequency, under a Kaiser window that ends `reach` to either side."""
    angle = math.pi * cutoff * places
    sinc = tf.where(angle == 0.0, 1.0, tf.math.divide_no_nan(tf.sin(angle), angle))
    inside = BETA * tf.sqrt(tf.nn.relu(1.0 - tf.square(places / reach)))
    window = tf.math.bessel_i0e(inside) * tf.exp(inside - BETA) / tf.math.bessel_i0e(BETA)
    return tf.where(tf.abs(places) < reach, cutoff * sinc * window, 0.0)


def _grid(samples, first, end, kernel, hop, reach):
    """Rows `first` to `end` of the grid, one after the other. They begin `hop` samples apart, and each is made of samples from
    `reach` before it on."""
    pieces = tf.shape(kernel, tf.int64)[0] // hop
    rows = tf.range(end - first)
    start, stop = first * hop - reach, (end + pieces - 1) * hop - reach
    inside = tf.clip_by_value([start, stop], 0, tf.size(samples, tf.int64))
    cut = tf.pad(samples[inside[0] : inside[1]], [[inside[0] - start, stop - inside[1]]])
    near = tf.gather(tf.reshape(cut, tf.stack([-1, hop])), rows[:, None] + tf.range(pieces))
    return tf.reshape(tf.reshape(near, tf.stack([-1, pieces * hop])) @ kernel, [-1])
