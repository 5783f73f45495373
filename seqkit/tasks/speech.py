"""Speech-to-text: a recording -> what is said in it."""

from dataclasses import dataclass

import numpy as np

from seqkit.encoders.audio import AudioEncoder
from seqkit.frontends.audio import AudioFrontend
from seqkit.heads.seq2seq import Seq2SeqHead
from seqkit.language.tokenizers import CharacterTokenizer
from seqkit.layers.embedding import TiedEmbedding
from seqkit.media.sounds import RATE
from seqkit.parts import Task
from seqkit.tasks import hearing
from seqkit.tasks.fields import check_whole
from seqkit.tasks.spelling import SEARCHED, check_text, head_of, learn, relearn

SAMPLES = (
    np.sin(np.arange(RATE // 4) ** 2 * 2e-5).astype(np.float32),
    np.random.default_rng(0).uniform(-0.1, 0.1, RATE // 10).astype(np.float32),
    np.zeros(0, np.float32),
)


@dataclass(frozen=True)
class Config(hearing.Hearing):
    """What fixes a speech-to-text pipeline before it is trained."""

    bidirectional: bool = True  # whether the LSTMs read in both directions; forwards only, the pipeline streams
    lookahead: int = 6  # states of 40 ms to come that one is told of, where they read forwards only
    order: int = 6  # characters in the longest n-gram of the language model; 0 for no language model
    beam: int = 16  # texts kept at each frame; 1, without a language model, is the greedy search
    candidates: int = 12  # characters tried at each frame
    weight: float = 0.5  # of the language model
    bonus: float = 1.0  # for each character, in log probability
    attention: float = 0.0  # share in the loss of an attention decoder that learns beside CTC; 0 for none
    decoder_units: int = 256  # of that decoder

    def __post_init__(self):
        super().__post_init__()
        check_whole(self, ("lookahead", 0, 100), ("decoder_units", 1, 1 << 14), *SEARCHED)
        if not 0 <= self.attention < 1:
            raise ValueError(f"attention must be at least 0 and below 1; received {self.attention!r}.")


def _frontend(config):
    return AudioFrontend(config.bands, "whole" if config.bidirectional else "running")


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    encoder = AudioEncoder(
        config.bands, config.filters, config.units, config.depth, config.dropout, config.bidirectional, config.lookahead
    )
    joint = {"decoder": _decoder(config, assets), "share": config.attention} if config.attention else {}
    return _frontend(config), encoder, head_of(config, assets, certain=0.999, **joint)


def _decoder(config, assets):
    tokenizer = CharacterTokenizer(assets["alphabet.json"])
    embedding = TiedEmbedding(tokenizer.size, max(16, config.decoder_units // 4))
    return Seq2SeqHead(tokenizer, embedding, config.decoder_units, attention="additive", dropout=config.dropout, smoothing=0.1)


def augment(config):
    """What varies recordings while training, and makes features of them."""
    return hearing.augment(config, _frontend(config))


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
