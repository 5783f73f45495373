"""Speech-to-text: a recording -> what is said in it."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seqkit.encoders.audio import AudioEncoder
from seqkit.frontends.audio import AudioFrontend, samples_of
from seqkit.media.sounds import RATE
from seqkit.parts import Task
from seqkit.tasks.fields import check_whole
from seqkit.tasks.spelling import SEARCHED, check_text, head_of, learn, relearn
from seqkit.training.sounds import SoundAugmentation, read_noise

SAMPLES = (
    np.sin(np.arange(RATE // 4) ** 2 * 2e-5).astype(np.float32),
    np.random.default_rng(0).uniform(-0.1, 0.1, RATE // 10).astype(np.float32),
    np.zeros(0, np.float32),
)


@dataclass(frozen=True)
class Config:
    """What fixes a speech-to-text pipeline before it is trained."""

    bands: int = 80  # of the spectrogram
    filters: int = 32  # channels of the convolutions
    units: int = 256  # in each direction
    depth: int = 3  # LSTM layers
    bidirectional: bool = True  # whether they read in both directions; forwards only, the pipeline streams
    lookahead: int = 6  # states of 40 ms to come that one is told of, where they read forwards only
    dropout: float = 0.3  # of the channels that each recurrent layer and the head read
    order: int = 6  # characters in the longest n-gram of the language model; 0 for no language model
    beam: int = 16  # texts kept at each frame; 1, without a language model, is the greedy search
    candidates: int = 12  # characters tried at each frame
    weight: float = 0.5  # of the language model
    bonus: float = 1.0  # for each character, in log probability
    speed: float = 0.1  # from here on, how recordings vary while training: see `SoundAugmentation`
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
        check_whole(
            self,
            ("bands", 8, 256),
            ("filters", 1, 1 << 10),
            ("units", 1, 1 << 14),
            ("depth", 1, 64),
            ("lookahead", 0, 100),
            *SEARCHED,
        )
        _augmentation(self)


def _frontend(config):
    return AudioFrontend(config.bands, "whole" if config.bidirectional else "running")


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    encoder = AudioEncoder(
        config.bands, config.filters, config.units, config.depth, config.dropout, config.bidirectional, config.lookahead
    )
    return _frontend(config), encoder, head_of(config, assets, certain=0.999)


def _augmentation(config, recordings=None):
    fields = ("speed", "gain", "noisy", "noise", "reverberation", "band_masks", "band_width", "time_masks", "time_width")
    return SoundAugmentation(**{name: getattr(config, name) for name in fields}, recordings=recordings)


def augment(config):
    """What varies recordings while training, and makes features of them."""
    vary = _augmentation(config, read_noise(config.noise_directory) if config.noise_directory else None)
    frontend = _frontend(config)

    def features(blocks, frames, seed, views=1):
        before, after = tf.unstack(tf.random.split(seed))
        waveform, lengths = vary.waveform(*samples_of(blocks, frames), before, views)
        features, frames = frontend.features(waveform, lengths, steps=blocks.shape[1])
        return vary.spectrogram(features, frames, after), frames

    return features


TASK = Task(
    name="speech-to-text",
    aliases=("automatic-speech-recognition", "speech"),
    inputs=("audio",),
    target="text",
    samples=SAMPLES,
    Config=Config,
    check=check_text,
    learn=learn,
    build=build,
    relearn=relearn,
    augment=augment,
)
