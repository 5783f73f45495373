"""What tasks that spell a text ask alike: of the characters of their examples, a language model of them, and the CTC head.

Convention: beside the assets that are learnt from examples, a pipeline may have `words.txt`, for a language model that knows
more words than the examples have: see `language/words.py`. A `Config` has `order`, `beam`, `candidates`, `weight`, `bonus`
and `dropout`. Left out: what is read.
"""

from seqkit.heads.ctc import CTCHead
from seqkit.language import language_model
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
from seqkit.language.words import WordLanguageModel

SEARCHED = ("order", 0, 8), ("beam", 1, 1 << 10), ("candidates", 1, 1 << 10)  # ranges of settings, for `check_whole`


def check_text(config, target, name):
    """A text of at least one character, composed; a ValueError that begins with `name` for any other target."""
    if not isinstance(target, str) or not target.strip():
        raise ValueError(f"{name}: expected the text, of at least one character; received {target!r:.80}.")
    return target


def learn(config, examples):
    """Learns from `(input, text)` pairs what has to be known before there are weights: alphabet and language model."""
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


def head_of(config, assets, **settings):
    """The head that spells in the alphabet of the assets, with their language models."""
    known = language_model.LanguageModel(assets["language_model.npz"]) if config.order else None
    if known and "words.txt" in assets:
        known = WordLanguageModel(known, assets["words.txt"])
    return CTCHead(
        CharacterTokenizer(assets["alphabet.json"]),
        known,
        beam=config.beam,
        candidates=config.candidates,
        weight=config.weight,
        bonus=config.bonus,
        dropout=config.dropout,
        **settings,
    )
