"""Sentiment: text -> negative, neutral or positive. Other labels make it topic, intent or spam."""

from dataclasses import dataclass

from seqkit.encoders.text import TextEncoder
from seqkit.frontends.text import TextFrontend
from seqkit.heads.label import LabelHead
from seqkit.tokenizers import SentencePieceTokenizer, train_sentencepiece

NAME = "sentiment-analysis"
INPUTS, TARGET = ("text",), "label"  # the columns of a manifest
SAMPLES = ("A film of rare warmth.", "It never works, and nobody answers the phone.", "Ünïcödé 😀 <br /> 12", "")


@dataclass(frozen=True)
class Config:
    """What fixes a sentiment pipeline before it is trained."""

    labels: tuple = ("negative", "neutral", "positive")
    vocabulary: int = 12000  # pieces
    case_sensitive: bool = False
    width: int = 96  # of an embedding
    units: int = 128  # in each direction
    depth: int = 1  # bidirectional layers
    dropout: float = 0.3
    word_dropout: float = 0.1
    smoothing: float = 0.05  # of the labels
    class_weights: tuple | None = None  # one factor a label
    seed: int = 0


def learn(config, examples):
    """Learns from `(text, label)` pairs what has to be known before there are weights: the vocabulary."""
    model = train_sentencepiece((x for x, _ in examples), config.vocabulary, config.case_sensitive, config.seed)
    return {"sentencepiece.model": model}


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    tokenizer = SentencePieceTokenizer(assets["sentencepiece.model"])
    encoder = TextEncoder(tokenizer.size, config.width, config.units, config.depth, config.dropout, config.word_dropout)
    head = LabelHead(
        config.labels, dropout=config.dropout, smoothing=config.smoothing, class_weights=config.class_weights
    )
    return TextFrontend(tokenizer), encoder, head
