"""Translation: a text -> the same in another language."""

from dataclasses import dataclass

from seqkit.encoders.text import TextEncoder
from seqkit.frontends.text import TextFrontend
from seqkit.heads.seq2seq import ATTENTION, Seq2SeqHead
from seqkit.language.tokenizers import COPIED, SentencePieceTokenizer, train_sentencepiece, union_sentencepiece
from seqkit.layers.embedding import TiedEmbedding
from seqkit.parts import Task
from seqkit.tasks.fields import check_whole

SAMPLES = ("Where is the station?", "She was born in 1978; write to ann@example.org 😀", "Ünïcödé\tand (so) on …", "")


@dataclass(frozen=True)
class Config:
    """What fixes a translation pipeline before it is trained."""

    source: str = "en"  # codes of the languages, as ISO 639 has them
    target: str = "de"
    vocabulary: int = 8000  # pieces, of both languages together
    pieces: str = "unigram"  # or "bpe"
    width: int = 256  # of an embedding, which both languages and the softmax share
    units: int = 256  # of the encoder, in each direction
    depth: int = 2  # of the encoder
    decoder_units: int = 512
    decoder_depth: int = 1
    attention: str = "multiplicative"  # or "additive"
    input_feeding: bool = False  # whether the decoder reads what it made of its attention
    dropout: float = 0.2
    smoothing: float = 0.1  # of the targets
    sampling: float = 0.0  # share of pieces that the decoder reads of its own while training
    beam: int = 4  # hypotheses; 1 is the greedy search
    length_penalty: float = 1.0  # alpha of Wu et al. (2016)
    coverage_penalty: float = 0.0  # beta
    no_repeat: int = 0  # pieces in a row that a text has only once; 0 allows all
    seed: int = 0

    def __post_init__(self):
        for name, known in (("pieces", ("unigram", "bpe")), ("attention", tuple(ATTENTION))):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {known}; received {getattr(self, name)!r}.")
        check_whole(
            self,
            ("vocabulary", 5 + 256, 1 << 17),
            ("width", 1, 1 << 14),
            ("units", 1, 1 << 14),
            ("depth", 1, 64),
            ("decoder_units", 1, 1 << 14),
            ("decoder_depth", 1, 64),
            ("beam", 1, 1 << 10),
            ("no_repeat", 0, 100),
        )


def check(config, target, name):
    """A text of at least one character; a ValueError that begins with `name` for any other target."""
    if not isinstance(target, str) or not target.strip():
        raise ValueError(f"{name}: expected the translation, of at least one character; received {target!r:.80}.")
    return target


def usual(config):
    """The languages' codes, and other names that the columns of pairs go by."""
    return {"text": (config.source, "source", "src"), "translation": (config.target, "target", "tgt")}


def learn(config, examples):
    """Learns from `(text, translation)` pairs what has to be known before there are weights: the pieces of both sides."""
    both = (text for pair in examples for text in pair)
    return {"sentencepiece.model": train_sentencepiece(both, config.vocabulary, True, config.seed, "nfc", config.pieces, True)}


def relearn(config, assets, examples, vocabulary):
    """Config and assets for going on with other examples: their pieces too ("union"), or theirs alone ("new")."""
    assets_new = learn(config, examples)
    if vocabulary == "union":
        assets_new = {
            "sentencepiece.model": union_sentencepiece(*(each["sentencepiece.model"] for each in (assets, assets_new)))
        }
    return config, {**assets, **assets_new}


def build(config, assets):
    """The three parts of the pipeline: frontend, encoder, head."""
    tokenizer = SentencePieceTokenizer(assets["sentencepiece.model"], COPIED)
    embedding = TiedEmbedding(tokenizer.size, config.width)
    encoder = TextEncoder(embedding, config.width, config.units, config.depth, dropout=config.dropout)
    head = Seq2SeqHead(
        tokenizer,
        embedding,
        config.decoder_units,
        config.decoder_depth,
        attention=config.attention,
        input_feeding=config.input_feeding,
        dropout=config.dropout,
        smoothing=config.smoothing,
        sampling=config.sampling,
        beam=config.beam,
        length_penalty=config.length_penalty,
        coverage_penalty=config.coverage_penalty,
        no_repeat=config.no_repeat,
    )
    return TextFrontend(tokenizer, config.source), encoder, head


TASK = Task(
    name="translation",
    inputs=("text",),
    target="translation",
    samples=SAMPLES,
    Config=Config,
    check=check,
    learn=learn,
    build=build,
    relearn=relearn,
    usual=usual,
)
