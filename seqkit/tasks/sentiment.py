"""Sentiment: text -> negative, neutral or positive. Other labels make it topic, intent or spam."""

from dataclasses import dataclass

from seqkit.data.batches import prepare
from seqkit.encoders import lexicon
from seqkit.encoders.ngrams import NgramVotes
from seqkit.encoders.text import TextEncoder
from seqkit.frontends.text import TextFrontend
from seqkit.heads.label import LabelHead
from seqkit.heads.neighbours import NeighboursHead
from seqkit.language.tokenizers import SentencePieceTokenizer, train_sentencepiece
from seqkit.tasks.fields import check_labels, check_whole

NAME = "sentiment-analysis"
check = check_labels
INPUTS, TARGET = ("text",), "label"  # the columns of a manifest
SAMPLES = ("A film of rare warmth.", "It never works, and nobody answers the phone.", "Ünïcödé 😀 <br /> 12", "")


@dataclass(frozen=True)
class Config:
    """What fixes a sentiment pipeline before it is trained."""

    labels: tuple = ("negative", "neutral", "positive")
    vocabulary: int = 16000  # pieces
    case_sensitive: bool = False
    width: int = 96  # of an embedding
    units: int = 128  # in each direction
    depth: int = 1  # bidirectional layers
    ngrams: int = 150_000  # n-grams that have a vote; 0 for none
    votes: float = 1.2  # factor on the votes
    abstaining: str | None = "neutral"  # the label that n-grams do not vote for, where it is one of the labels
    dropout: float = 0.3  # of the states' channels, and of what is pooled
    word_dropout: float = 0.1  # of the pieces
    smoothing: float = 0.05  # of the labels
    class_weights: tuple | None = None  # one factor a label
    seed: int = 0

    def __post_init__(self):
        # Three ids of 16 bits each name an n-gram.
        check_whole(
            self,
            ("vocabulary", 5, 1 << 16),
            ("width", 1, 1 << 14),
            ("units", 1, 1 << 14),
            ("depth", 1, 64),
            ("ngrams", 0, 1 << 24),
        )


def learn(config, examples):
    """Learns from `(text, label)` pairs what has to be known before there are weights: pieces, and n-gram votes."""
    texts, labels = zip(*examples)
    model = train_sentencepiece(texts, config.vocabulary, config.case_sensitive, config.seed)
    assets = {"sentencepiece.model": model}
    if config.ngrams:
        rows = [row for row, _ in prepare(TextFrontend(SentencePieceTokenizer(model)), None, [(x, None) for x in texts])]
        places = [config.labels.index(label) for label in labels]
        neutral = config.labels.index(config.abstaining) if config.abstaining in config.labels else None
        votes = lexicon.learn_votes(rows, places, len(config.labels), config.ngrams, neutral)
        assets["ngrams.npz"] = lexicon.to_bytes(*votes)
    return assets


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    tokenizer = SentencePieceTokenizer(assets["sentencepiece.model"])
    encoder = TextEncoder(
        tokenizer.size,
        config.width,
        config.units,
        config.depth,
        config.word_dropout,
        NgramVotes(*lexicon.from_bytes(assets["ngrams.npz"])) if config.ngrams else None,
    )
    head = LabelHead(
        config.labels,
        votes=config.votes if config.ngrams else 0.0,
        dropout=config.dropout,
        smoothing=config.smoothing,
        class_weights=config.class_weights,
    )
    return TextFrontend(tokenizer), encoder, head


def pretraining_head(config, encoder):
    """The head that teaches the encoder from bare text."""
    if config.depth != 1:
        raise ValueError(f"Pretraining needs depth=1, or a state would see the word it predicts; got {config.depth}.")
    return NeighboursHead(encoder.embedding, config.units)
