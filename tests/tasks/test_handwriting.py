"""Handwriting: what goes on training, what is refused before it, and both ways into the export."""

import numpy as np
import pytest
import tensorflow as tf
from cases import HANDWRITING, printed

QUICK = {"epochs": 1, "batch_steps": 4096, "verbose": False}  # one batch, so one program to compile
MORE = [(printed("quick zoo"), "quick zoo"), (printed("a jazz"), "a jazz")]


@pytest.fixture
def pipe(copied):
    """A trained pipeline that a test may change."""
    return copied(HANDWRITING)


def columns(pipe):
    """What the head has learnt of each character."""
    kernel, bias = (weight.numpy() for weight in pipe.model.head.dense.weights)
    learnt = {
        character: (*kernel[:, place], bias[place]) for place, character in enumerate(pipe.model.head.tokenizer.characters, 1)
    }
    return {**learnt, "blank": (*kernel[:, 0], bias[0])}


def encoder_of(pipe):
    return [weight.numpy() for weight in pipe.model.encoder.trainable_variables]


@pytest.mark.parametrize("alphabet, characters", [("union", " aefilmnorstwquckzj"), ("new", " quickzoaj")])
def test_new_characters_join_and_what_was_learnt_stays(pipe, alphabet, characters):
    before, encoder = columns(pipe), encoder_of(pipe)
    answer = pipe(HANDWRITING.inputs[0])
    pipe.fit(MORE, vocabulary=alphabet, freeze="encoder", learning_rate=1e-12, **QUICK)
    after = columns(pipe)
    assert set(after) == {*characters, "blank"}
    for character in set(before) & set(after):
        np.testing.assert_allclose(after[character], before[character], atol=1e-6)
    for one, other in zip(encoder, encoder_of(pipe)):
        np.testing.assert_array_equal(one, other)
    if alphabet == "union":
        assert pipe(HANDWRITING.inputs[0]).text  # traced anew, for more symbols
        assert answer.text


def test_new_characters_are_learnt(pipe):
    pipe.fit(MORE * 4, vocabulary="union", learning_rate=2e-2, **{**QUICK, "epochs": 300})
    assert [answer.text for answer in pipe([image for image, _ in MORE])] == [text for _, text in MORE]


def test_a_frozen_encoder_stays_and_is_free_again_afterwards(pipe):
    encoder, head = encoder_of(pipe), columns(pipe)
    more = {**QUICK, "epochs": 2, "learning_rate": 1e-2}  # the first step warms up, at a rate of 0
    pipe.fit(HANDWRITING.examples, freeze="encoder", **more)
    for one, other in zip(encoder, encoder_of(pipe)):
        np.testing.assert_array_equal(one, other)
    assert columns(pipe) != head
    pipe.fit(HANDWRITING.examples, **more)
    assert not all(np.array_equal(a, b) for a, b in zip(encoder, encoder_of(pipe)))


def test_a_union_goes_on_where_it_was_killed(copied, tmp_path):
    for _ in range(2):
        history = copied(HANDWRITING).fit(MORE, vocabulary="union", directory=tmp_path / "run", **QUICK)
    assert len(history) == 1 and history[0]["seconds"] > 0


@pytest.mark.parametrize(
    "examples, options, message",
    [
        (MORE, {}, "Example 0: its text has 'q' at place 0, which is outside the alphabet.*vocabulary=\"union\""),
        (HANDWRITING.examples, {"vocabulary": "more"}, "vocabulary must be 'keep', 'union' or 'new'; received 'more'"),
        (HANDWRITING.examples, {"freeze": "head"}, "freeze must be 'encoder' or None; received 'head'"),
        ([(printed("on"), "one one one one")], {}, "Example 0: its text of 15 characters needs 15 frames; the input gives"),
        ([(printed("on"), "")], {}, "Example 0: expected a text, received ''; fill it in"),
    ],
)
def test_what_cannot_be_learnt_is_refused_before_training(examples, options, message, tmp_path):
    pipe = HANDWRITING.pipe
    before = encoder_of(pipe)
    with pytest.raises(ValueError, match=message):
        pipe.fit(examples, directory=tmp_path / "run", **QUICK, **options)
    assert not (tmp_path / "run").exists()
    for one, other in zip(before, encoder_of(pipe)):
        np.testing.assert_array_equal(one, other)


def test_decoded_pixels_answer_as_files_do(exported):
    from PIL import Image

    signatures = tf.saved_model.load(str(exported(HANDWRITING))).signatures
    frontend = HANDWRITING.pipe.frontend
    files = frontend.collate(HANDWRITING.inputs)
    pictures = [np.stack([image] * 3, -1) for image in HANDWRITING.inputs]
    tallest, widest = (max(picture.shape[axis] for picture in pictures) for axis in (0, 1))
    pixels = np.zeros((len(pictures), tallest, widest, 3), np.uint8)
    for place, picture in enumerate(pictures):
        pixels[place, : picture.shape[0], : picture.shape[1]] = picture
    sizes = np.array([picture.shape[:2] for picture in pictures], np.int32)
    one = signatures["serving_default"](image_bytes=tf.constant(files["image_bytes"]))
    other = signatures["pixels"](pixels=tf.constant(pixels), sizes=tf.constant(sizes))
    assert one["text"].numpy().tolist() == other["text"].numpy().tolist()
    np.testing.assert_allclose(one["score"], other["score"], atol=1e-6)
    assert Image.fromarray(pictures[0]).size == tuple(sizes[0][::-1])


def test_positions_are_pixels_of_the_picture(pipe):
    # A margin of 100 pixels moves what is written by 100 pixels, whatever the scale it is read at.
    image = HANDWRITING.inputs[1]
    (answer,), (moved,) = ([pipe(picture)] for picture in (image, np.pad(image, ((0, 0), (100, 0)), constant_values=255)))
    assert answer.text == moved.text and answer.text
    assert "".join(character for character, *_ in answer.characters) == answer.text == answer.alternatives[0][0]
    for one, other in zip(answer.characters, moved.characters):
        assert one.left < one.right <= image.shape[1]
        assert 0 <= one.confidence <= 1
        np.testing.assert_allclose([other.left, other.right], [one.left + 100, one.right + 100], atol=0.5)
