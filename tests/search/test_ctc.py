"""Searches against all paths counted one by one, and against dictionaries."""

import collections
import functools
import itertools
import math

import numpy as np
import pytest
import tensorflow as tf

from seqkit.language.language_model import LanguageModel, learn, log_probability
from seqkit.language.tokenizers import UNKNOWN, CharacterTokenizer, learn_alphabet
from seqkit.search.boosts import Boosts
from seqkit.search.ctc import Greedy, PrefixBeam

TEXTS = ["abba", "ab ab", "bab a", "aab"]
TOKENIZER = CharacterTokenizer(learn_alphabet(TEXTS))
LANGUAGE = LanguageModel(learn(TEXTS, TOKENIZER, 3))
NONE = {"language_model": None, "weight": 0.0, "bonus": 0.0}
FUSED = {"language_model": LANGUAGE, "weight": 0.7, "bonus": 0.4}


def outputs(batch, frames, symbols, seed=0, peak=1.0):
    """Log probabilities of nets that never were."""
    random = np.random.default_rng(seed)
    return tf.nn.log_softmax(random.normal(size=(batch, frames, symbols)).astype("float32") * peak)


def spelt(path):
    return tuple(symbol for symbol, _ in itertools.groupby(path) if symbol)


def paths(log_probs):
    """Every path over `(frames, symbols)` and its log probability."""
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        yield path, sum(float(log_probs[frame, symbol]) for frame, symbol in enumerate(path))


@functools.cache
def expected(text, symbol):
    """The language model's log probability of a symbol behind a text."""
    return float(LANGUAGE.step(after(text), tf.constant([symbol]))[0][0])


@functools.cache
def after(text):
    """The language model's state behind a text."""
    return LANGUAGE.step(after(text[:-1]), tf.constant([text[-1]]))[1] if text else LANGUAGE.start_states(1)


def said(text, language_model, weight, bonus):
    """What the language model adds to a text."""
    if language_model is None:
        return bonus * len(text)
    read = (*text, 0)
    return bonus * len(text) + weight * sum(expected(read[:place], symbol) for place, symbol in enumerate(read))


def lattice(log_probs):
    """The spans of frames, counted."""
    batch, frames = log_probs.shape[:2]
    frame = np.arange(frames, dtype="float32")
    return np.tile(np.stack([frame, frame + 1], 1), (batch, 1, 1))


def searched(search, log_probs, lengths):
    """What a search finds in frames that come all at once: `Hypotheses`."""
    return traced(search, log_probs.shape[2], "whole")(log_probs, lengths, lattice(log_probs), search.start(len(log_probs)))[1]


@functools.cache
def traced(search, symbols, come):
    """A search's step on what comes "whole", or else as a part, traced once for batches of any size."""
    state = search.start(1)
    state = {
        name: tf.TensorSpec([None, *(size or None for size in value.shape[1:])], value.dtype) for name, value in state.items()
    }
    batch = tf.TensorSpec([None, None, symbols]), tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, None, 2])

    def step(*came):
        state = search.step(*came)
        state = state if come == "whole" else search.settle(state)
        return state, search.hypotheses(state)

    return tf.function(step, input_signature=[*batch, state], autograph=False)


@functools.cache
def beam_of(*settings):
    return PrefixBeam(**dict(settings))


def prefix_beam(log_probs, lengths, beam=16, candidates=12, **settings):
    found = searched(beam_of(("beam", beam), ("candidates", candidates), *settings.items()), np.asarray(log_probs), lengths)
    return found.ids, found.counts, found.scores


def rows(ids, counts):
    return [tuple(row[:count].tolist()) for row, count in zip(ids.numpy(), counts.numpy())]


def test_greedy_merges_repeats_and_removes_blanks():
    paths = [[1, 1, 0, 1, 2, 2], [0, 0, 0, 0, 0, 0], [2, 1, 1, 1, 0, 2], [1, 1, 1, 1, 1, 1]]
    found = searched(Greedy(), np.eye(3, dtype="float32")[paths], [6, 6, 4, 0])
    assert found.ids[:, 0].numpy().tolist() == [[1, 1, 2], [0, 0, 0], [2, 1, 0], [0, 0, 0]]
    assert found.counts[:, 0].numpy().tolist() == found.total.numpy().tolist() == [3, 0, 2, 0]
    assert found.places[0, :, :2].numpy().tolist() == [[0, 2], [3, 4], [4, 6]]


