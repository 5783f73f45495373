"""The CTC head against sums over all paths, and what it promises of its answers."""

import itertools
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit.heads import ctc
from seqkit.heads.ctc import CTCHead, frames_needed
from seqkit.language.language_model import LanguageModel, learn
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
from seqkit.results import Character, Transcript
from seqkit.serving import export

TEXTS = ["abba", "ab é", "b a", "aab"]
TOKENIZER = CharacterTokenizer(learn_alphabet(TEXTS))
LANGUAGE = LanguageModel(learn(TEXTS, TOKENIZER, 3))
STATES = np.random.default_rng(0).normal(size=(4, 15, 6)).astype("float32") * 3
LENGTHS = np.array([15, 8, 1, 0], "int32")


def head(**settings):
    keras.utils.set_random_seed(0)
    made = CTCHead(TOKENIZER, **settings)
    made(STATES, LENGTHS)
    return made


def spells(text, log_probs):
    """The log probability of a text: the sum over all its paths, one by one."""
    total = -np.inf
    for path in itertools.product(range(log_probs.shape[1]), repeat=len(log_probs)):
        if tuple(symbol for symbol, _ in itertools.groupby(path) if symbol) == tuple(text):
            total = np.logaddexp(total, sum(log_probs[frame, symbol] for frame, symbol in enumerate(path)))
    return total


ROWS = [((1, 2), 5), ((2, 2), 4), ((), 5), ((3,), 1), ((), 1)]
TARGETS = {
    "ids": np.array([[4, 5], [5, 5], [0, 0], [6, 0], [0, 0]], "int32"),
    "lengths": np.array([2, 2, 0, 1, 0], "int32"),
}
LOGITS = np.random.default_rng(1).normal(size=(5, 5, 4)).astype("float32")


def loss_of(logits, made):
    outputs = {"log_probs": tf.nn.log_softmax(logits), "lengths": tf.constant([length for _, length in ROWS])}
    return made.loss(TARGETS, outputs)


def test_the_loss_is_the_sum_over_all_paths():
    log_probs = tf.nn.log_softmax(LOGITS).numpy().astype(float)
    expected = [-spells(text, row[:length]) for (text, length), row in zip(ROWS, log_probs)]
    np.testing.assert_allclose(loss_of(LOGITS, head()), expected, rtol=1e-5)


def test_both_ways_to_the_loss_agree(monkeypatch):
    expected = loss_of(LOGITS, head())
    monkeypatch.setattr(ctc, "_kernel_loss", ctc._portable_loss)
    np.testing.assert_allclose(loss_of(LOGITS, head()), expected, rtol=1e-4)


def test_the_gradient_is_that_of_finite_differences():
    made, logits, random = head(), tf.constant(LOGITS), np.random.default_rng(2)
    with tf.GradientTape() as tape:
        tape.watch(logits)
        loss = tf.reduce_sum(loss_of(logits, made))
    gradient = tape.gradient(loss, logits).numpy()
    for row, (_, length) in enumerate(ROWS):
        assert not gradient[row, length:].any()
    for _ in range(5):
        step = random.normal(size=LOGITS.shape).astype("float32") * 1e-2
        slope = tf.reduce_sum(loss_of(LOGITS + step, made) - loss_of(LOGITS - step, made)) / 2
        assert float(slope) == pytest.approx(np.sum(gradient * step), rel=2e-2, abs=1e-4)


def test_a_text_without_room_costs_and_teaches_nothing():
    log_probs = tf.nn.log_softmax(LOGITS[:1, :2])
    with tf.GradientTape() as tape:
        tape.watch(log_probs)
        targets = {"ids": tf.constant([[4, 4]]), "lengths": tf.constant([2])}
        loss = head().loss(targets, {"log_probs": log_probs, "lengths": tf.constant([2])})
    assert float(loss[0]) == 0 and not tape.gradient(loss, log_probs).numpy().any()


def test_views_disagree_by_the_divergence_of_one_from_the_other_over_real_frames():
    one, other = [0.5, 0.25, 0.25, 0.0], [0.25, 0.25, 0.5, 0.0]
    probs = np.array([[one, one, other], [one, one, one], [other, one, one], [one, one, other]]) + 1e-30
    outputs = {"log_probs": tf.constant(np.log(probs), tf.float32), "lengths": tf.constant([3, 2, 3, 2])}
    # Views of a line are rows 0 and 2, and 1 and 3, which differ in the padding alone. Seen from either side, a frame of the
    # first pair has 0.5 log 2 + 0.25 log 0.5 = 0.25 log 2, twice.
    np.testing.assert_allclose(head().disagreement(outputs), [0.5 * np.log(2), 0, 0.5 * np.log(2), 0], atol=1e-6)


