"""Augmentation of sound: the same words as another voice, microphone and room would have made them.

Convention: waveforms `(batch, samples)` float32 at 16 kHz from -1 to 1, zero behind each row's `lengths`; spectrograms
`(batch, frames, bands)` float32, normalised to mean 0. Each row is drawn its own change, from the seed and the shape of the
batch alone, never from what its neighbours hold. A range of 0 switches its effect off, exactly. Energies are sums over the
real samples, so that padding counts for nothing. Meant for training, ahead of the model, on CPU.
Left out: speed without pitch, SpecAugment's warping of time, measured responses of rooms, other microphones; a filter before
a faster reading: what lies above 8 kHz / speed, at most the top tenth by default, is folded back.
"""

import math
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import tensorflow as tf

from seqkit import lengths as real
from seqkit.data import batches
from seqkit.media.sounds import RATE

SUFFIXES = (".aif", ".aiff", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav")
LOWEST = 50.0  # hertz below which coloured noise is white, so that its level is one that can be heard
DIRECT = (0.0, 15.0)  # decibels of the direct sound above its reverberation
REVERBERANT = 0.5  # share of the rows
BLOCK = 8192  # Fourier transforms are a multiple of it long: fast at once for every batch
SILENCE = 1e-20  # energy far below that of one 16-bit step, 1e-9; added where silence would be a division by zero
MOST = {  # of each range
    "speed": 1,
    "gain": 40,
    "noisy": 1,
    "reverberation": 5,
    "band_masks": 100,
    "band_width": 1000,
    "time_masks": 100,
    "time_width": 1,
}
WHOLE = ("band_masks", "band_width", "time_masks")
LOUDEST, SOFTEST = -20, 100  # ratios of speech to noise, in decibels


@dataclass(frozen=True)
class SoundAugmentation:
    """How far sounds may be changed, each a range around no change. The defaults are for speech.

    Raises:
        ValueError: a range is not within its bounds, or `recordings` are none; the message names the field.
    """

    speed: float = 0.1  # up to so much faster, or as many times slower; the pitch goes with it (Ko et al., 2015)
    gain: float = 6.0  # decibels louder or softer
    noise: tuple = (5.0, 30.0)  # lowest and highest ratio of the sound to the noise, in decibels
    noisy: float = 0.5  # share of the rows that noise is mixed into
    reverberation: float = 0.0  # seconds in which the reverberation of the largest room falls by 60 decibels
    band_masks: int = 2  # of each spectrogram
    band_width: int = 15  # bands that a mask covers at most; for spectrograms of 80
    time_masks: int = 2
    time_width: float = 0.05  # share of the length that a mask covers at most
    # The noise: `(clips, samples)` float32 and their `(clips,)` int32, as of `read_noise`; without, noise is made.
    recordings: tuple | None = field(default=None, repr=False, compare=False)

    def __post_init__(self):
        for name, most in MOST.items():
            value = getattr(self, name)
            if not 0 <= value <= most or (name in WHOLE and value != int(value)):
                whole = "a whole number " if name in WHOLE else ""
                raise ValueError(f"{name} must be {whole}from 0 to {most}; received {value!r}.")
        if len(self.noise) != 2 or not LOUDEST <= self.noise[0] <= self.noise[1] <= SOFTEST:
            raise ValueError(
                f"noise must be two ratios, the lower first, from {LOUDEST} to {SOFTEST} decibels; received {self.noise!r}."
            )
        if self.recordings is not None:
            # Made here, once: a tensor is held by the graphs that use it, where an array would be copied into each.
            object.__setattr__(self, "recordings", _held(self.recordings))

    def waveform(self, samples, lengths, seed, views=1):
        """Changes a batch of waveforms: first the speed, then the room, then the noise in it, then the gain.

        Args:
            samples: `(batch, samples)` float32, at least one row of one sample; padding is zero.
            lengths: `(batch,)` int32, from 0 to `samples`.
            seed: `(2,)` int32; the same seed makes the same changes.
            views: int, how many times the batch has its rows, one block after the other. Views of a row have the same
                speed, so that a sound is at the same frame in each; the rest is drawn for each.

        Returns:
            Samples of the same shape, and their lengths. At another speed a row has `length / speed` samples, rounded, but
            never more than the padded ones: it is slowed down no further than there is room. Where a row would go beyond 1,
            all of it is made softer, so that its peak is at 1. Noise has the ratio that was drawn over the whole row; none is
            mixed into silence.
        """
        if not (self.speed or self.gain or self.noisy or self.reverberation):
            return samples, lengths
        speed, room, noise, gain = tf.unstack(tf.random.split(seed, 4))
        count = tf.shape(samples)[0]
        if self.speed:
            (exponent,) = _drawn(count // views, speed, (-1.0, 1.0))
            samples, lengths = _paced(samples, lengths, (1.0 + self.speed) ** tf.tile(exponent[:, 0], [views]))
        if self.reverberation:
            samples = _reverberated(samples, lengths, self.reverberation, room)
        if self.noisy:
            chances, made = tf.unstack(tf.random.split(noise))
            chance, ratio = _drawn(count, chances, (0.0, 1.0), self.noise)
            sheet = _coloured(tf.shape(samples), made) if self.recordings is None else self._stretches(samples, lengths, made)
            noisy = _mixed(samples, real.zero_padding(sheet, lengths), ratio)
            samples = tf.where(chance < self.noisy, noisy, samples)
        (decibels,) = _drawn(count, gain, (-self.gain, self.gain))
        return _louder(samples, decibels), lengths

    def spectrogram(self, features, lengths, seed):
        """Masks a batch of spectrograms, as `mask_spectrogram` does."""
        bands, time = (self.band_masks, self.band_width), (self.time_masks, self.time_width)
        return mask_spectrogram(features, lengths, seed, bands, time)

    def _stretches(self, samples, lengths, seed):
        """A stretch of a recording for each row, `(batch, samples)`; one that is too short is repeated."""
        clips, clip_lengths = self.recordings
        count, steps = tf.unstack(tf.shape(samples))
        clip, start = (value[:, 0] for value in _drawn(count, seed, (0.0, 1.0), (0.0, 1.0)))
        clip = tf.cast(clip * tf.cast(tf.shape(clips)[0], tf.float32), tf.int32)
        size = tf.gather(clip_lengths, clip)
        starts = tf.where(size >= lengths, size - lengths + 1, size)
        start = tf.cast(start * tf.cast(starts, tf.float32), tf.int32)
        place = (start[:, None] + tf.range(steps)) % size[:, None]
        # Read from one long row, as whole clips may be far longer than what is taken of them.
        first = tf.cast(clip, tf.int64) * tf.shape(clips, tf.int64)[1]
        return tf.gather(tf.reshape(clips, [-1]), first[:, None] + tf.cast(place, tf.int64))


def mask_spectrogram(features, lengths, seed, bands=(2, 15), time=(2, 0.05)):
    """Sets random bands and stretches of time to 0 (SpecAugment: Park et al., 2019; widths by length: Park et al., 2020).

    Args:
        features: `(batch, frames, bands)` float32, normalised to mean 0; padding is zero.
        lengths: `(batch,)` int32.
        seed: `(2,)` int32; the same seed makes the same masks.
        bands: how many masks each row has, and how many bands each covers at most; any width up to it is as likely.
        time: how many masks each row has, and the share of the row's length that each covers at most.

    Returns:
        Features of the same shape. Masks may overlap; those in time lie inside of the length.
    """
    across, along = tf.unstack(tf.random.split(seed))
    if all(bands):
        count = tf.cast(tf.shape(features)[2], tf.float32)
        masks = _masks(tf.fill(tf.shape(lengths), count), tf.minimum(count, bands[1]), bands[0], tf.shape(features)[2], across)
        features = tf.where(masks[:, None, :], 0.0, features)
    if all(time):
        frames = tf.cast(lengths, tf.float32)
        masks = _masks(frames, tf.floor(time[1] * frames)[:, None], time[0], tf.shape(features)[1], along)
        features = tf.where(masks[:, :, None], 0.0, features)
    return features


def read_noise(directory, longest=30.0):
    """Reads the recordings of noise that `SoundAugmentation` mixes in.

    Args:
        directory: path; all sound files in it and below it are read, in the order of their paths, each 16 kHz and mono.
        longest: float, seconds; longer recordings are cut into equal clips, so that one hour among short ones does not make
            the padding of all an hour long.

    Returns:
        `(recordings, lengths)`: `(clips, samples)` float32 from -1 to 1, zero behind the `(clips,)` int32 lengths.

    Raises:
        ValueError: there is no sound file; or one is broken, empty, or of another rate or more channels.
    """
    paths = sorted(path for path in Path(directory).rglob("*") if path.suffix.lower() in SUFFIXES)
    if not paths:
        raise ValueError(f"{directory}: expected a directory of sound files ({', '.join(SUFFIXES)}); found none.")
    clips = []
    for path in paths:
        samples = _read(path)
        clips += np.array_split(samples, math.ceil(len(samples) / (longest * RATE)))
    lengths = np.array([len(clip) for clip in clips], np.int32)
    return batches.padded(clips, lengths.max()), lengths


def _read(path):
    """A sound file -> `(samples,)` float32."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise ValueError(f"{path}: expected a sound file; it is of another kind or damaged: {error}") from None
    if rate != RATE or samples.shape[1] != 1:
        raise ValueError(f"{path}: expected {RATE} Hz, mono; received {rate} Hz, {samples.shape[1]} channels. Convert it.")
    if not len(samples) or not np.isfinite(samples).all():
        raise ValueError(f"{path}: expected finite samples; received {'some that are not' if len(samples) else 'none'}.")
    return samples[:, 0]


def _held(recordings):
    """The clips and their lengths as tensors on CPU, checked."""
    if len(recordings) != 2:
        raise ValueError(f"recordings must be a pair, (clips, samples) and their lengths; received {len(recordings)} values.")
    with tf.device("CPU"):
        clips, lengths = (tf.convert_to_tensor(*pair) for pair in zip(recordings, (tf.float32, tf.int32)))
    if clips.ndim != 2 or lengths.shape != clips.shape[:1] or 0 in clips.shape:
        raise ValueError(
            "recordings must be (clips, samples) and their lengths (clips,), at least one; "
            f"received {tuple(clips.shape)} and {tuple(lengths.shape)}."
        )
    shortest, longest = int(tf.reduce_min(lengths)), int(tf.reduce_max(lengths))
    if shortest < 1 or longest > clips.shape[1]:
        raise ValueError(f"lengths of recordings must be from 1 to {clips.shape[1]}; received {shortest} to {longest}.")
    return clips, lengths


def _drawn(count, seed, *ranges):
    """A number for each row out of each range, from its first up to its second: as many `(count, 1)`."""
    low, high = (tf.constant(bounds, tf.float32)[:, None, None] for bounds in zip(*ranges))
    return tf.unstack(tf.random.stateless_uniform((len(ranges), count, 1), seed, low, high, alg="philox"))


def _energy(samples):
    return tf.reduce_sum(tf.square(samples), axis=1, keepdims=True)


def _paced(samples, lengths, speed):
    """Reads each row `speed` `(batch,)` times as fast, between two samples along a cubic through them and their neighbours
    (Catmull-Rom; Keys, 1981); outside lies silence."""
    steps = tf.shape(samples)[1]
    real_samples = tf.cast(lengths, tf.float32)
    speed = tf.maximum(speed, real_samples / tf.cast(steps, tf.float32))
    paced = tf.cast(tf.round(real_samples / speed), lengths.dtype)
    paced = tf.clip_by_value(paced, tf.minimum(lengths, 1), steps)
    # In float32, a place half a minute on would be rounded to a 32nd of a sample.
    place = tf.range(steps, dtype=tf.float64) * tf.cast(speed, tf.float64)[:, None]
    before = tf.floor(place)
    share, before = tf.cast(place - before, tf.float32), tf.minimum(tf.cast(before, tf.int32), steps - 1)
    padded = tf.pad(samples, ((0, 0), (1, 2)))
    first, second, third, fourth = (tf.gather(padded, before + tap, batch_dims=1) for tap in range(4))
    cubic = 3.0 * (second - third) + fourth - first
    square = 2.0 * first - 5.0 * second + 4.0 * third - fourth
    read = second + 0.5 * share * (third - first + share * (square + share * cubic))
    return real.zero_padding(read, paced), paced


def _reverberated(samples, lengths, longest, seed):
    """Half of the rows as in a room; the energy stays, and what would sound on after the end is cut off."""
    chances, white = tf.unstack(tf.random.split(seed))
    count, steps = tf.unstack(tf.shape(samples))
    chance, seconds, direct = _drawn(count, chances, (0.0, 1.0), (0.0, longest), DIRECT)
    response = _response(seconds, direct, math.ceil(longest * RATE), white)
    size = [_fourier_length(steps + tf.shape(response)[1])]
    product = tf.signal.rfft(samples, size) * tf.signal.rfft(response, size)
    wet = real.zero_padding(tf.signal.irfft(product, size)[:, :steps], lengths)
    wet *= tf.sqrt(_energy(samples) / (_energy(wet) + SILENCE))
    return tf.where(chance < REVERBERANT, wet, samples)


def _response(seconds, direct, size, seed):
    """Responses of rooms, `(batch, 1 + size)`: the sound itself, 1, then white noise that falls by 60 decibels in `seconds`
    and has `direct` decibels less energy in all (Polack, 1988); both `(batch, 1)`."""
    white = tf.random.stateless_normal((tf.shape(seconds)[0], size), seed, alg="philox")
    time = tf.range(1, size + 1, dtype=tf.float32) / RATE
    tail = white * 10.0 ** (-3.0 * time / seconds)
    tail *= tf.sqrt(10.0 ** (-direct / 10.0) / (_energy(tail) + SILENCE))
    return tf.concat([tf.ones_like(seconds), tail], axis=1)


def _coloured(shape, seed):
    """Noise, `(batch, samples)`, whose power falls with frequency by an exponent from 0 (white) to 2 (brown), drawn for each
    row; made as a spectrum."""
    tilts, white = tf.unstack(tf.random.split(seed))
    count, steps = tf.unstack(shape)
    size = _fourier_length(steps)
    (tilt,) = _drawn(count, tilts, (0.0, 2.0))
    hertz = tf.linspace(0.0, RATE / 2, size // 2 + 1)
    level = tf.exp(-tilt / 2.0 * tf.math.log(tf.maximum(hertz, LOWEST) / LOWEST))
    sides = tf.random.stateless_normal((2, count, size // 2 + 1), white, alg="philox")
    return tf.signal.irfft(tf.complex(*tf.unstack(level * sides)), [size])[:, :steps]


def _fourier_length(samples):
    """More than so many samples, so that no end runs into the beginning."""
    return (samples // BLOCK + 1) * BLOCK


def _mixed(samples, noise, ratio):
    """Adds noise so that the sound has `ratio` `(batch, 1)` decibels more energy; silence stays silence."""
    level = 10.0 ** (-ratio / 10.0) * _energy(samples) / (_energy(noise) + SILENCE)
    return samples + tf.sqrt(level) * noise


def _louder(samples, decibels):
    """Makes rows louder by `(batch, 1)` decibels, but none so that its peak goes beyond 1."""
    peak = tf.reduce_max(tf.abs(samples), axis=1, keepdims=True)
    return samples * tf.minimum(10.0 ** (decibels / 20.0), 1.0 / tf.maximum(peak, SILENCE))


def _masks(extent, most, count, places, seed):
    """`(batch, places)` bool: what `count` masks cover, each from 0 to `most` wide and inside of `extent` `(batch,)`."""
    width, start = tf.unstack(tf.random.stateless_uniform((2, tf.shape(extent)[0], count), seed, alg="philox"))
    width = tf.floor(width * (most + 1.0))
    start = tf.floor(start * (extent[:, None] - width + 1.0))
    place = tf.range(places, dtype=tf.float32)
    start, end = start[..., None], (start + width)[..., None]
    return tf.reduce_any((place >= start) & (place < end), axis=1)
