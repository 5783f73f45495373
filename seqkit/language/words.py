"""Words for a character language model: a list of them makes it expect a word's next letter as well as a line's.

A small corpus knows few words; lists of a hundred thousand are easy to come by. The prefixes of the listed words are the
nodes of a tree. Within a word, what the letters read so far let expect is mixed with what the character model expects
(Jelinek and Mercer, 1980), the more the longer the prefix is; at a word's start, and where no listed word goes on as the text
does, the character model is alone.

Convention: the list is text, one word a line, the most frequent first; how frequent follows from the place (Zipf, 1949). Words
are compared in lower case; within one, a capital letter leaves the tree. Node 0 is outside of the tree, node 1 its root. A
state is the character model's, and the node times the number of those. Left out: what word follows which.
"""

import numpy as np
import tensorflow as tf

from seqkit.language.language_model import placed
from seqkit.language.tokenizers import CharacterTokenizer, nfc

# The list's share after so many letters of a word, and after more. Expectation maximisation on 513 lines of French, beside a
# character model of order 6 learnt on 4,122, finds 0.10, 0.12, 0.43, 0.60, 0.77, 0.86, 0.91 and, from eight on, 0.76.
SHARES = (0.0, 0.1, 0.1, 0.4, 0.6, 0.8, 0.9)
LONGEST = 64  # letters of a word


class WordLanguageModel(tf.Module):
    """Asked as the character model is.

    Args:
        language_model: `LanguageModel`.
        content: `bytes`, the list in UTF-8. Words of more than 64 characters, or of others than letters of
            the alphabet, are passed over.

    Attributes:
        alphabet, size: the character model's.

    Raises:
        ValueError: the list has no such word, or so many that a state has no room for their prefixes.
    """

    def __init__(self, language_model, content):
        super().__init__(name="word_language_model")
        self.alphabet, self.size, self._characters = language_model.alphabet, language_model.size, language_model
        spelt = CharacterTokenizer(self.alphabet).characters
        places = {character: place for place, character in enumerate(spelt, 1)}
        letters = {character for character in spelt if character.isalpha()}
        words = dict.fromkeys(nfc(content.decode()).lower().split())  # each once, at its first place
        words = [[places[letter] for letter in word] for word in words if len(word) <= LONGEST and letters.issuperset(word)]
        if not words:
            raise ValueError(f"A list of words, one a line, needs one of letters of the alphabet; received {content!r:.80}.")
        keys, shares, ends, depths = _tree(words, self.size)
        self._histories = self.size ** (language_model.order - 1)
        if (len(keys) + 2) * self._histories >= 1 << 62:
            raise ValueError(
                f"The list has {len(keys)} prefixes, and a state room for {(1 << 62) // self._histories - 2}. Shorten it, "
                f"or learn the character model with a lower order than {language_model.order}."
            )
        letter = np.array([False, *(character in letters for character in spelt)])
        lower = [0, *(places.get(character.lower(), 0) for character in spelt)]
        small = [True, *(character == character.lower() for character in spelt)]
        ending = np.where(letter, 0, 1 + language_model.pairs[letter].sum(0))
        with tf.device("CPU"):  # where TensorFlow looks up, also beside a GPU
            self._keys = tf.constant([*keys, np.iinfo(np.int64).max], tf.int64)
            self._shares = tf.constant([*shares, 0], tf.float32)
            self._ends = tf.constant([0, 0, *ends], tf.float32)
            self._mixed = tf.constant([0, 0, *np.array(SHARES)[np.minimum(depths, len(SHARES) - 1)]], tf.float32)
            self._letter, self._lower, self._small = tf.constant(letter), tf.constant(lower, tf.int64), tf.constant(small)
            self._ending = tf.constant(ending / ending.sum(), tf.float32)  # what comes behind a word

    def start_states(self, batch):
        """The state of a line yet to be read, `(batch,)` int64."""
        return self._characters.start_states(batch) + self._histories

    def step(self, states, symbols):
        """What follows a state: as of `LanguageModel.step`."""
        nodes, histories = states // self._histories, states % self._histories
        log_probs, histories = self._characters.step(histories, symbols)
        known, places = placed(self._keys, nodes * self.size + tf.gather(self._lower, symbols))
        letter, small = tf.gather(self._letter, symbols), tf.gather(self._small, symbols)
        known &= letter & (small | (nodes == 1))
        inside = tf.where(known, tf.gather(self._shares, places), 0.0)
        listed = tf.where(letter, inside, tf.gather(self._ends, nodes) * tf.gather(self._ending, symbols))
        mixed = tf.gather(self._mixed, nodes)
        log_probs = tf.where(mixed > 0, tf.math.log((1 - mixed) * tf.exp(log_probs) + mixed * listed), log_probs)
        nodes = tf.where(letter, tf.where(known, tf.cast(places + 2, tf.int64), 0), 1)
        return log_probs, nodes * self._histories + histories


def _tree(words, size):
    """The tree of words, breadth first, so that keys are sorted and a node's number is its key's place, plus 2.

    Args:
        words: list of lists of int, symbols, the most frequent first.
        size: int, number of symbols.

    Returns:
        For each node below the root: its key, its parent's number times `size` plus its symbol; its share of its parent's
        words; the share of its words that end in it; and its depth.
    """
    often = 1 / (np.arange(len(words)) + 2.7)  # Zipf's law as Mandelbrot (1953) corrected it
    lengths = np.array([len(word) for word in words])
    letters = np.zeros([len(words), lengths.max()], np.int64)
    for place, word in enumerate(words):
        letters[place, : len(word)] = word
    nodes, above, begin = np.ones(len(words), np.int64), np.array([0, often.sum()]), 2
    levels = []
    for depth in range(letters.shape[1]):
        going = lengths > depth
        keys, places = np.unique(nodes[going] * size + letters[going, depth], return_inverse=True)
        total = np.bincount(places, often[going])
        ended = np.bincount(places, often[going] * (lengths[going] == depth + 1))
        first = begin - len(above) if depth else 0
        levels.append((keys, total / above[keys // size - first], ended / total, np.full(len(keys), depth + 1)))
        nodes[going], above, begin = begin + places, total, begin + len(keys)
    return [np.concatenate(column) for column in zip(*levels)]
