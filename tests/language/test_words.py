"""Words in the language model: by hand, and by a second route over dictionaries."""

import collections
import json

import numpy as np
import pytest
import tensorflow as tf

import seqkit
from seqkit.language.language_model import LanguageModel, learn
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
from seqkit.language.words import SHARES, WordLanguageModel
from seqkit.search.ctc import PrefixBeam

TEXTS = ["the cat sat on a mat", "a Cat, and an other", "on the mat.", "noon"]
TOKENIZER = CharacterTokenizer(learn_alphabet([*TEXTS, "TCz"]))
CHARACTERS = LanguageModel(learn(TEXTS, TOKENIZER, 3))
LIST = ["the", "cat", "catnat", "mat", "Matter", "a", "monna", "é", "cat", "o-n"]
MADE = WordLanguageModel(CHARACTERS, "\n".join(LIST).encode())


def symbols(text):
    return [id - 3 for id in TOKENIZER.ids(text)]


def said(made, text):
    """Probabilities of all symbols after a text."""
    state = made.start_states(1)
    for symbol in symbols(text):
        _, state = made.step(state, tf.constant([symbol]))
    return np.exp(made.step(state[:, None], tf.range(made.size)[None])[0])[0]


def by_dictionaries(text):
    known = [word for word in dict.fromkeys(word.lower() for word in LIST) if set(word) <= set(TOKENIZER.characters) - {"-"}]
    prefix = None if any(c.isalpha() for c in text) and text[-1].isalpha() else ""
    if prefix is None:
        word = text[len(text.rstrip("".join(c for c in TOKENIZER.characters if c.isalpha()))) :]
        prefix = word[0].lower() + word[1:]
    often = collections.Counter()
    for rank, word in enumerate(known):
        if word.startswith(prefix):
            often[word[len(prefix) : len(prefix) + 1]] += 1 / (rank + 2.7)
    found = said(CHARACTERS, text)
    if not prefix or not often:
        return found
    endings = collections.Counter({c: 1 for c in range(MADE.size) if c == 0 or not TOKENIZER.characters[c - 1].isalpha()})
    for line in TEXTS:
        for one, other in zip(line, [*line[1:], ""]):
            if one.isalpha() and not other.isalpha():
                endings[symbols(other)[0] if other else 0] += 1
    share = SHARES[min(len(prefix), len(SHARES) - 1)]
    for symbol, letter in enumerate(["", *TOKENIZER.characters]):
        listed = often[letter] if letter.isalpha() else often[""] * endings[symbol] / endings.total()
        found[symbol] = (1 - share) * found[symbol] + share * listed / often.total()
    return found


@pytest.mark.parametrize(
    "text", ["", "c", "ca", "cat", "catn", "Cat", "CAT", "mat", "monn", "zz", "a ", "the cat", "on a ma", "o."]
)
def test_what_follows_is_that_of_dictionaries_and_sums_to_one(text):
    found = said(MADE, text)
    np.testing.assert_allclose(found, by_dictionaries(text), rtol=1e-4)
    np.testing.assert_allclose(found.sum(), 1, atol=1e-5)


def test_a_word_counted_by_hand():
    """After "m", "mat" is the third word of the list, "matter" and "monna" the fourth and the sixth; after one letter it has a
    share of 0.1."""
    a = (1 / 5.7 + 1 / 6.7) / (1 / 5.7 + 1 / 6.7 + 1 / 8.7)
    (symbol,) = symbols("a")
    np.testing.assert_allclose(said(MADE, "m")[symbol], 0.9 * said(CHARACTERS, "m")[symbol] + 0.1 * a, rtol=1e-5)


@pytest.mark.parametrize("word", ["caton", "catan"])
def test_of_like_characters_the_beam_reads_those_of_a_word(word):
    choices = ["c", "a", "t", "ao", "n"]
    log_probs = np.full((1, len(choices), MADE.size), -20.0, "float32")
    for frame, choice in enumerate(choices):
        log_probs[0, frame, symbols(choice)] = np.log(1 / len(choice))
    knows = WordLanguageModel(CHARACTERS, word.encode())
    search, spans = PrefixBeam(language_model=knows, weight=1.0), np.zeros((1, len(choices), 2), "float32")
    found = search.hypotheses(search.step(tf.constant(log_probs), tf.constant([len(choices)]), spans, search.start(1)))
    assert "".join(TOKENIZER.characters[id - 1] for id in found.ids[0, 0, : found.counts[0, 0]].numpy()) == word


def test_lists_without_words_and_with_too_many_are_refused():
    with pytest.raises(ValueError, match=r"needs one of letters of the alphabet; received b'12\\n\\xc3\\xa9'"):
        WordLanguageModel(CHARACTERS, "12\né".encode())
    wide = CharacterTokenizer(learn_alphabet([*TEXTS, "".join(map(chr, range(0x4E00, 0x4E00 + 180)))]))
    words = [chr(0x4E00 + n % 180) + chr(0x4E00 + n // 180) for n in range(900)]
    with pytest.raises(ValueError, match=r"The list has \d+ prefixes, and a state room for \d+. Shorten it, or"):
        WordLanguageModel(LanguageModel(learn(TEXTS, wide, 8)), "\n".join(words).encode())


def test_a_pipeline_reads_with_the_words_beside_its_assets(tmp_path):
    line = np.full((16, 40), 255, "uint8")
    small = {"height": 16, "filters": (4, 4, 4, 4, 4), "units": 4, "depth": 1, "order": 2}
    pipe = seqkit.build("handwriting-recognition", **small)
    pipe.learn([(line, "ab"), (line, "ba")])
    assert isinstance(pipe.model.head.language_model, LanguageModel)
    pipe.save(tmp_path / "model")
    (tmp_path / "model" / "assets" / "words.txt").write_text("abba\n")
    pipe = seqkit.pipeline(tmp_path / "model")
    assert isinstance(pipe.model.head.language_model, WordLanguageModel)
    _, assets = pipe.task.relearn(pipe.config, pipe.assets, [(line, "cab")], "union")
    assert assets["words.txt"] == b"abba\n" and json.loads(assets["alphabet.json"]) == "abc"
    assert "words.txt" not in pipe.task.relearn(pipe.config, pipe.assets, [(line, "cab")], "new")[1]
    assert seqkit.build(pipe.task.name, pipe.assets, **{**small, "order": 0}).model.head.language_model is None