def test_disagreement_moves_a_view_to_the_other_alone():
    logits = tf.Variable(np.random.default_rng(0).normal(size=(2, 5, 4)).astype("float32"))
    with tf.GradientTape() as tape:
        outputs = {"log_probs": tf.nn.log_softmax(logits), "lengths": tf.constant([5, 5])}
        (first, _) = tf.unstack(head().disagreement(outputs))
    moved = tape.gradient(first, logits).numpy()
    # Of a cross entropy: what one finds less what the other does.
    np.testing.assert_allclose(moved[0], (tf.nn.softmax(logits[0]) - tf.nn.softmax(logits[1])), atol=1e-6)
    assert not moved[1].any()


def test_targets_are_composed_and_padded():
    targets = head().targets(["e\u0301 b", "", "ab"])
    assert targets["ids"].tolist() == [[7, 4, 6], [0, 0, 0], [5, 6, 0]]
    assert targets["lengths"].tolist() == [3, 0, 2]


def test_doubled_letters_need_a_frame_between_them():
    assert frames_needed("") == 0 and frames_needed("abab") == 4 and frames_needed("aabbb") == 8
    assert frames_needed([4, 4, 7]) == 4


def test_texts_that_cannot_be_learnt_are_refused_by_their_place():
    made = head()
    for text, frames in (("ab", 2), ("", 0), ("aa", 3)):
        made.check(text, "Example 0", frames)
    with pytest.raises(ValueError, match="Example 1: its text has 'z' at place 2, which is outside the alphabet of 4"):
        made.check("abz", "Example 1", 9)
    with pytest.raises(ValueError, match="Line 7: its text of 4 characters needs 5 frames; the input gives 4"):
        made.check("abba", "Line 7", 4)


def test_a_language_model_of_another_alphabet_is_refused():
    other = CharacterTokenizer(learn_alphabet(["xyz"]))
    with pytest.raises(ValueError, match="another alphabet, of 4 characters, than the tokenizer, of 3"):
        CTCHead(other, LANGUAGE)


def one_hot_head(**settings):
    """A head that takes its states for logits."""
    made = CTCHead(TOKENIZER, **settings)
    made(np.zeros((1, 1, 5), "float32"), np.array([1]))
    made.dense.set_weights([np.eye(5, dtype="float32"), np.zeros(5, "float32")])
    return made


PATH = [0, 2, 2, 0, 1, 0, 1, 4]  # symbols are space, a, b, é
PEAKED = np.eye(5, dtype="float32")[[PATH]] * 9


@pytest.mark.parametrize("settings", [{"beam": 1}, {"beam": 4}, {"beam": 4, "language_model": LANGUAGE}])
def test_the_answer_says_what_is_written_and_where(settings):
    made = one_hot_head(**settings)
    spans = np.stack([np.arange(0, 32, 4), np.arange(4, 36, 4)], axis=1)[None].astype("float32")
    found = made.decode(PEAKED, np.array([8]), spans)
    answer = made.typed(**{name: value.numpy()[0] for name, value in found.items()})
    assert isinstance(answer, Transcript) and answer.text == "a  é"
    sure = np.exp(9) / (np.exp(9) + 4)
    assert [(c.character, c.left, c.right) for c in answer.characters] == [
        ("a", 4.0, 12.0),
        (" ", 16.0, 20.0),
        (" ", 24.0, 28.0),
        ("é", 28.0, 32.0),
    ]
    assert [c.confidence for c in answer.characters] == pytest.approx([sure] * 4, abs=1e-5)
    assert answer.score == pytest.approx(sure, abs=1e-4)
    assert answer.alternatives[0][0] == "a  é" and len(answer.alternatives) == (1 if settings["beam"] == 1 else 4)
    shares = [share for _, share in answer.alternatives]
    assert sum(shares) == pytest.approx(1) and shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("settings", [{"beam": 1}, {"beam": 4}])