@pytest.mark.parametrize("fusion", [NONE, FUSED], ids=["alone", "with a language model"])
def test_a_wide_beam_finds_all_texts_with_the_probability_of_all_their_paths(fusion):
    lengths = [5, 0, 3, 1]
    log_probs = outputs(4, 5, 4)
    ids, counts, scores = prefix_beam(log_probs, lengths, beam=200, candidates=9, **fusion)
    for place, length in enumerate(lengths):
        total = collections.defaultdict(float)
        for path, log_prob in paths(log_probs.numpy()[place, :length]):
            total[spelt(path)] += math.exp(log_prob)
        scored = {text: math.log(chance) + said(text, **fusion) for text, chance in total.items()}
        listed = zip(rows(ids[place], counts[place]), scores[place].numpy().tolist())
        listed = [(text, score) for text, score in listed if score > -math.inf]
        found = dict(listed)
        assert len(listed) == len(found) and set(found) == set(scored)
        for text, score in scored.items():
            assert found[text] == pytest.approx(score, abs=1e-4)
        assert scores[place].numpy().tolist() == sorted(scores[place].numpy().tolist(), reverse=True)


def by_dictionaries(log_probs, beam, candidates, language_model, weight, bonus):
    """Prefix beam search once more, prefix by prefix, as Hannun et al. (2014) write it."""

    def add(first, second):
        return np.logaddexp(first, second)

    kept = {(): (0.0, -math.inf)}
    heard = {(): 0.0}
    for frame in log_probs.astype(float):
        new = collections.defaultdict(lambda: (-math.inf, -math.inf))
        best = 1 + np.argsort(-frame[1:], kind="stable")[:candidates]
        for prefix, (ended, open_) in kept.items():
            total = add(ended, open_)
            blank, symbol = new[prefix]
            new[prefix] = (add(blank, total + frame[0]), add(symbol, open_ + frame[prefix[-1]] if prefix else -math.inf))
            for c in best.tolist():
                longer = (*prefix, c)
                blank, symbol = new[longer]
                new[longer] = (blank, add(symbol, (ended if prefix and prefix[-1] == c else total) + frame[c]))
                if longer not in heard:
                    heard[longer] = heard[prefix] + bonus
                    if language_model is not None:
                        heard[longer] += weight * expected(prefix, c)
        order = sorted(new, key=lambda prefix: -(add(*new[prefix]) + heard[prefix]))
        kept = {prefix: new[prefix] for prefix in order[:beam]}
    scores = {prefix: float(add(*kept[prefix])) + heard[prefix] for prefix in kept}
    if language_model is not None:
        scores = {prefix: score + weight * expected(prefix, 0) for prefix, score in scores.items()}
    return sorted(scores.items(), key=lambda item: -item[1])


@pytest.mark.parametrize("fusion", [NONE, FUSED], ids=["alone", "with a language model"])
@pytest.mark.parametrize(("beam", "candidates", "peak"), [(6, 3, 1.0), (8, 2, 3.0), (1, 3, 2.0)])
def test_a_narrow_beam_is_that_of_dictionaries(beam, candidates, peak, fusion):
    lengths = [30, 17, 1]
    log_probs = outputs(3, 30, 4, seed=3, peak=peak)
    ids, counts, scores = prefix_beam(log_probs, lengths, beam, candidates, **fusion)
    for place, length in enumerate(lengths):
        listed = by_dictionaries(log_probs.numpy()[place, :length], beam, candidates, **fusion)
        found = list(zip(rows(ids[place], counts[place]), scores[place].numpy().tolist()))[: len(listed)]
        assert [text for text, _ in found] == [text for text, _ in listed]
        np.testing.assert_allclose([score for _, score in found], [score for _, score in listed], atol=2e-3)


def test_a_prefix_that_left_the_beam_and_came_back_is_still_one():
    for seed in range(6):
        ids, counts, scores = prefix_beam(outputs(1, 40, 3, seed), [40], beam=5)
        alive = int(np.sum(scores.numpy() > -math.inf))
        assert len(set(rows(ids[0], counts[0])[:alive])) == alive == 5


