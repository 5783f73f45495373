"""Sentiment: text -> negative, neutral or positive. Other labels make it topic, intent or spam."""

from dataclasses import dataclass, replace

from seqkit.data.batches import prepare
from seqkit.encoders import lexicon
from seqkit.encoders.ngrams import NgramVotes
from seqkit.encoders.text import TextEncoder
from seqkit.frontends.text import TextFrontend
from seqkit.heads.label import LabelHead
from seqkit.heads.neighbours import NeighboursHead
from seqkit.language.tokenizers import SentencePieceTokenizer, train_sentencepiece
from seqkit.parts import Task
from seqkit.tasks.fields import check_label, check_whole, labels_of, relearn_labels

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
        object.__setattr__(self, "labels", labels_of(self.labels))
        if self.class_weights is not None and len(self.class_weights) != len(self.labels):
            raise ValueError(f"class_weights must be one number a label, {self.labels}; received {self.class_weights!r}.")
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
    model = train_sentencepiece((text for text, _ in examples), config.vocabulary, config.case_sensitive, config.seed)
    return {"sentencepiece.model": model, **_votes(config, model, examples)}


def _votes(config, model, examples):
    if not config.ngrams:
        return {}
    frontend = TextFrontend(SentencePieceTokenizer(model))
    inputs = ((frontend.read(text, f"Example {place}"), None) for place, (text, _) in enumerate(examples))
    places = [config.labels.index(label) for _, label in examples]
    neutral = config.labels.index(config.abstaining) if config.abstaining in config.labels else None
    votes = lexicon.learn_votes(prepare(frontend, inputs).rows, places, len(config.labels), config.ngrams, neutral)
    return {"ngrams.npz": lexicon.to_bytes(*votes)}


def relearn(config, assets, examples, vocabulary):
    """Config and assets for going on with other examples: the pieces stay, labels are as `vocabulary` says, and n-grams vote as
    these examples teach, for what the earlier ones were is not kept."""
    labels = relearn_labels(config, [label for _, label in examples], vocabulary)
    weights = config.class_weights if labels == config.labels else None
    config = replace(config, labels=labels, class_weights=weights)
    examples = [(text, check_label(config, label, f"Example {place}")) for place, (text, label) in enumerate(examples)]
    return config, {**assets, **_votes(config, assets["sentencepiece.model"], examples)}


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


TASK = Task(
    name="sentiment-analysis",
    aliases=("sentiment", "text-classification"),
    inputs=("text",),
    target="label",
    samples=SAMPLES,
    Config=Config,
    check=check_label,
    learn=learn,
    build=build,
    relearn=relearn,
    pretraining_head=pretraining_head,
)
