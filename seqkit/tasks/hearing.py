"""What the tasks that hear share: how recordings vary while training, and the features that are made of them then."""

from dataclasses import dataclass

import tensorflow as tf

from seqkit.frontends.audio import samples_of
from seqkit.tasks.fields import check_whole
from seqkit.training.sounds import SoundAugmentation, read_noise

SIZES = ("bands", 8, 256), ("filters", 1, 1 << 10), ("units", 1, 1 << 14), ("depth", 1, 64)


@dataclass(frozen=True)
class Hearing:
    """What fixes a pipeline that hears before it is trained; how recordings vary is as `SoundAugmentation` says."""

    bands: int = 80  # of the spectrogram
    filters: int = 32  # channels of the convolutions
    units: int = 256  # in each direction
    depth: int = 3  # LSTM layers
    dropout: float = 0.3  # of the channels that each recurrent layer and the head read
    speed: float = 0.1
    gain: float = 6.0
    noisy: float = 0.5
    noise: tuple = (5.0, 30.0)
    noise_directory: str = ""  # of recordings of noise; noise is made up where there are none
    reverberation: float = 0.0
    band_masks: int = 2
    band_width: int = 15
    time_masks: int = 2
    time_width: float = 0.05
    seed: int = 0

    def __post_init__(self):
        check_whole(self, *SIZES)
        _augmentation(self)


def _augmentation(config, recordings=None):
    fields = ("speed", "gain", "noisy", "noise", "reverberation", "band_masks", "band_width", "time_masks", "time_width")
    return SoundAugmentation(**{name: getattr(config, name) for name in fields}, recordings=recordings)


def augment(config, frontend):
    """What varies recordings while training, and makes features of them as an `AudioFrontend` does."""
    vary = _augmentation(config, read_noise(config.noise_directory) if config.noise_directory else None)

    def features(blocks, frames, seed, views=1):
        before, after = tf.unstack(tf.random.split(seed))
        waveform, lengths = vary.waveform(*samples_of(blocks, frames), before, views)
        features, frames = frontend.features(waveform, lengths, steps=blocks.shape[1])
        return vary.spectrogram(features, frames, after), frames

    return features