@pytest.mark.parametrize("search", [Greedy(), PrefixBeam(7, **FUSED)], ids=["greedy", "beam"])
def test_neighbours_and_padding_change_no_search(search):
    log_probs, lengths = outputs(3, 24, 4, peak=2.0).numpy(), [24, 11, 7]
    padded = np.concatenate([log_probs, outputs(3, 9, 4, seed=8).numpy()], axis=1)
    together = searched(search, padded, lengths)
    for place, length in enumerate(lengths):
        alone = searched(search, log_probs[place : place + 1, :length], [length])
        assert rows(alone.ids[0], alone.counts[0]) == rows(together.ids[place], together.counts[place])
        np.testing.assert_allclose(alone.scores[0], together.scores[place], atol=1e-5)
        count = int(alone.counts[0, 0])
        np.testing.assert_allclose(together.places[place, :count], alone.places[0], atol=1e-6)
        assert not together.places[place, count:].numpy().any()


def test_a_text_is_as_likely_as_its_perplexity_says():
    ids = np.zeros((len(TEXTS) + 1, 7), "int32")
    for row, text in zip(ids, TEXTS):
        row[: len(text)] = np.array(TOKENIZER.ids(text)) - UNKNOWN
    counts = np.array([*map(len, TEXTS), 0], "int32")
    found = log_probability(LANGUAGE, tf.constant(ids), tf.constant(counts))
    expected = [-(len(text) + 1) * np.log(LANGUAGE.perplexity([text])) for text in [*TEXTS, ""]]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_run_of_certain_blanks_is_read_as_one_and_still_parts_characters():
    path = [1, 0, 0, 0, 0, 1, 0, 2, 0, 0]
    log_probs = tf.nn.log_softmax(np.eye(3, dtype="float32")[[path]] * 12).numpy()
    exact, quick = (searched(PrefixBeam(certain=certain), log_probs, [10]) for certain in (1.0, 0.999))
    assert rows(quick.ids[0], quick.counts[0])[0] == rows(exact.ids[0], exact.counts[0])[0] == (1, 1, 2)
    assert float(quick.scores[0, 0]) == pytest.approx(float(exact.scores[0, 0]), abs=1e-3)
    assert quick.places[0, :, :2].numpy().tolist() == [[0, 1], [5, 6], [7, 8]]
    search = PrefixBeam(certain=0.999)
    state = search.step(log_probs, np.array([10]), lattice(log_probs), search.start(1))
    assert state["symbols"].shape[1] == 6 and bool(state["blank"][0])


def likeliest(log_probs, text):
    """Where the characters of a text are on the best of all paths, one by one: `(begin, end, highest probability)`."""
    _, path = max((log_prob, path) for path, log_prob in paths(log_probs) if spelt(path) == text)
    runs, frame = [], 0
    for symbol, group in itertools.groupby(path):
        end = frame + len(list(group))
        runs += [(frame, end, math.exp(log_probs[frame:end, symbol].max()))] if symbol else []
        frame = end
    return np.reshape(runs, (-1, 3))


def test_characters_stand_where_the_best_of_all_paths_has_them():
    lengths, texts = [6, 4, 0, 1], set()
    for seed in range(12):
        log_probs = outputs(4, 6, 4, seed).numpy()
        found = searched(beam_of(("beam", 200), ("candidates", 9)), log_probs, lengths)
        for place, length in enumerate(lengths):
            (text, *_) = rows(found.ids[place], found.counts[place])
            texts.add(text)
            expected = likeliest(log_probs[place, :length], text)
            np.testing.assert_allclose(found.places[place, : len(text)], expected, rtol=1e-5)
            assert float(found.certainty[place]) == pytest.approx(expected[:, 2].sum(), abs=1e-5)
    assert max(map(len, texts)) >= 3 and any(len(set(text)) < len(text) for text in texts)  # some repeat a character


def test_the_greedy_text_stands_where_its_path_has_it():
    log_probs = outputs(4, 6, 4, peak=2.0).numpy()
    found = searched(Greedy(), log_probs, [6, 6, 6, 6])
    for place in range(4):
        text = spelt(log_probs[place].argmax(1))
        assert rows(found.ids[place], found.counts[place]) == [text]
        np.testing.assert_allclose(found.places[place, : len(text)], likeliest(log_probs[place], text), rtol=1e-5)


LETTER = tf.constant([False, False, True, True])
SEARCHES = {
    "greedy": Greedy(),
    "beam": PrefixBeam(5, 3, horizon=30),
    "language": PrefixBeam(6, **FUSED, horizon=30),
    "certain": PrefixBeam(6, certain=0.6, **FUSED, horizon=30),
    "boosts": PrefixBeam(6, horizon=30, boosts=Boosts(tf.constant([[2, 3, 2]]), tf.constant([2.0]), LETTER)),
}


