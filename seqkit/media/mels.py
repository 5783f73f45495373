"""Bands of hearing: how a spectrum is summed into them, and a picture of a recording by time and band.

Convention: the bands of Slaney (1998, "Auditory Toolbox"), as librosa has them. Left out: what a network reads, which is made
in the graph (`frontends/audio.py`).
"""

import io

import numpy as np
import soundfile

from seqkit.media.sounds import read_sound

QUIETEST = 1e-10  # power in a band


def mel_bands(bands, rate, points):
    """Weights that sum the power of a spectrum into bands (Slaney, 1998).

    Bands are triangles of equal area: as wide as each other below 1 kHz and in equal ratios above, from 0 to half the rate.

    Args:
        bands: int.
        rate: samples in a second.
        points: int, of the Fourier transform.

    Returns:
        `(points // 2 + 1, bands)` float32, as `librosa.filters.mel` has it, transposed.
    """
    linear, ratio = 200 / 3, np.log(6.4) / 27  # hertz of a mel below 1 kHz, and the ratio of neighbours above, in logs

    def mels(hertz):
        return np.where(hertz < 1000, hertz / linear, 15 + np.log(np.maximum(hertz, 1000) / 1000) / ratio)

    places = np.linspace(0, mels(rate / 2), bands + 2)
    edges = np.where(places < 15, places * linear, 1000 * np.exp(ratio * (places - 15)))
    hertz = np.linspace(0, rate / 2, points // 2 + 1)[:, None]
    rising, falling = (hertz - edges[:-2]) / np.diff(edges)[:-1], (edges[2:] - hertz) / np.diff(edges)[1:]
    return (np.maximum(0, np.minimum(rising, falling)) * 2 / (edges[2:] - edges[:-2])).astype(np.float32)


def mel_picture(item, bands=80):
    """How loud a recording is, by time and band, to be looked at.

    Args:
        item: as of `sounds.read_sound`.
        bands: int, up to half the recording's rate.

    Returns:
        Log power `(frames, bands)` float32, a hundred frames a second, and how many seconds it has.
    """
    samples, rate = soundfile.read(io.BytesIO(read_sound(item, "The recording")), dtype="float32", always_2d=True)
    hop, size = max(rate // 100, 1), max(rate // 40, 2)
    points = 2 ** int(np.ceil(np.log2(size)))
    around = np.pad(samples.mean(axis=1) if len(samples) else np.zeros(0, np.float32), (size // 2, size))
    frames = np.lib.stride_tricks.sliding_window_view(around, size)[: len(samples) + 1 : hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1], points)) ** 2
    return np.log(np.maximum(power @ mel_bands(bands, rate, points), QUIETEST)).astype(np.float32), len(samples) / rate
