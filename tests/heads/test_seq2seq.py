"""The attention decoder: step by step as all at once, over any encoder, and what a call may ask for."""

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
from cases import HANDWRITING, SPEECH, TRANSLATION

import seqkit
from seqkit.heads.seq2seq import Seq2SeqHead
from seqkit.layers.embedding import TiedEmbedding
from seqkit.parts import END, START
from seqkit.tasks import TASKS

PIPE = TRANSLATION.build


@pytest.mark.parametrize("settings", [{}, {"attention": "additive", "decoder_depth": 2}, {"input_feeding": True}], ids=str)
def test_pieces_written_one_by_one_have_the_probabilities_of_all_at_once(settings):
    pipe = PIPE(**settings)
    pipe.learn(TRANSLATION.examples)
    head = pipe.model.head
    texts, translations = zip(*TRANSLATION.examples[:5])
    states = pipe.model.encoder.encode(pipe.frontend(pipe.frontend.collate(list(texts))))
    targets = head.targets(translations)
    logits = head(states.values, states.lengths, targets=targets)["logits"].numpy()
    real = tf.sequence_mask(states.lengths, tf.shape(states.values)[1])
    state, last = head._start(states.values, states.lengths, 1), np.full((5, 1), START, np.int32)
    for place in range(targets["ids"].shape[1]):
        written, _, state = head._advance(tf.constant(last), state, states.values, real)
        np.testing.assert_allclose(head._logits(written)[:, 0], logits[:, place], atol=1e-5)
        last = targets["ids"][:, place : place + 1]


def test_the_loss_is_the_cross_entropy_of_the_pieces_and_their_smoothing_counted_by_hand():
    pipe = PIPE(smoothing=0.2)
    pipe.learn(TRANSLATION.examples)
    head = pipe.model.head
    targets = {"ids": np.array([[5, 6, END], [7, END, 0]], np.int32), "lengths": np.array([3, 2], np.int32)}
    logits = np.random.default_rng(0).normal(size=(2, 3, head.tokenizer.size)).astype(np.float32)
    log_probs = tf.nn.log_softmax(logits).numpy()
    expected = [
        -sum(0.8 * log_probs[row, at, piece] + 0.2 * log_probs[row, at].mean() for at, piece in enumerate(pieces))
        for row, pieces in enumerate([[5, 6, END], [7, END]])
    ]
    np.testing.assert_allclose(head.loss(targets, {"logits": logits}), expected, rtol=1e-5)


def over(case):
    """A case's pipeline with an attention decoder in place of its head."""

    def build(config, assets):
        frontend, encoder, head = TASKS[case.name].build(config, assets)
        embedding = TiedEmbedding(head.tokenizer.size, 24)
        return frontend, encoder, Seq2SeqHead(head.tokenizer, embedding, 32, attention="additive", longest=1.0, beam=2)

    pipe = case.build()
    pipe.task = dataclasses.replace(pipe.task, build=build, augment=None)
    return pipe


@pytest.mark.parametrize("case", [SPEECH, HANDWRITING], ids=lambda case: case.id)
def test_it_learns_over_an_encoder_of_sound_and_of_pictures(case):
    pipe = over(case)
    (first, one), (second, other) = case.examples[0], case.examples[1]
    pipe.fit([(first, one), (second, other)], epochs=150, batch_steps=case.batch_steps, learning_rate=1e-2, verbose=False)
    answers = pipe([first, second])
    assert [answer.text for answer in answers] == [one, other]
    answer = answers[0]
    assert answer.source is None and [token.text for token in answer.alignment.target] == one.split()
    assert all(abs(sum(row) - 1) < 1e-4 for row in answer.alignment.weights)
    assert "".join(text for text, _ in answer.alternatives[:1]) == one


def test_what_no_vocabulary_has_comes_out_as_it_went_in():
    things = ["https://a.org/x?y=1", "ann.b@example.com", "😀", "👨‍👩‍👧", "1,978.50", "日本語", "@somebody", "#tag"]
    for thing in things:
        for text in (f"one {thing} dog", f"{thing} red", f"two {thing}"):
            assert thing in TRANSLATION.pipe(text).text.split(), (thing, TRANSLATION.pipe(text).text)
    text = TRANSLATION.pipe("one 44 two www.a.org, dog 😀").text
    assert all(text.count(thing) == 1 for thing in ("44", "www.a.org", "😀"))


