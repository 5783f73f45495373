"""Sentence pairs for the recipe of translation, from `$SEQKIT_DATA/text` (`data` if it is not set).

Convention: a pair is `(English, other)`, as Tatoeba's volunteers wrote them, and a split is decided by the English sentence
alone, by a hash of its letters: translations of one sentence never stand on both sides of it, nor "Go!" and "go". Of a hundred
parts two are the test split, one is dev. What is trained on is varied once, always the same way: see `varied`. Left out: other
forms.
"""

import gzip
import hashlib
import os
import random
import re
from pathlib import Path

CODES = {"de": "deu", "es": "spa"}
MADE_UP = [
    (f"{who} {what} {whom}.", f"{wer} {was} {wen}.")
    for who, wer in (("She", "Sie"), ("Tom", "Tom"), ("He", "Er"))
    for what, was in (("sees", "sieht"), ("knows", "kennt"))
    for whom, wen in (("the dog", "den Hund"), ("me", "mich"), ("42 towns", "42 Orte"), ("www.a.org", "www.a.org"))
]
_SYLLABLES = ("ka", "lo", "mir", "ten", "zu", "bra", "vis", "ho", "nel", "dra", "po", "shi", "ru", "gan", "el", "thor", "wen")
_NAMES = ("Tom", "Mary", "Maria", "John")
_THINGS = ("https://{0}.org/{1}", "{0}@{1}.com", "www.{0}.net", "😀", "🎉🎉", "@{0}", "#{0}", "{2}", "{2}.{2}", "日本", "♥")


def tatoeba(language, split):
    """The pairs of a split, "train", "dev" or "test": list of `(English, other)`."""
    code = CODES[language]
    path = Path(os.environ.get("SEQKIT_DATA", "data")) / "text/tatoeba" / f"{code}-eng" / f"{code}.txt.gz"
    if not path.is_file():
        raise SystemExit(f"There is no {path}. Set SEQKIT_DATA to where the corpus is; it comes from manythings.org/anki.")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        pairs = [tuple(line.rstrip("\n").split("\t")[:2]) for line in file]
    return [pair for pair in pairs if split_of(pair[0]) == split]


def split_of(english):
    letters = re.sub(r"\W", "", english.lower())
    part = int(hashlib.sha256(letters.encode()).hexdigest(), 16) % 100
    return "test" if part < 2 else "dev" if part == 2 else "train"


def multi30k(source, target, split):
    """The captions of a split, "train", "val" or "test_2016_flickr", in two languages, in small letters as they are scored."""
    folder = Path(os.environ.get("SEQKIT_DATA", "data")) / "text/multi30k"
    if not folder.is_dir():
        raise SystemExit(
            f"There is no {folder}. Set SEQKIT_DATA to where the corpus is; it comes from github.com/multi30k/dataset."
        )
    paths = [folder / f"{split}.{language}.gz" for language in (source, target)]
    sides = [gzip.decompress(path.read_bytes()).decode().lower().splitlines() for path in paths]
    return [(one.strip(), other.strip()) for one, other in zip(*sides, strict=True)]


def varied(pairs, seed=0):
    """The pairs, some of them otherwise: of those with a name that both sides share, one in ten has another that nobody has;
    one in 25 has something at its end that no language changes, such as an address; one in 50 is in capitals."""
    drawn, made = random.Random(seed), []
    for pair in pairs:
        name = next((name for name in _NAMES if all(name in re.findall(r"\w+", side) for side in pair)), None)
        if name and drawn.random() < 0.1:
            other = _word(drawn).capitalize()
            pair = tuple(re.sub(rf"\b{name}\b", other, side) for side in pair)
        if drawn.random() < 0.04:
            thing = drawn.choice(_THINGS).format(_word(drawn), _word(drawn), drawn.randint(10, 99999))
            pair = tuple(_at_end(side, thing) for side in pair)
        made.append(tuple(side.upper() for side in pair) if drawn.random() < 0.02 else pair)
    return made


def _word(drawn):
    return "".join(drawn.choices(_SYLLABLES, k=drawn.randint(2, 4)))


def _at_end(text, thing):
    """The text with something before the sign at its end."""
    words, sign = re.fullmatch(r"(.*?)([.!?…]*)", text, re.DOTALL).groups()
    return f"{words} {thing}{sign}"