def test_space_around_a_text_is_no_part_of_it(settings):
    made = one_hot_head(**settings)
    path = np.eye(5, dtype="float32")[[[1, 0, 2, 1, 3, 0, 1, 1]]] * 4
    found = {name: value.numpy()[0] for name, value in made.decode(path, np.array([8])).items()}
    answer = made.typed(**found)
    assert answer.text == found["text"].decode() == "a b"
    assert "".join(c.character for c in answer.characters) == "a b" and answer.characters[0].left == 2
    texts = [text for text, _ in answer.alternatives]
    assert texts[0] == "a b" and len(set(texts)) == len(texts) and all(text == text.strip() for text in texts)
    assert sum(share for _, share in answer.alternatives) == pytest.approx(1)
    nothing = made.decode(np.eye(5, dtype="float32")[[[0, 1, 0]]] * 4, np.array([3]))
    answer = made.typed(**{name: value.numpy()[0] for name, value in nothing.items()})
    assert answer.text == "" and answer.characters == []


def test_the_fields_of_the_answer_are_those_of_the_result():
    found = head().decode(STATES, LENGTHS)
    flat = {"text", "score", "characters", "left", "right", "confidence", "alternatives", "alternative_scores"}
    assert set(found) == flat
    assert all(value.dtype in (tf.string, tf.float32) for value in found.values())
    assert found["alternatives"].shape == (4, 5)


@pytest.mark.parametrize("settings", [{"beam": 1}, {"beam": 6, "language_model": LANGUAGE, "bonus": 1.0}])
def test_neighbours_and_padding_change_no_answer(settings):
    made = head(**settings)
    padded = np.concatenate([STATES, np.full((4, 7, 6), 5, "float32")], axis=1)
    together = made.decode(padded, LENGTHS)
    for place, length in enumerate(LENGTHS):
        alone = made.decode(STATES[place : place + 1, : max(length, 1)], LENGTHS[place : place + 1])
        one, other = (
            made.typed(**{name: value.numpy()[row] for name, value in found.items()})
            for found, row in ((together, place), (alone, 0))
        )
        assert one.text == other.text and [t for t, _ in one.alternatives] == [t for t, _ in other.alternatives]
        assert one.score == pytest.approx(other.score, abs=1e-5)
        places = [[(c.left, c.right, c.confidence) for c in answer.characters] for answer in (one, other)]
        np.testing.assert_allclose(*places, atol=1e-5)


def test_an_empty_answer_is_as_sure_as_its_least_certain_blank():
    made = one_hot_head(beam=1)
    states = np.eye(5, dtype="float32")[[[0, 0, 0], [0, 0, 0]]] * np.array([9.0, 0.5, 9.0])[None, :, None]
    found = made.decode(states, np.array([3, 1]))
    assert found["text"].numpy().tolist() == [b"", b""] and found["characters"].shape == (2, 0)
    doubtful, sure = (np.exp(x) / (np.exp(x) + 4) for x in (0.5, 9.0))
    np.testing.assert_allclose(found["score"], [doubtful, sure], atol=1e-5)


def test_nothing_at_all_has_an_answer():
    found = head().decode(np.zeros((0, 3, 6), "float32"), np.zeros(0, "int32"))
    assert found["text"].shape == (0,) and found["alternatives"].shape == (0, 5)


def transcripts(confidences, texts):
    return [Transcript(text, 0.5, [Character(c, 0, 1, p) for c in text], []) for text, p in zip(texts, confidences)]


def test_calibrating_makes_the_score_the_share_of_right_characters():
    random = np.random.default_rng(0)
    truths = ["ab" * 10] * 400
    confidences = random.uniform(0.3, 0.98, 400)
    texts = ["".join(c if random.random() < p**3 else "?" for c in truth) for truth, p in zip(truths, confidences)]
    made = head()
    made.calibrate([*transcripts(confidences, texts), Transcript("", 0.1, [], [])], [*truths, "ab"])
    for confidence in (0.5, 0.8, 0.95):
        logit = np.log(confidence / (1 - confidence))
        score = 1 / (1 + np.exp(-(float(made.slope) * logit + float(made.offset))))
        assert score == pytest.approx(confidence**3, abs=0.05)
    once = float(made.slope), float(made.offset)
    made.calibrate(transcripts(confidences, texts), truths)
    assert (float(made.slope), float(made.offset)) == once  # what scores were before does not matter


