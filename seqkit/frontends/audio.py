"""Recordings -> log-mel spectrograms: how loud each of the bands of hearing is, a hundred times a second.

Convention: 16 kHz; a frame is 25 ms under a Hann window, 10 ms after the one before, and frame `t` lies around sample
`160 * t`, so a recording of `n` samples has `1 + n // 160` frames; beyond its ends it is silent. Power, in the bands of
Slaney (1998) of equal area, natural logarithm, at least that of 1e-10: what `librosa.feature.melspectrogram` gives with the
same settings. A call takes WAVE files of any rate and number of channels (`waves.py`), and everything else is made one before;
a stream takes samples at 16 kHz. Spans are seconds. Left out: reading files (`media/sounds.py`).
"""

import numbers

import numpy as np
import tensorflow as tf

from seqkit.frontends.waves import decoded
from seqkit.lengths import zero_padding
from seqkit.media.mels import QUIETEST, mel_bands
from seqkit.media.sounds import RATE, duration, mono, overlapping, read_sound
from seqkit.parts import Frontend, Sequence, apart, together
from seqkit.windows import Windows

HOP, SIZE, POINTS = 160, 400, 512  # samples: between frames, in a window, of a Fourier transform
FRAMES = Windows(SIZE, HOP, SIZE // 2, SIZE // 2)
NORMALISATIONS = ("whole", "running", "level")
FLOOR = 1.0  # added to variances, in squares of nats, lest silence be blown up
# Of log-mel power in speech at a usual level; what a running mean and variance begin with, as if so many frames had been heard.
USUAL_MEAN, USUAL_VARIANCE, USUAL_FRAMES = -6.0, 9.0, 50.0
FULL_SCALE = 1 << 15  # of samples that training keeps in 16 bits
MOST_SECONDS = 6 * 3600
LONGEST, PIECE, OVERLAP = 60, 30, 6  # seconds: what is longer than the first is read in pieces, of which neighbours share some


class AudioFrontend(Frontend):
    """Args:
    bands: int, width of the features.
    normalise: how each band is brought to mean 0 and deviation 1: by the "whole" recording, or by what was heard up to the
        frame ("running"), which streams; or all bands alike, by the recording's "level", so that its colour stays.
    """

    signature = {"audio_bytes": tf.TensorSpec((None,), tf.string, "audio_bytes")}
    chunks = {
        "waveform": tf.TensorSpec((None, None), tf.float32, "waveform"),
        "lengths": tf.TensorSpec((None,), tf.int32, "lengths"),
    }
    more = {"waveform": chunks}
    rate, largest = RATE, 1 << 14  # of almost three minutes, which take some 0.3 GB

    def __init__(self, bands=80, normalise="whole"):
        super().__init__(name="audio_frontend")
        if normalise not in NORMALISATIONS:
            raise ValueError(f"normalise must be one of {NORMALISATIONS}; received {normalise!r}.")
        self.bands, self.normalise, self.streams = bands, normalise, normalise == "running"
        self._bands, self._window = mel_bands(bands, RATE, POINTS), tf.signal.hann_window(SIZE, periodic=True, dtype=tf.float64)

    def learning(self):
        """It keeps samples, of which features are made while training: see `Blocks`."""
        return Blocks(self.bands, self.normalise)

    def read(self, item, name):
        """One recording -> the bytes of a WAVE file.

        Args:
            item: as of `media.sounds.read_sound`: a path, the bytes of a file, a file object, an array at 16 kHz, a dict with
                "array" and "sampling_rate", a pair of an array and its rate.
            name: how errors name it.

        Raises:
            ValueError: it is no recording, or longer than six hours; the message says why.
        """
        source = read_sound(item, name)
        if duration(source) > MOST_SECONDS:
            raise ValueError(
                f"{name}: expected at most {MOST_SECONDS // 3600} hours; received {duration(source) / 3600:.1f}. Split it."
            )
        return source

    def is_one(self, item):
        """A pair of an array and its rate is one recording, for a number is none."""
        return len(item) == 2 and any(isinstance(part, numbers.Real) for part in item)

    def part(self, item, name):
        """A part of a recording -> `(samples,)` float32: an array at 16 kHz, or the bytes of 16-bit samples, little-endian."""
        if isinstance(item, (bytes, bytearray, memoryview)):
            if len(item) % 2:
                raise ValueError(f"{name}: expected whole samples of 2 bytes; received {len(item)} bytes.")
            return np.frombuffer(item, "<i2").astype(np.float32) / FULL_SCALE
        if isinstance(item, np.ndarray) and item.size == 0:
            return np.zeros(0, np.float32)
        if not hasattr(item, "__array__"):
            raise ValueError(
                f"{name}: expected an array of samples at 16 kHz, or bytes of 16-bit samples; "
                f"received {type(item).__name__} {item!r:.80}."
            )
        return mono(item, name)

    def size(self, item):
        """From the file's header."""
        return 1 + int(duration(item) * RATE) // HOP

    def pieces(self, item):
        """Half a minute each, of what is longer than a minute."""
        return overlapping(item, PIECE, OVERLAP) if duration(item) > LONGEST else [(item, 0.0)]

    def batch(self, items):
        """`{"audio_bytes": (batch,) object array of bytes}`."""
        batch = np.empty(len(items), object)
        batch[:] = items
        return {"audio_bytes": batch}

    def gather(self, parts):
        """`{"waveform": (batch, samples) float32, "lengths": (batch,) int32}`."""
        lengths = np.array([len(part) for part in parts], np.int32)
        waveform = np.zeros((len(parts), max(lengths, default=0)), np.float32)
        for row, part in zip(waveform, parts):
            row[: len(part)] = part
        return {"waveform": waveform, "lengths": lengths}

    def plain(self, blocks, frames, seed, views=1):
        """What `Blocks` keeps -> features and their lengths, without any change."""
        return self.features(*samples_of(blocks, frames), steps=blocks.shape[1])

    def otherwise(self, batch):
        """`{"waveform": {"waveform": (batch, samples) float32, "lengths": (batch,) int32}}`: the same, decoded."""
        waveform, lengths = decoded(tf.constant(batch["audio_bytes"]))
        return {"waveform": {"waveform": waveform.numpy(), "lengths": lengths.numpy()}}

    def join(self, parts):
        """Parts of one recording, in order -> the recording."""
        parts = [self.part(part, f"Chunk {place}") for place, part in enumerate(parts)]
        return np.concatenate(parts) if parts else np.zeros(0, np.float32)

    def __call__(self, batch):
        """Reads recordings, each on its own.

        Args:
            batch: `{"audio_bytes": (batch,)}`, WAVE files, or `{"waveform": (batch, samples), "lengths": (batch,)}`, samples
                at 16 kHz, full scale from -1 to 1.

        Returns:
            `Sequence` of `(batch, frames, bands)` float32, each of at least one frame. Spans are seconds.
        """
        waveform, lengths = decoded(batch["audio_bytes"]) if "audio_bytes" in batch else (batch["waveform"], batch["lengths"])
        features, frames = self.features(waveform, lengths)
        return Sequence(features, frames, _spans(tf.zeros_like(frames), features, lengths))

    def features(self, waveform, lengths, steps=None):
        """Samples `(batch, samples)` float32 and lengths -> features `(batch, frames, bands)`, zero on padding, and lengths.

        They are padded to so many `steps`, and none is longer; or else to the longest.
        """
        lengths = tf.cast(lengths, tf.int32)
        frames = FRAMES.count(lengths)
        if steps is None:
            steps = tf.reduce_max(tf.pad(frames, [[0, 1]], constant_values=1))
        frames = tf.minimum(frames, steps)
        values = self._log_mel(FRAMES.padded(zero_padding(waveform, lengths)))[:, :steps]
        return zero_padding(self._normalised(values, frames), frames), frames

    def _log_mel(self, stretch):
        """`(batch, samples)` -> `(batch, frames, bands)`, of windows that begin where the stretch does."""
        # In double precision: a transform's rounding, which depends on how many there are, would show where it is quiet.
        windows = tf.signal.frame(tf.cast(stretch, tf.float64), SIZE, HOP) * self._window
        power = tf.cast(tf.square(tf.abs(tf.signal.rfft(windows, [POINTS]))), tf.float32)
        return tf.math.log(tf.maximum(tf.matmul(power, self._bands), QUIETEST))

    def _normalised(self, values, frames):
        if self.normalise == "running":
            return self._so_far(values, frames, self._heard(tf.shape(values)[0]))[0]
        axes = [1, 2] if self.normalise == "level" else [1]
        # In double precision, lest silence, which is all alike, be blown up to what rounding made of it.
        values, count = tf.cast(values, tf.float64), tf.cast(frames, tf.float64)[:, None, None]
        count *= self.bands if self.normalise == "level" else 1
        mean = tf.reduce_sum(zero_padding(values, frames), axis=axes, keepdims=True) / count
        values = zero_padding(values - mean, frames)
        variance = tf.reduce_sum(tf.square(values), axis=axes, keepdims=True) / count
        return tf.cast(values / tf.sqrt(variance + FLOOR), tf.float32)

    def _heard(self, batch):
        """How many frames were heard, and the sums of their values and squares: at first, as if so many usual ones had been."""
        ones = tf.ones([batch, self.bands], tf.float64) * USUAL_FRAMES
        usual = {"sum": ones * USUAL_MEAN, "square": ones * (USUAL_VARIANCE + USUAL_MEAN**2)}
        return {"heard": tf.zeros([batch], tf.int32), **usual}

    def _so_far(self, values, frames, heard):
        """Normalises each frame by those up to it; in double precision, for an hour has many."""
        exact = tf.cast(zero_padding(values, frames), tf.float64)
        count = tf.cast(heard["heard"][:, None] + tf.range(1, tf.shape(values)[1] + 1), tf.float64)[..., None] + USUAL_FRAMES
        total, square = (
            tf.cumsum(more, axis=1) + heard[name][:, None] for name, more in (("sum", exact), ("square", exact * exact))
        )
        mean = total / count
        variance = tf.maximum(square / count - mean * mean, 0.0)
        after = {
            "heard": heard["heard"] + frames,
            "sum": heard["sum"] + tf.reduce_sum(exact, axis=1),
            "square": heard["square"] + tf.reduce_sum(exact * exact, axis=1),
        }
        return tf.cast((tf.cast(values, tf.float64) - mean) / tf.sqrt(variance + FLOOR), tf.float32), after

    def start(self, batch):
        """Samples that are still in a window, how many there were, and what was heard so far."""
        parts = {"windows": FRAMES.start(tf.zeros([batch, 0])), "band": self._heard(batch)}
        return {**together(parts), "samples": tf.zeros([batch], tf.int32)}

    def step(self, batch, state, last):
        """Reads samples that came: as `parts.Frontend.step`."""
        windows, heard = apart(state, ("windows", "band"))
        samples = state["samples"] + batch["lengths"]
        stretch, new, windows = FRAMES.step(batch["waveform"], batch["lengths"], windows, last)
        values, after = self._so_far(self._log_mel(stretch), new, heard)
        spans = _spans(heard["heard"], values, samples)
        return Sequence(zero_padding(values, new), new, spans), {
            **together({"windows": windows, "band": after}),
            "samples": samples,
        }


class Blocks(AudioFrontend):
    """An `AudioFrontend` for training: its frames are blocks of samples, of which the features are made after they were varied.

    Frames `(batch, frames, 160)` int16, as many as there are features, so that lengths are counted alike.
    """

    def __call__(self, batch):
        waveform, lengths = decoded(batch["audio_bytes"])
        frames = FRAMES.count(lengths)
        more = tf.reduce_max(frames) * HOP - tf.shape(waveform)[1]
        waveform = tf.pad(waveform, [[0, 0], [0, tf.maximum(more, 0)]])[:, : tf.reduce_max(frames) * HOP]
        whole = tf.round(tf.clip_by_value(waveform * FULL_SCALE, -FULL_SCALE, FULL_SCALE - 1.0))
        blocks = tf.reshape(tf.cast(whole, tf.int16), [tf.shape(frames)[0], -1, HOP])
        return Sequence(blocks, frames, _spans(tf.zeros_like(frames), blocks, lengths))


def samples_of(blocks, frames):
    """What `Blocks` keeps, and how many frames each row has -> samples `(batch, samples)` float32, and their lengths."""
    waveform = tf.reshape(tf.cast(blocks, tf.float32) / FULL_SCALE, [tf.shape(blocks)[0], -1])
    return waveform, frames * HOP - 1  # a last block that is full would begin one more frame


def _spans(first, values, samples):
    """Where frames from `first` on lie in a recording of so many samples, in seconds: `(batch, frames, 2)` float32."""
    middle = (first[:, None] + tf.range(tf.shape(values)[1])) * HOP
    spans = tf.stack([middle - HOP // 2, middle + HOP // 2], axis=2)
    return tf.cast(tf.clip_by_value(spans, 0, samples[:, None, None]), tf.float32) / RATE