@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.parametrize("size", [1, 2, 5])
def test_frames_that_come_some_at_a_time_spell_the_same(name, size):
    search, lengths = SEARCHES[name], np.array([60, 33, 0])
    log_probs = outputs(3, 60, 4, seed=4, peak=6.0).numpy()
    whole = searched(search, log_probs, lengths)
    state, spans = search.start(3), lattice(log_probs)
    kept, widest = [[], [], []], 0
    for start in range(0, 60, size):
        part, came = slice(start, start + size), np.clip(lengths - start, 0, size)
        state, found = traced(search, 4, "part")(log_probs[:, part], came, spans[:, part], state)
        for row, settled in enumerate(found.settled.numpy()):
            kept[row] += [
                (*map(float, place), int(symbol))
                for symbol, place in zip(found.ids[row, 0, :settled].numpy(), found.places[row, :settled].numpy())
            ]
        widest = max(widest, state["spans"].shape[1])
    assert widest <= 40  # what is settled is left out
    for row in range(3):
        left = slice(int(found.settled[row]), int(found.counts[row, 0]))
        rest = zip(found.places[row, left].numpy(), found.ids[row, 0, left].numpy())
        characters = kept[row] + [(*map(float, place), int(symbol)) for place, symbol in rest]
        count = int(whole.counts[row, 0])
        assert [symbol for *_, symbol in characters] == whole.ids[row, 0, :count].numpy().tolist()
        placed = np.reshape([place for *place, _ in characters], (-1, 3))
        np.testing.assert_allclose(placed, whole.places[row, :count], rtol=1e-5)
        assert int(found.total[row]) == int(whole.total[row]) == count
        assert float(found.certainty[row]) == pytest.approx(float(whole.certainty[row]), rel=1e-5)
        assert float(found.familiar[row]) == pytest.approx(float(whole.familiar[row]), rel=1e-5)


def test_what_is_settled_ends_before_a_character_that_may_go_on():
    for path, settled in (([1, 1, 0, 2, 2], 1), ([1, 1, 0, 2, 0], 2), ([1, 2, 2], 1), ([0, 0], 0), ([2, 2], 0)):
        log_probs = np.where(np.eye(3)[[path]], 0, -1e30).astype("float32")
        for search in (Greedy(), PrefixBeam(1)):
            state = search.step(log_probs, np.array([len(path)]), lattice(log_probs), search.start(1))
            assert int(search.settle(state)["settled"][0]) == settled


def test_boosts_are_worth_their_share_until_a_word_goes_on_differently():
    # Symbols: 1 parts words, 2 and 3 are letters. Looked for: 23, worth 6, and 232, worth 3.
    boosts = Boosts(tf.constant([[2, 3, 0], [2, 3, 2]]), tf.constant([6.0, 3.0]), LETTER)

    def gains(text):
        reached, gained = boosts.start(tf.zeros([1, 1])), []
        for symbol in text:
            gain, reached = boosts.step(reached, tf.constant([[[symbol]]]))
            reached = reached[:, :, 0]
            gained.append(float(gain[0, 0, 0]))
        return [*gained, float(boosts.end(reached)[0, 0])]

    assert gains([2, 3]) == [3, 3, 0]
    assert gains([2, 3, 1]) == [3, 3, 0, 0]  # it stays
    assert gains([2, 3, 1, 2, 2]) == [3, 3, 0, 3, -3, 0]
    assert gains([2, 3, 2]) == [3, 3, -3, 0]
    assert gains([2]) == [3, -3]
    assert gains([3, 2, 3]) == [0, 0, 0, 0]  # no word begins there
    assert gains([2, 3, 3, 1, 2, 3]) == [3, 3, -6, 0, 3, 3, 0]
    assert gains([]) == [0]


def test_a_boost_finds_a_word_that_is_nearly_as_likely():
    log_probs = np.log(np.array([[[0.1, 0.1, 0.42, 0.38]]], "float32"))
    boosts = Boosts(tf.constant([[3]]), tf.constant([1.0]), LETTER)
    assert rows(*(part[0] for part in prefix_beam(log_probs, [1])[:2]))[0] == (2,)
    ids, counts, scores = prefix_beam(log_probs, [1], boosts=boosts)
    assert rows(ids[0], counts[0])[0] == (3,) and float(scores[0, 0]) == pytest.approx(math.log(0.38) + 1, abs=1e-5)
