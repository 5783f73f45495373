"""A character n-gram language model: how likely a line of text is, character by character.

Interpolated modified Kneser-Ney smoothing (Chen and Goodman, 1999), learnt in NumPy, asked in graph.

Convention: symbol 0 is the end of a line, and symbol `id - UNKNOWN` a character of the tokenizer, so symbols are the
columns of the CTC head. A state is a history, the last `order - 1` symbols as the digits of one int64; a line opens with
zeros. The asset keeps the counts of the longest n-grams alone: all tables follow from them.
Left out: words; pruning. The longest n-grams all but spell the texts they are counted in: learn from what may be shown.
"""

import io

import numpy as np
import tensorflow as tf

from seqkit.language.tokenizers import UNKNOWN, CharacterTokenizer


def learn(texts, tokenizer, order=6, before=None):
    """Counts n-grams.

    On 187,000 characters of French Wikipedia, bits a character on held-out lines are 3.84, 3.22, 2.74, 2.52, 2.45, 2.42
    and 2.42 for orders 2 to 8 (Witten-Bell smoothing: 2.75 at order 6); the asset of order 6 has 0.3 MB.

    Args:
        texts: iterable of `str`, lines; characters outside the alphabet are left out.
        tokenizer: `CharacterTokenizer`.
        order: int, the longest n-gram, in characters.
        before: `bytes` of a model of the same order, whose counts are added where the alphabet has their characters.

    Returns:
        The model as the bytes of an asset.

    Raises:
        ValueError: no line is given, its n-grams do not fit into 62 bits, or `before` is of another order.
    """
    base = tokenizer.size - UNKNOWN
    if order < 1 or base**order >= 1 << 62:
        raise ValueError(
            f"An n-gram is one number below 2 ** 62: {order} of {base} symbols do not fit. "
            f"Choose an order from 1 to {int(62 * np.log(2) / np.log(base))}."
        )
    lines = [_ngrams(text, tokenizer, order) for text in texts]
    if not lines:
        raise ValueError("A language model needs text to learn from; received no line.")
    ngrams = np.concatenate(lines)
    counts = np.ones_like(ngrams)
    if before is not None:
        older, times = _translated(before, tokenizer, order)
        ngrams, counts = np.concatenate([ngrams, older]), np.concatenate([counts, times])
    ngrams, places = np.unique(ngrams, return_inverse=True)
    counts = np.bincount(places, counts).astype(np.int64)
    file = io.BytesIO()
    np.savez_compressed(
        file,
        alphabet=np.frombuffer(tokenizer.alphabet, np.uint8),
        order=order,
        gaps=np.diff(ngrams, prepend=0),
        counts=counts.astype(np.min_scalar_type(counts.max())),
    )
    return file.getvalue()


