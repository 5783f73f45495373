"""Speaker identification: a recording -> whose voice it is, or which of any other sounds."""

from dataclasses import dataclass, replace

from seqkit.encoders.audio import AudioEncoder
from seqkit.frontends.audio import AudioFrontend
from seqkit.heads.prototypes import UNKNOWN, PrototypeHead
from seqkit.parts import Task
from seqkit.tasks import hearing
from seqkit.tasks.fields import check_label, check_whole, labels_of, relearn_labels
from seqkit.tasks.speech import SAMPLES


@dataclass(frozen=True)
class Config(hearing.Hearing):
    """What fixes a pipeline of speaker identification before it is trained."""

    labels: tuple = ("one", "other")  # the voices
    unknown: bool = True  # whether what is like none of them is answered "unknown"
    units: int = 128
    depth: int = 2
    size: int = 128  # dimensions in which voices are compared
    scale: float = 30.0  # of the cosines of voices
    margin: float = 0.2  # that the right voice's cosine lacks while training
    speed: float = 0.0  # for with it goes the pitch, by which voices are told apart

    def __post_init__(self):
        super().__post_init__()
        object.__setattr__(self, "labels", labels_of(self.labels, least=1 if self.unknown else 2))
        check_whole(self, ("size", 1, 1 << 12))
        if self.unknown and UNKNOWN in self.labels:
            raise ValueError(
                f"labels must not have {UNKNOWN!r}, which is answered to all others; received {self.labels!r:.200}."
            )


def learn(config, examples):
    """Nothing has to be known before there are weights."""
    return {}


def check(config, target, name):
    """As `check_label`; "unknown" is a target too, for voices that are none of the labels."""
    return target if config.unknown and target == UNKNOWN else check_label(config, target, name)


def _frontend(config):
    return AudioFrontend(config.bands, "level")


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    encoder = AudioEncoder(config.bands, config.filters, config.units, config.depth, config.dropout)
    head = PrototypeHead(config.labels, config.unknown, config.size, config.scale, config.margin, dropout=config.dropout)
    return _frontend(config), encoder, head


def relearn(config, assets, examples, vocabulary):
    """The config for going on with other voices, and no assets."""
    targets = [target for _, target in examples if not (config.unknown and target == UNKNOWN)]
    return replace(config, labels=relearn_labels(config, targets, vocabulary)), assets


def augment(config):
    """What varies recordings while training, and makes features of them."""
    return hearing.augment(config, _frontend(config))


TASK = Task(
    name="speaker-identification",
    aliases=("audio-classification", "speakers"),
    inputs=("audio",),
    target="label",
    samples=SAMPLES,
    Config=Config,
    check=check,
    learn=learn,
    build=build,
    relearn=relearn,
    augment=augment,
)
