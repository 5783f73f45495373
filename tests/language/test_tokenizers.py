"""SentencePiece and characters in graph: the shared ids, what comes back, and what is refused."""

import keras
import pytest
import tensorflow as tf

from seqkit.language.tokenizers import (
    END,
    PAD,
    UNKNOWN,
    CharacterTokenizer,
    SentencePieceTokenizer,
    learn_alphabet,
    train_sentencepiece,
)

TEXTS = ["the cat sat on the mat", "a dog ran far away", "The Cat ran"] * 9


@pytest.fixture(scope="module")
def tokenizer():
    return SentencePieceTokenizer(train_sentencepiece(TEXTS, 60))


def test_the_same_texts_give_the_same_model():
    assert train_sentencepiece(TEXTS, 60) == train_sentencepiece(TEXTS, 60)


def test_rows_end_in_end_and_are_padded(tokenizer):
    ids, lengths = tokenizer.encode(tf.constant(["the cat sat", "", "a dog"]))
    for row, length in zip(ids.numpy(), lengths.numpy()):
        assert row[length - 1] == END and (row[length:] == PAD).all()
    assert lengths.numpy()[1] == 1  # the empty text is END alone


def test_what_is_encoded_comes_back_normalised(tokenizer):
    texts = tf.constant(["the cat sat on the mat", "THE  ｃａｔ", ""])
    assert tokenizer.decode(*tokenizer.encode(texts)).numpy().tolist() == [b"the cat sat on the mat", b"the cat", b""]


def test_upper_case_can_be_kept():
    kept = SentencePieceTokenizer(train_sentencepiece(TEXTS, 60, case_sensitive=True))
    assert kept.decode(*kept.encode(tf.constant(["The Cat"]))).numpy().tolist() == [b"The Cat"]


def test_strange_characters_are_unknown(tokenizer):
    ids, lengths = tokenizer.encode(tf.constant(["漢"]))
    assert UNKNOWN in ids.numpy()[0, : lengths[0]]


def test_pieces_spell_the_text(tokenizer):
    ids, _ = tokenizer.encode(tf.constant(["the cat"]))
    pieces = [piece.decode() for piece in tokenizer.pieces(ids)[0].numpy()]
    assert "".join(pieces) == "▁the▁cat</s>"


def test_setting_a_random_seed_does_no_harm(tokenizer):
    encode = tf.function(tokenizer.encode)
    before = encode(tf.constant(["the cat"]))[0].numpy()
    keras.utils.set_random_seed(0)  # makes TensorFlow forget its kernels, and what they own
    assert (encode(tf.constant(["the cat"]))[0].numpy() == before).all()
    assert (tokenizer.encode(tf.constant(["the cat"]))[0].numpy() == before).all()


def test_tokenizers_of_different_models_do_not_mix():
    models = [train_sentencepiece([text] * 9, 40) for text in ("abc abd", "xyz xyw xxw")]
    first, second = map(SentencePieceTokenizer, models)
    assert UNKNOWN not in first.encode(tf.constant(["abc"]))[0].numpy()
    assert UNKNOWN in second.encode(tf.constant(["abc"]))[0].numpy()


def test_bytes_and_broken_text_are_learnt_from_too():
    expected = train_sentencepiece(["rain and snow"] * 5, 30)
    assert train_sentencepiece([b"rain and snow"] * 5, 30) == expected
    assert train_sentencepiece([b"rain and\xff snow", "rain\0and\ud800 snow"] + ["rain and snow"] * 3, 30) == expected


def test_no_text_gives_no_vocabulary():
    with pytest.raises(ValueError, match="no text that is not empty"):
        train_sentencepiece(["", " \n"], 60)


def test_a_small_corpus_gives_fewer_pieces_not_an_error(tokenizer):
    assert SentencePieceTokenizer(train_sentencepiece(TEXTS, 5000)).size < 200


def test_long_texts_are_learnt_from_whole():
    model = train_sentencepiece(["a b " * 3000 + "zebra " * 200], 40)
    ids, _ = SentencePieceTokenizer(model).encode(tf.constant(["zebra"]))
    assert UNKNOWN not in ids.numpy()


@pytest.fixture(scope="module")
def characters():
    return CharacterTokenizer(learn_alphabet(["cabé", "e\u0301 a\n", "𝔸"]))


def test_an_alphabet_is_each_composed_character_once_by_code_point(characters):
    assert characters.characters == "\n abcé𝔸"
    assert characters.size == 4 + 7


def test_characters_are_counted_from_four(characters):
    assert characters.ids("b\n?e\u0301") == [7, 4, UNKNOWN, 9]


def test_encoding_in_graph_is_the_same_as_by_hand(characters):
    texts = ["a bé", "", "c?𝔸\n"]
    ids, lengths = tf.function(characters.encode)(tf.constant(texts))
    for text, row, length in zip(texts, ids.numpy(), lengths.numpy()):
        assert row[:length].tolist() == characters.ids(text) and (row[length:] == PAD).all()
    assert characters.encode(tf.constant([""]))[0].shape == (1, 0)


def test_characters_come_back_and_the_unknown_spells_nothing(characters):
    texts = tf.constant(["a bé", "", "c?𝔸\n"])
    back = characters.decode(*characters.encode(texts))
    assert [text.decode() for text in back.numpy()] == ["a bé", "", "c𝔸\n"]


def test_what_is_behind_the_length_is_not_read(characters):
    assert characters.decode(tf.constant([[6, 7, 8]]), tf.constant([2])).numpy() == [b"ab"]


def test_broken_text_is_unknown(characters):
    ids, lengths = characters.encode(tf.constant([b"a\xff"]))
    assert ids.numpy().tolist() == [[6, UNKNOWN]] and lengths.numpy() == [2]


def test_a_union_has_the_characters_of_both(characters):
    both = characters.union(CharacterTokenizer(learn_alphabet(["a~"])))
    assert both.characters == "\n abc~é𝔸"
    assert CharacterTokenizer(both.alphabet).ids("~") == [9]


def test_no_text_gives_no_alphabet():
    with pytest.raises(ValueError, match="no text that is not empty"):
        learn_alphabet(["", "\ud800"])


@pytest.mark.parametrize("alphabet", [b'"ba"', b'"aa"', b'""', b'["a"]'])
def test_an_alphabet_out_of_order_is_refused(alphabet):
    with pytest.raises(ValueError, match="distinct characters sorted"):
        CharacterTokenizer(alphabet)
