"""Attention weighs true steps only, by the scores of the papers, whatever stands beside or behind a row."""

import keras
import numpy as np
import pytest

from seqkit import layers

RNG = np.random.default_rng(0)
QUERIES = RNG.normal(size=(3, 2, 4)).astype("float32")
VALUES = RNG.normal(size=(3, 5, 6)).astype("float32")
LENGTHS = np.array([5, 2, 0])
MAKERS = {
    "additive": lambda: layers.AdditiveAttention(7),
    "multiplicative": lambda: layers.MultiplicativeAttention(),
    "location": lambda: layers.LocationAttention(7, filters=3, width=3),
}


def made(name):
    keras.utils.set_random_seed(0)
    layer = MAKERS[name]()
    layer.build((3, 4), (3, 5, 6))
    for v in layer.trainable_variables:
        v.assign(RNG.normal(size=v.shape))
    return layer


def softmax(scores):
    e = np.exp(scores - scores.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


@pytest.mark.parametrize("name", MAKERS)
def test_weights_are_a_distribution_over_the_true_steps(name):
    context, weights = made(name)(QUERIES[:, 0], VALUES, lengths=LENGTHS, return_weights=True)
    assert context.shape == (3, 6) and weights.shape == (3, 5)
    np.testing.assert_allclose(np.sum(weights, -1), [1, 1, 0], atol=1e-6)
    np.testing.assert_array_equal(weights[1, 2:], 0)
    np.testing.assert_array_equal(context[2], 0)


@pytest.mark.parametrize("name", MAKERS)
def test_a_row_alone_without_padding_answers_as_in_the_batch(name):
    layer = made(name)
    together = layer(QUERIES[:, 0], VALUES, lengths=LENGTHS)
    alone = layer(QUERIES[1:2, 0], VALUES[1:2, :2])
    np.testing.assert_allclose(together[1], alone[0], atol=1e-6)


@pytest.mark.parametrize("name", MAKERS)
def test_masks_say_what_lengths_do_and_holes_besides(name):
    layer, true = made(name), np.arange(5) < LENGTHS[:, None]
    truth = layer(QUERIES[:, 0], VALUES, lengths=LENGTHS)
    np.testing.assert_array_equal(layer(QUERIES[:, 0], VALUES, mask=true), truth)
    np.testing.assert_array_equal(layer(QUERIES[:, 0], VALUES, mask=[None, true]), truth)
    np.testing.assert_array_equal(layer(QUERIES[:, 0], VALUES, values_mask=true), truth)
    holes = np.array([[0, 1, 1, 0, 1]] * 3, bool)
    _, weights = layer(QUERIES[:, 0], VALUES, lengths=LENGTHS, mask=holes, return_weights=True)
    np.testing.assert_array_equal(weights.numpy() > 0, holes & true)


@pytest.mark.parametrize("name", MAKERS)
def test_masks_that_values_carry_are_read_so_that_padding_changes_nothing(name):
    """`Embedding(mask_zero=True)` and `Masking`, eagerly and in a functional model, with a recurrent layer between."""
    layer, embedding, encoder = made(name), keras.layers.Embedding(9, 6, mask_zero=True), layers.LSTM(6, return_sequences=True)
    ids = np.array([[3, 5, 0, 0, 0], [1, 2, 3, 4, 5]])
    short = layer(QUERIES[:1, 0], encoder(embedding(ids[:1, :2])))
    np.testing.assert_allclose(layer(QUERIES[:2, 0], encoder(embedding(ids)))[:1], short, atol=1e-6)
    given, query = keras.Input((None,), dtype="int32"), keras.Input((4,))
    model = keras.Model([query, given], layer(query, encoder(embedding(given)), return_weights=True))
    context, weights = model([QUERIES[:2, 0], ids])
    np.testing.assert_allclose(context[:1], short, atol=1e-6)
    np.testing.assert_array_equal(weights[0, 2:], 0)
    padded = np.pad(VALUES[:, :2], [(0, 0), (0, 3), (0, 0)])
    masked = layer(QUERIES[:, 0], keras.layers.Masking()(padded))
    np.testing.assert_allclose(masked, layer(QUERIES[:, 0], VALUES[:, :2]), atol=1e-6)


@pytest.mark.parametrize("name", ["additive", "multiplicative"])
def test_a_masked_query_gets_nothing_and_its_mask_goes_on(name):
    layer, queries = made(name), QUERIES.copy()
    queries[0, 1] = 0
    answer = layer(keras.layers.Masking()(queries), VALUES)
    np.testing.assert_array_equal(answer[0, 1], 0)
    np.testing.assert_array_equal(answer._keras_mask, [[1, 0], [1, 1], [1, 1]])
    given = layer(queries, VALUES, mask=[np.array([[1, 0], [1, 1], [1, 1]], bool), None])
    np.testing.assert_array_equal(given, answer)
    np.testing.assert_allclose(answer[1:], layer(QUERIES, VALUES)[1:], atol=1e-6)


@pytest.mark.parametrize("name", ["additive", "multiplicative"])
def test_queries_do_not_see_each_other(name):
    layer = made(name)
    context, weights = layer(QUERIES, VALUES, lengths=LENGTHS, return_weights=True)
    assert context.shape == (3, 2, 6) and weights.shape == (3, 2, 5)
    for query in range(2):
        np.testing.assert_allclose(context[:, query], layer(QUERIES[:, query], VALUES, lengths=LENGTHS), atol=1e-6)


def test_additive_scores_are_those_of_the_paper():
    layer = made("additive")
    q, v, b, w = [x.numpy() for x in layer.trainable_variables]
    expected = softmax(
        np.array([[np.tanh(QUERIES[i, 0] @ q + VALUES[i, s] @ v + b) @ w[:, 0] for s in range(5)] for i in range(3)])
    )
    _, weights = layer(QUERIES[:, 0], VALUES, return_weights=True)
    np.testing.assert_allclose(weights, expected, atol=1e-5)


def test_multiplicative_scores_are_those_of_the_paper():
    layer = made("multiplicative")
    scores = np.einsum("iq,qv,isv->is", QUERIES[:, 0], layer.kernel.numpy(), VALUES)
    context, weights = layer(QUERIES[:, 0], VALUES, return_weights=True)
    np.testing.assert_allclose(weights, softmax(scores), atol=1e-5)
    np.testing.assert_allclose(context, np.einsum("is,isv->iv", softmax(scores), VALUES), atol=1e-5)


def test_location_scores_are_those_of_the_paper():
    layer = made("location")
    q, v, f, u, b, w = [x.numpy() for x in layer.trainable_variables]
    before = softmax(RNG.normal(size=(3, 5))).astype("float32")
    padded = np.pad(before, [(0, 0), (1, 1)])
    scores = np.zeros((3, 5))
    for i in range(3):
        for s in range(5):
            located = padded[i, s : s + 3] @ f[:, 0]
            scores[i, s] = np.tanh(QUERIES[i, 0] @ q + VALUES[i, s] @ v + located @ u + b) @ w[:, 0]
    _, weights = layer(QUERIES[:, 0], VALUES, previous=before, return_weights=True)
    np.testing.assert_allclose(weights, softmax(scores), atol=1e-5)


def test_the_first_query_looks_at_the_first_step():
    layer = made("location")
    start = np.eye(5, dtype="float32")[[0, 0, 0]]
    np.testing.assert_array_equal(layer(QUERIES[:, 0], VALUES), layer(QUERIES[:, 0], VALUES, previous=start))


@pytest.mark.parametrize("name", MAKERS)
def test_half_precision_stays_finite(name):
    layer = MAKERS[name]()
    layer.dtype_policy = "mixed_float16"
    context = layer(QUERIES[:, 0], VALUES, lengths=LENGTHS)
    assert context.dtype == "float16" and np.isfinite(context.numpy()).all()


@pytest.mark.parametrize("name", MAKERS)
def test_configs_come_back(name):
    layer = MAKERS[name]()
    assert keras.layers.deserialize(keras.layers.serialize(layer)).get_config() == layer.get_config()


@pytest.mark.parametrize("name", MAKERS)
def test_bad_input_is_refused_by_what_was_received(name):
    layer = made(name)
    with pytest.raises(ValueError, match="values must be.*\\(3, 6\\)"):
        layer(QUERIES[:, 0], VALUES[:, 0])
    with pytest.raises(ValueError, match="query must be.*\\(4,\\)"):
        layer(QUERIES[0, 0], VALUES)
    with pytest.raises(ValueError, match="row 0 has 6"):
        layer(QUERIES[:, 0], VALUES, lengths=np.array([6, 1, 1]))
    with pytest.raises(ValueError, match="mask of values must be.*\\(3, 2, 5\\)"):
        layer(QUERIES[:, 0], VALUES, mask=np.ones((3, 2, 5), bool))
    with pytest.raises(ValueError, match="Received: 3 masks"):
        layer(QUERIES[:, 0], VALUES, mask=[None, None, None])
    with pytest.raises(ValueError, match="width=4"):
        layers.LocationAttention(5, width=4)
    if name == "location":
        with pytest.raises(ValueError, match="one at a time.*\\(3, 2, 4\\)"):
            layer(QUERIES, VALUES)