def test_a_beam_of_one_is_the_greedy_search_and_alternatives_are_sorted_and_differ():
    pipe = TRANSLATION.pipe
    head = pipe.model.head
    for text in ("red dog", "one", "two dog red one"):
        states = pipe.model.encoder.encode(pipe.frontend(pipe.frontend.collate([text])))
        real = tf.sequence_mask(states.lengths, tf.shape(states.values)[1])
        state, last, ids = head._start(states.values, states.lengths, 1), START, []
        while last != END and len(ids) < int(np.ceil(head.longest * int(states.lengths[0]))) + 10:
            written, _, state = head._advance(tf.constant([[last]]), state, states.values, real)
            logits = head._logits(written).numpy()[0, 0]
            logits[[0, START, 3]] = -np.inf  # nothing is there to copy
            logits[head.tokenizer.bytes.numpy()] = -np.inf
            ids.append(last := int(logits.argmax()))
        pieces = head.tokenizer.spelt(tf.constant([each for each in ids if each != END], tf.int32)).numpy()
        greedy = seqkit.build("translation", pipe.assets, **{**TRANSLATION.settings, "beam": 1})
        greedy.model.set_weights(pipe.model.get_weights())
        assert greedy(text).text == b"".join(pieces).decode().removeprefix(" ")
        answer = pipe(text)
        texts, shares = zip(*answer.alternatives)
        assert texts[0] == answer.text and len(set(texts)) == len(texts) and list(shares) == sorted(shares)[::-1]


def test_a_prefix_is_how_the_text_begins_and_a_seed_decides_what_is_drawn():
    pipe = TRANSLATION.pipe
    answers = pipe(["red dog", "one"], prefix="Hund")
    assert all(answer.text.startswith("Hund") for answer in answers)
    assert pipe("red dog", prefix="Zürich 😀").text.startswith("Zürich 😀")
    assert pipe("red dog", prefix="rot Hun").text.startswith("rot Hun")
    assert pipe("red dog", prefix="rot ").text.startswith("rot ")
    drawn = [pipe("red dog", temperature=3.0, seed=seed).text for seed in (1, 1, 2, 3)]
    assert drawn[0] == drawn[1] and len(set(drawn)) > 1
    assert pipe("red dog", temperature=1.0, top_k=1).text == pipe("red dog", temperature=5.0, top_p=1e-6).text
    for wish, message in (({"prefix": 3}, "prefix must be a text"), ({"top_p": 2}, "top_p must be a number from 0 to 1")):
        with pytest.raises(ValueError, match=message):
            pipe("red dog", **wish)


@pytest.mark.parametrize("text, begin", [("Zü", " Zü"), ("two  Hun", " two Hun"), ("one ", " one "), ("", "")])
def test_pieces_fit_a_prefix_wherever_it_is_cut(text, begin):
    head = TRANSLATION.pipe.model.head
    fits, sizes = head._prefix(tf.constant(text))
    spelt = head.tokenizer.spelt(tf.range(head.tokenizer.size)).numpy().tolist()
    rests = [begin.encode()[at:] for at in range(len(begin.encode()) + 1)]
    assert fits.shape[0] == len(rests) and sizes.numpy().tolist() == [len(each) for each in spelt]
    for rest, row in zip(rests, fits.numpy()):
        assert row.tolist() == [bool(each) and (rest.startswith(each) or each.startswith(rest)) for each in spelt]


def test_a_text_too_long_for_its_source_is_refused():
    with pytest.raises(ValueError, match="Example 1: its text of .* pieces is more than 2 for each of the"):
        PIPE().fit([("one", "eins"), ("two", "zwei " * 60)], verbose=False)


def test_the_pieces_of_a_trained_pipeline_go_on(copied):
    pipe = copied(TRANSLATION)
    more = [("cat one", "Katze eins."), ("cat two", "Katze zwei.")] * 3
    before = pipe.model.head.tokenizer
    pipe.fit(more, vocabulary="union", epochs=1, verbose=False)
    after = pipe.model.head.tokenizer
    assert after.size > before.size
    names = [tokenizer.pieces(tf.range(before.size)).numpy().tolist() for tokenizer in (before, after)]
    assert names[0] == names[1]


def test_long_texts_are_translated_sentence_by_sentence_and_keep_their_lines():
    pipe = TRANSLATION.pipe
    one, two = pipe(["one red dog.", "two dog"])
    answer = pipe("one red dog.\n\n  two dog\n")
    assert answer.text == f"{one.text}\n\n  {two.text}\n"
    assert answer.source == "one red dog.\n\n  two dog\n"
    for token in answer.alignment.source:
        assert answer.source[int(token.start) : int(token.end)] == token.text
    for token in answer.alignment.target:
        assert answer.text[token.start : token.end] == token.text
    many = "one red dog sees two. " * 20
    assert len(pipe.frontend.pieces(many.encode())) == 20 and len(pipe.frontend.pieces(b"one red. two dog.")) == 1


def test_pieces_come_as_they_are_written_and_are_the_answer_of_a_beam_of_one():
    pipe = TRANSLATION.pipe
    greedy = seqkit.build("translation", pipe.assets, **{**TRANSLATION.settings, "beam": 1})
    greedy.model.set_weights(pipe.model.get_weights())
    for text in (*TRANSLATION.inputs, "", "😀 one 44 two www.a.org", "one red dog.\n\n  two dog\n"):
        pieces = list(pipe.stream_text(text))
        assert "".join(pieces) == greedy(text).text
    assert len(list(pipe.stream_text("one red dog"))) > 1
    with pytest.raises(ValueError, match="Item 0: expected a text"):
        pipe.stream_text(3)