class LanguageModel(tf.Module):
    """Args:
    content: `bytes`, as of `learn`.

    Attributes:
        alphabet: `bytes`, of the tokenizer it was learnt with.
        order: int.
        size: int, number of symbols: the end, and the characters.
        pairs: `(size, size)` float64, how often each symbol was counted behind each.
    """

    def __init__(self, content):
        super().__init__(name="language_model")
        self.alphabet, self.order, ngrams, counts = _read(content)
        self._tokenizer = CharacterTokenizer(self.alphabet)
        self.size = self._tokenizer.size - UNKNOWN
        pairs = np.bincount(ngrams % self.size**2, counts, self.size**2) if self.order > 1 else np.zeros(self.size**2)
        self.pairs = pairs.reshape(self.size, self.size)
        levels, backoffs = _tables(ngrams, counts, self.size, self.order)
        unigrams = np.full(self.size, backoffs[0][1][0] / self.size)
        unigrams[levels[0][0]] = levels[0][1]
        # One table for all longer n-grams: each length has a range of numbers of its own. Tensors, so that graphs capture
        # them, where an array would be copied into a graph at each of its uses.
        self._offsets = np.cumsum([0] + [self.size**length for length in range(1, self.order)])
        with tf.device("CPU"):  # where TensorFlow looks up, also beside a GPU
            self._unigrams = tf.constant(np.log(unigrams), tf.float32)
            self._ngrams, self._log_probs = _joined(levels[1:], self._offsets[1:])
            self._histories, self._backoffs = _joined(backoffs[1:], self._offsets[:-1])

    def start_states(self, batch):
        """The state of a line yet to be read, `(batch,)` int64."""
        return tf.zeros([batch], tf.int64)

    def step(self, states, symbols):
        """What follows a state.

        Args:
            states: int64, of any shape.
            symbols: int32, of a shape that it broadcasts with: 0 asks for the end of the line.

        Returns:
            The log probability of the symbols, float32, and the states after them, int64; of the common shape.
        """
        symbols = tf.cast(symbols, tf.int64)
        score = tf.gather(self._unigrams, symbols + tf.zeros_like(states))
        if self.order > 1:
            shape = [self.order - 1] + [1] * max(states.shape.rank, symbols.shape.rank)
            sizes, shorter, longer = (
                tf.reshape(tf.constant(numbers, tf.int64), shape)
                for numbers in (self.size ** np.arange(1, self.order), self._offsets[:-1], self._offsets[1:])
            )
            histories = states % sizes
            known, log_probs = _found(self._ngrams, self._log_probs, histories * self.size + symbols + longer)
            _, backoffs = _found(self._histories, self._backoffs, histories + shorter)
            # The longest n-gram that is known decides; those beyond it back off.
            for level in zip(*map(tf.unstack, (known, log_probs, backoffs))):
                score = tf.where(level[0], level[1], score + level[2])
        return score, (states * self.size + symbols) % self.size ** (self.order - 1)

    def perplexity(self, texts):
        """Perplexity of lines, a symbol, ends counted: 2 to the power of the bits a symbol (Jelinek et al., 1977)."""
        ngrams = np.concatenate([_ngrams(text, self._tokenizer, self.order) for text in texts])
        log_probs, _ = self.step(tf.constant(ngrams // self.size), tf.constant(ngrams % self.size))
        return float(np.exp(-np.mean(log_probs.numpy(), dtype=float)))


def _read(content):
    """An asset's alphabet, order, n-grams and their counts."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        counts = file["counts"].astype(np.int64)
        return file["alphabet"].tobytes(), int(file["order"]), np.cumsum(file["gaps"]), counts


def _translated(content, tokenizer, order):
    """The n-grams of another model that can be written in the tokenizer's alphabet, in its numbers, and their counts."""
    alphabet, theirs, ngrams, counts = _read(content)
    if theirs != order:
        raise ValueError(f"Counts of n-grams of order {theirs} cannot be added to those of order {order}.")
    characters = CharacterTokenizer(alphabet).characters
    symbols = np.array([0] + [id - UNKNOWN if id != UNKNOWN else -1 for id in tokenizer.ids(characters)])
    numbers, known = np.zeros_like(ngrams), np.full(ngrams.shape, True)
    for place in reversed(range(order)):
        digits = symbols[ngrams // (len(characters) + 1) ** place % (len(characters) + 1)]
        numbers, known = numbers * (tokenizer.size - UNKNOWN) + digits, known & (digits >= 0)
    return numbers[known], counts[known]


def _joined(tables, offsets):
    """Tables of (numbers, probabilities) -> their numbers, sorted, and log probabilities; a last row stands for none."""
    numbers = [numbers + offset for (numbers, _), offset in zip(tables, offsets)] + [[np.iinfo(np.int64).max]]
    probabilities = [probabilities for _, probabilities in tables] + [[1.0]]
    return tf.constant(np.concatenate(numbers), tf.int64), tf.constant(np.log(np.concatenate(probabilities)), tf.float32)


def placed(keys, asked):
    """Looks numbers up in a sorted table whose last one is never asked for: whether each is in it, and where it belongs."""
    places = tf.reshape(tf.searchsorted(keys, tf.reshape(asked, [-1])), tf.shape(asked))
    return tf.gather(keys, places) == asked, places


def _found(keys, values, asked):
    """Whether numbers are in a table, as of `placed`, and their values there, 0 for those that are not."""
    known, places = placed(keys, asked)
    return known, tf.gather(values, tf.where(known, places, keys.shape[0] - 1))


def _ngrams(text, tokenizer, order):
    """A line -> the n-gram that ends at each of its characters, and at its end; int64."""
    symbols = np.array([id - UNKNOWN for id in tokenizer.ids(text) if id != UNKNOWN] + [0], np.int64)
    padded = np.concatenate([np.zeros(order - 1, np.int64), symbols])
    ngrams = np.zeros_like(symbols)
    for place in range(order):
        ngrams = ngrams * (tokenizer.size - UNKNOWN) + padded[place : place + len(symbols)]
    return ngrams


def _tables(ngrams, counts, base, order):
    """Modified Kneser-Ney.

    Args:
        ngrams: `(count,)` sorted int64, the distinct n-grams of the highest order.
        counts: `(count,)` int64.
        base: int, number of symbols.
        order: int.

    Returns:
        For each length from 1: the n-grams and their probabilities; and their histories, with the share of probability
        that is left for the shorter n-grams. Numbers are sorted.
    """
    raw = []
    for length in range(1, order + 1):
        shorter, places = np.unique(ngrams % base**length, return_inverse=True)
        number = np.bincount(places, counts).astype(np.int64)
        # A line opens with one zero; what has two knows no more.
        once = (shorter >= base ** (length - 2)) if length > 2 else np.full(len(shorter), True)
        raw.append((shorter[once], number[once]))
    levels, backoffs = [], []
    for length, (ngrams, number) in enumerate(raw, 1):
        if length < order:
            # A shorter n-gram counts by how many symbols it follows; one that opens a line, by how often it does.
            _, follows = np.unique(raw[length][0] % base**length, return_counts=True)
            number[(ngrams >= base ** (length - 1)) | (length == 1)] = follows
        histories, places = np.unique(ngrams // base, return_inverse=True)
        discount = _discounts(number)[np.minimum(number, 3)]
        total = np.bincount(places, number)
        left = np.bincount(places, discount) / total
        shorter = levels[-1][1][np.searchsorted(levels[-1][0], ngrams % base ** (length - 1))] if levels else 1 / base
        levels.append((ngrams, (number - discount) / total[places] + left[places] * shorter))
        backoffs.append((histories, left))
    return levels, backoffs


def _discounts(counts):
    """What is taken off counts of 0, 1, 2 and more (Chen and Goodman, 1999, equation 26), within bounds that keep every
    probability above 0 where a small text leaves too few counts to tell."""
    ones, twos, threes, fours = (max(1, np.sum(counts == count)) for count in (1, 2, 3, 4))
    share = ones / (ones + 2 * twos)
    discounts = [0, 1 - 2 * share * twos / ones, 2 - 3 * share * threes / twos, 3 - 4 * share * fours / threes]
    return np.clip(discounts, [0, 0.1, 0.1, 0.1], [0, 0.95, 1.9, 2.8])


def log_probability(language_model, ids, counts):
    """How likely a language model finds texts.

    Args:
        language_model: `LanguageModel`, or what is asked as it is.
        ids: `(batch, longest)` int32, the texts' symbols, 0 in the padding.
        counts: `(batch,)` int32, characters of each.

    Returns:
        The log probability of each text and its end, `(batch,)` float32.
    """
    ids = tf.pad(ids, [[0, 0], [0, 1]])

    def read(place, states, total):
        log_probs, states = language_model.step(states, ids[:, place])
        return place + 1, states, total + tf.where(place <= counts, log_probs, 0.0)

    start = 0, language_model.start_states(tf.shape(ids)[0]), tf.zeros_like(counts, tf.float32)
    return tf.while_loop(lambda place, *_: place < tf.shape(ids)[1], read, start)[2]