def test_a_text_that_the_language_model_does_not_expect_scores_lower():
    truths = [TEXTS[place % 4] for place in range(40)]
    texts = [truth if place < 30 else "ééé" for place, truth in enumerate(truths)]
    made = one_hot_head(language_model=LANGUAGE)
    made.calibrate(transcripts([0.9] * 40, texts), truths)

    def answered(path):
        log_probs = tf.nn.log_softmax(np.array([[np.eye(5)[symbol] * 9 for symbol in path]], "float32"))
        found = made.decode(log_probs, np.array([len(path)], "int32"))
        return found["text"].numpy()[0].decode(), float(found["score"][0])

    (usual, high), (unusual, low), (nothing, middle) = answered([2, 3, 0, 3, 2]), answered([4, 0, 4, 0, 4]), answered([0, 0])
    assert (usual, unusual, nothing) == ("abba", "ééé", "") and high > middle > low
    # By another route: both are equally sure, so their logits differ by what the language model says alone.
    surprise = np.log(LANGUAGE.perplexity([unusual])) - np.log(LANGUAGE.perplexity([usual]))
    assert np.log(high / (1 - high)) - np.log(low / (1 - low)) == pytest.approx(float(made.language) * surprise, rel=0.02)


def test_calibrating_on_nothing_read_changes_nothing():
    made = head()
    made.calibrate([Transcript("", 0.1, [], [])], ["ab"])
    assert float(made.slope) == 1 and float(made.offset) == 0


def test_evaluating_counts_characters():
    found = head().evaluate(transcripts([1, 1], ["ab", "b"]), ["ab", "bb"])
    assert found["cer"] == pytest.approx(1 / 4) and found[CTCHead.monitor] == pytest.approx(3 / 4)


class Toy(tf.Module):
    """Encoder and head; a bidirectional layer stands for the encoder."""

    def __init__(self):
        super().__init__()
        self.encoder = keras.layers.Bidirectional(keras.layers.LSTM(24, return_sequences=True, use_cudnn=False))
        self.head = CTCHead(TOKENIZER, LANGUAGE, beam=4, bonus=1.0)

    def states(self, features, lengths):
        mask = tf.sequence_mask(lengths, tf.shape(features)[1])
        return tf.identity(self.encoder(features, mask=mask))  # without Keras's mask: lengths are given

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None], tf.int32)], autograph=False)
    def answer(self, features, lengths):
        return self.head.decode(self.states(features, lengths), lengths)


FEATURES = np.random.default_rng(0).normal(size=(2, 14, 3)).astype("float32")


@pytest.fixture(scope="module")
def memorised():
    """Two texts learnt by heart, one of them by an input that is half as long."""
    keras.utils.set_random_seed(0)
    toy, lengths = Toy(), tf.constant([14, 7])
    targets = toy.head.targets(["abba é", "b a"])
    optimizer = keras.optimizers.Adam(0.02)

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            outputs = toy.head(toy.states(FEATURES, lengths), lengths, training=True)
            loss = tf.reduce_mean(toy.head.loss(targets, outputs))
        variables = toy.encoder.trainable_variables + toy.head.trainable_variables
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    losses = [float(step()) for _ in range(120)]
    return toy, losses


def test_two_texts_are_memorised(memorised):
    toy, losses = memorised
    assert losses[-1] < 0.1 < losses[0]
    found = toy.answer(FEATURES, np.array([14, 7]))
    assert [text.decode() for text in found["text"].numpy()] == ["abba é", "b a"]
    assert (found["score"].numpy() > 0.8).all()


ASK = """
import sys
import numpy as np, tensorflow as tf
folder = sys.argv[1]
serve = tf.saved_model.load(folder).signatures["serving_default"]
asked = np.load(folder + "/asked.npz")
found = serve(features=tf.constant(asked["features"]), lengths=tf.constant(asked["lengths"]))
found = {name: value.numpy() for name, value in found.items()}
found = {name: value.astype("S") if value.dtype == object else value for name, value in found.items()}
np.savez(folder + "/found.npz", **found)
assert "seqkit" not in sys.modules
"""


def test_the_answer_is_exported_and_the_same_in_a_fresh_process(memorised, tmp_path):
    toy, _ = memorised
    artifact = tf.Module()
    artifact.weights = [v.value for v in [*toy.encoder.variables, *toy.head.variables]]
    tf.saved_model.save(artifact, str(tmp_path), signatures={"serving_default": toy.answer.get_concrete_function()})
    export.check_servable(tmp_path)
    np.savez(tmp_path / "asked.npz", features=FEATURES, lengths=np.array([14, 7], "int32"))
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([sys.executable, "-I", "-c", ASK, tmp_path], check=True, cwd=os.sep, env=quiet)
    expected = toy.answer(FEATURES, np.array([14, 7]))
    with np.load(tmp_path / "found.npz") as found:
        assert set(found) == set(expected)
        for name, value in expected.items():
            if value.dtype == tf.string:
                assert found[name].tolist() == value.numpy().tolist()
            else:
                np.testing.assert_allclose(found[name], value, atol=1e-5)
