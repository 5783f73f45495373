"""Handwriting: the picture of a text line -> its text.

Convention: beside the assets that are learnt from examples, a pipeline may have `words.txt`, for a language model that knows
more words than the examples have: see `words.py`.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from seqkit.encoders.image import LineEncoder
from seqkit.frontends.image import ImageFrontend
from seqkit.heads.ctc import CTCHead
from seqkit.language import language_model
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
from seqkit.language.words import WordLanguageModel
from seqkit.parts import Task
from seqkit.tasks.fields import check_whole
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
        check_whole(
            self,
            ("height", 8, 512),
            ("units", 1, 1 << 14),
            ("depth", 1, 64),
            ("order", 0, 8),
            ("beam", 1, 1 << 10),
            ("candidates", 1, 1 << 10),
        )


def check(config, target, name):
    """A text of at least one character, composed; a ValueError that begins with `name` for any other target."""
    if not isinstance(target, str) or not target.strip():
        raise ValueError(f"{name}: expected the line's text, of at least one character; received {target!r:.80}.")
    return target


def learn(config, examples):
    """Learns from `(image, text)` pairs what has to be known before there are weights: alphabet and language model."""
    texts = [text for _, text in examples]
    return _assets(config, learn_alphabet(texts), texts)


def relearn(config, assets, examples, vocabulary):
    """Config and assets for going on with other examples: characters of both ("union"), or theirs alone ("new")."""
    texts = [text for _, text in examples]
    known = CharacterTokenizer(learn_alphabet(texts))
    if vocabulary == "new":
        return config, _assets(config, known.alphabet, texts)
    union = CharacterTokenizer(assets["alphabet.json"]).union(known)
    return config, {**assets, **_assets(config, union.alphabet, texts, assets.get("language_model.npz"))}


def _assets(config, alphabet, texts, before=None):
    assets = {"alphabet.json": alphabet}
    if config.order:
        tokenizer = CharacterTokenizer(alphabet)
        assets["language_model.npz"] = language_model.learn(texts, tokenizer, config.order, before)
    return assets


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    known = language_model.LanguageModel(assets["language_model.npz"]) if config.order else None
    if known and "words.txt" in assets:
        known = WordLanguageModel(known, assets["words.txt"])
    head = CTCHead(
        CharacterTokenizer(assets["alphabet.json"]),
        known,
        beam=config.beam,
        candidates=config.candidates,
        weight=config.weight,
        bonus=config.bonus,
        dropout=config.dropout,
    )
    return ImageFrontend(config.height), LineEncoder(config.filters, config.units, config.depth, config.dropout), head


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
    check=check,
    learn=learn,
    build=build,
    relearn=relearn,
    augment=augment,
)
