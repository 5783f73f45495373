"""Strokes: the points of a pen -> one of a set of labels: digits, letters, signs, gestures."""

import functools
from dataclasses import dataclass, replace

from seqkit.encoders.recurrent import CommitteeEncoder, RecurrentEncoder
from seqkit.frontends.strokes import StrokesFrontend, deform
from seqkit.heads.committee import CommitteeHead
from seqkit.heads.label import LabelHead
from seqkit.parts import Task
from seqkit.tasks.fields import check_label, check_whole, labels_of, relearn_labels

SAMPLES = ([(0, 0), (1, 2), (3, 1)], [[(0, 0), (0, 9)], [(-3, 5), (4, 5), (4, 6)]], [(7, 7)])


@dataclass(frozen=True)
class Config:
    """What fixes a pipeline of strokes before it is trained."""

    labels: tuple = tuple("0123456789")
    spacing: float = 0.1  # the farthest from step to step, where 1 is a side of the glyph's box
    box: str = "longer"  # which side: the longer; "both", stretched to a square; the "height"; or "none": 1 is the unit of x
    units: int = 64  # in each direction
    depth: int = 2  # recurrent layers
    bidirectional: bool = True  # whether they read in both directions; forwards only and without a box, strokes stream
    members: int = 1  # networks that are asked, and whose answers are averaged
    dropout: float = 0.3  # of the states' channels, and of what is pooled
    smoothing: float = 0.05  # of the labels
    rotation: float = 8.0  # degrees; this and what follows are standard deviations of how glyphs vary while training
    scale: float = 0.15  # of the logarithm of width against height; it does not show where both sides are 1
    shear: float = 0.15  # of x per y
    warp: float = 0.04  # of a point's shift, in sides of the box
    seed: int = 0

    def __post_init__(self):
        object.__setattr__(self, "labels", labels_of(self.labels))
        check_whole(self, ("units", 1, 1 << 14), ("depth", 1, 64), ("members", 1, 64))
        most = float("inf") if self.box == "none" else 1
        if not 0.001 <= self.spacing <= most:
            raise ValueError(f"spacing must be from 0.001 to {most} side of the box; received {self.spacing!r}.")


def learn(config, examples):
    """Nothing has to be known before there are weights."""
    return {}


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    members = range(config.members)
    encoder = CommitteeEncoder(
        [RecurrentEncoder(config.units, config.depth, config.dropout, config.bidirectional) for _ in members]
    )
    head = CommitteeHead([LabelHead(config.labels, dropout=config.dropout, smoothing=config.smoothing) for _ in members])
    return StrokesFrontend(config.spacing, config.box), encoder, head


def relearn(config, assets, examples, vocabulary):
    """The config for going on with other examples, and no assets."""
    return replace(config, labels=relearn_labels(config, [label for _, label in examples], vocabulary)), assets


def augment(config):
    """What varies the features while training."""
    return functools.partial(
        deform,
        rotation=config.rotation,
        scale=config.scale,
        shear=config.shear,
        warp=config.warp,
        box=config.box,
    )


TASK = Task(
    name="stroke-recognition",
    aliases=("strokes",),
    inputs=("points",),
    target="label",
    samples=SAMPLES,
    Config=Config,
    check=check_label,
    learn=learn,
    build=build,
    relearn=relearn,
    augment=augment,
)
