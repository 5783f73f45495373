"""Handwriting: the picture of a text line -> its text."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seqkit.encoders.image import LineEncoder
from seqkit.frontends.image import ImageFrontend
from seqkit.parts import Task
from seqkit.tasks.fields import check_whole
from seqkit.tasks.spelling import SEARCHED, check_text, head_of, learn, relearn
from seqkit.training.augment import LineAugmentation


def _drawn(text):
    """A line in print, `(24, width)` uint8."""
    picture = Image.new("L", (20 + 7 * len(text), 24), 255)
    ImageDraw.Draw(picture).text((10, 6), text, 0)
    return np.asarray(picture)


SAMPLES = (_drawn("A line to read"), _drawn("another, of a different width"), _drawn(""))


@dataclass(frozen=True)
class Config:
    """What fixes a handwriting pipeline before it is trained."""

    height: int = 48  # pixels that a line is scaled to
    filters: tuple = (16, 32, 64, 96, 96)  # channels after each convolution
    units: int = 192  # in each direction
    depth: int = 3  # bidirectional layers
    dropout: float = 0.3  # of the channels that each recurrent layer and the head read
    order: int = 6  # characters in the longest n-gram of the language model; 0 for no language model
    beam: int = 16  # texts kept at each frame; 1, without a language model, is the greedy search
    candidates: int = 12  # characters tried at each frame
    weight: float = 0.5  # of the language model
    bonus: float = 0.0  # for each character, in log probability
    seed: int = 0

    def __post_init__(self):
        check_whole(self, ("height", 8, 512), ("units", 1, 1 << 14), ("depth", 1, 64), *SEARCHED)


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    encoder = LineEncoder(config.filters, config.units, config.depth, config.dropout)
    return ImageFrontend(config.height), encoder, head_of(config, assets)


def augment(config):
    """What varies the lines while training."""
    return LineAugmentation()


TASK = Task(
    name="handwriting-recognition",
    aliases=("handwriting",),
    inputs=("image",),
    target="text",
    samples=SAMPLES,
    Config=Config,
    check=check_text,
    learn=learn,
    build=build,
    relearn=relearn,
    augment=augment,
)
