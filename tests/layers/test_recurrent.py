"""The recurrent layers answer and learn as Keras's do, by every path, and respect lengths."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit import layers
from seqkit.layers import loop

CASES = {
    "simple": ("SimpleRNN", {}),
    "lstm": ("LSTM", {}),
    "lstm relu, no bias": ("LSTM", {"activation": "relu", "use_bias": False}),
    "gru": ("GRU", {}),
    "gru reset before": ("GRU", {"reset_after": False}),
    "gru no bias": ("GRU", {"use_bias": False}),
}
LENGTHS = np.array([6, 3, 0, 5], "int32")
TRUE = np.arange(6) < LENGTHS[:, None]
HOLES = np.array([[1, 1, 0, 1, 1, 1], [0, 0, 1, 1, 1, 0], [0] * 6, [1] * 6], bool)
X = np.random.default_rng(0).normal(size=(4, 6, 3)).astype("float32")


def build(layer, seed=1):
    """The layer with weights that depend on the seed alone."""
    rng = np.random.default_rng(seed)
    layer.build((4, None, 3))
    for v in layer.trainable_variables:
        v.assign(rng.normal(size=v.shape) * 0.4)
    return layer


def pair(case, **options):
    """A Keras layer and ours, with the same weights."""
    name, arguments = CASES[case]
    return [build(getattr(m, name)(5, **arguments, **options)) for m in (keras.layers, layers)]


def run(layer, x=X, **call):
    """Everything a layer answers, then the gradients of a curved function of it all."""
    with tf.GradientTape() as tape:
        x = tf.convert_to_tensor(x)
        tape.watch(x)
        outputs = layer(x, **call)
        outputs = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        loss = sum(tf.reduce_sum(o * tf.sin(3 * o + i)) for i, o in enumerate(outputs))
    return outputs + tape.gradient(loss, [x] + [v.value for v in layer.trainable_variables])


def same(a, b, within=2e-5):
    assert len(a) == len(b)
    for one, other in zip(a, b):
        np.testing.assert_allclose(one, other, atol=within, rtol=within)


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
def test_an_answer_draws_no_random_numbers_so_an_export_needs_none(kind):
    layer = build(getattr(layers, kind)(5, return_sequences=True, dropout=0.5, recurrent_dropout=0.5))
    state = layer.cell.seed_generator.state.numpy()
    layer(X)
    np.testing.assert_array_equal(layer.cell.seed_generator.state, state)
    graph = tf.function(layer).get_concrete_function(tf.TensorSpec((None, None, 3))).graph
    assert not [op.type for op in graph.get_operations() if "Random" in op.type or "Assign" in op.type]
    layer(X, training=True)
    assert (layer.cell.seed_generator.state.numpy() != state).any()


@pytest.mark.parametrize(
    "case, backwards",
    [(case, False) for case in CASES] + [(case, True) for case in ("simple", "lstm", "gru", "gru reset before")],
)
def test_answers_and_gradients_are_keras_by_every_path(case, backwards):
    theirs, ours = pair(case, return_sequences=True, return_state=True, go_backwards=backwards)
    holes, both = {"mask": tf.constant(HOLES)}, {"mask": tf.constant(HOLES), "lengths": LENGTHS}
    for given, call in ((None, {}), (HOLES, holes), (TRUE, {"lengths": LENGTHS}), (HOLES & TRUE, both)):
        truth = run(theirs, mask=None if given is None else tf.constant(given))
        for path in ("fused", "graph", "scan"):
            with layers.only(path), layers.taken() as paths:
                same(truth, run(ours, **call))
            assert paths == [path]


@pytest.mark.parametrize("case", ["simple", "lstm", "gru", "gru reset before"])
def test_initial_states_and_single_outputs_are_keras(case):
    theirs, ours = pair(case)
    first = [np.random.default_rng(i).normal(size=(4, 5)).astype("float32") for i in range(len(ours.state_size))]
    for call in ({}, {"initial_state": first}):
        same(run(theirs, mask=tf.constant(TRUE), **call), run(ours, lengths=LENGTHS, **call))


@pytest.mark.parametrize(
    "case, rates",
    [("lstm", {"dropout": 0.4}), ("lstm", {"recurrent_dropout": 0.4})]
    + [(case, {"dropout": 0.3, "recurrent_dropout": 0.3}) for case in ("simple", "lstm", "gru", "gru reset before")],
)
def test_dropout_draws_and_applies_the_masks_of_keras(case, rates):
    theirs, ours = pair(case, seed=7, **rates)
    for path in ("fused", "graph"):
        with layers.only(path):
            theirs.cell.seed_generator.state.assign([0, 7])
            ours.cell.seed_generator.state.assign([0, 7])
            same(run(theirs, training=True), run(ours, training=True))
            same(run(theirs), run(ours))


@pytest.mark.parametrize("case", ["lstm", "gru"])
def test_stateful_layers_carry_on_where_the_last_call_stopped(case):
    theirs, ours = pair(case, stateful=True, return_sequences=True)
    for _ in range(2):
        same([theirs(X)], [ours(X)])
    ours.reset_state()
    theirs.reset_state()
    same([theirs(X)], [ours(X)])


@pytest.mark.parametrize("path", ["fused", "graph", "scan", "keras"])
def test_every_float_type_and_mixed_precision_run_on_every_path(path):
    for dtype, within in (("float64", 1e-6), ("mixed_bfloat16", 0.05), ("mixed_float16", 0.01)):
        truth = build(layers.LSTM(5, return_sequences=True))(X, lengths=LENGTHS)
        layer = build(layers.LSTM(5, return_sequences=True, dtype=dtype))
        with layers.only(path):
            found = run(layer, X.astype("float64") if dtype == "float64" else X, lengths=LENGTHS, training=True)
        assert found[0].dtype == layer.compute_dtype
        np.testing.assert_allclose(tf.cast(found[0], "float32"), truth, atol=within)
        assert all(np.isfinite(tf.cast(g, "float32")).all() for g in found)


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "SimpleRNN"])
@pytest.mark.parametrize("sequences", [True, False])
def test_bidirectional_answers_and_gradients_are_keras(kind, sequences):
    ours, theirs = (m.Bidirectional(getattr(m, kind)(5, return_sequences=sequences)) for m in (layers, keras.layers))
    build(ours), build(theirs)
    with layers.taken() as paths:
        same(run(theirs), run(ours))
        same(run(theirs, mask=tf.constant(TRUE)), run(ours, lengths=LENGTHS))
    assert paths == ["fused"] * 4


def test_each_row_of_a_bidirectional_layer_starts_from_its_own_end():
    """A row answers alone, without its padding, as it does in a batch."""
    layer = build(layers.Bidirectional(layers.LSTM(5, return_sequences=True)))
    together = layer(X, lengths=LENGTHS)
    for row, length in enumerate(LENGTHS):
        if length:
            np.testing.assert_allclose(together[row, :length], layer(X[row : row + 1, :length])[0], atol=1e-6)
        np.testing.assert_array_equal(together[row, length:], 0)


@pytest.mark.parametrize("kind, backwards", [("LSTM", False), ("GRU", True)])
def test_large_ragged_batches_run_in_groups_to_the_same_answers_and_gradients(kind, backwards):
    rng = np.random.default_rng(2)
    x, lengths = rng.normal(size=(18, 9, 3)).astype("float32"), np.append(rng.integers(0, 10, 17), 9)
    arguments = {"return_sequences": True, "return_state": True, "go_backwards": backwards}
    theirs, ours = pair(kind.lower(), **arguments)
    mask = tf.constant(np.arange(9) < lengths[:, None])
    truth = run(theirs, x, mask=mask)
    same(truth, run(ours, x, lengths=lengths))
    same(truth, run(ours, x, lengths=lengths, mask=mask))
    first = [rng.normal(size=(18, 5)).astype("float32") for _ in ours.state_size]
    same(run(theirs, x, mask=mask, initial_state=first), run(ours, x, lengths=lengths, initial_state=first))


@pytest.mark.parametrize("longest, grouped", [(128, True), (40, False)])
def test_lengths_that_are_alike_run_whole(longest, grouped, monkeypatch):
    x, lengths = np.random.default_rng(4).normal(size=(16, longest, 3)).astype("float32"), np.full(16, 31)
    lengths[0] = longest
    theirs, ours = pair("lstm", return_sequences=True)
    rows = []
    compiled = loop.fused
    monkeypatch.setattr(loop, "fused", lambda step, x, *a, **b: rows.append(x.shape[1]) or compiled(step, x, *a, **b))
    same(run(theirs, x, mask=tf.constant(np.arange(longest) < lengths[:, None])), run(ours, x, lengths=lengths), 2e-4)
    assert rows == ([4] * 4 if grouped else [16])


def test_a_layer_trained_in_a_graph_has_eager_gradients_afterwards():
    layer = build(layers.LSTM(7))  # of a width that no other test has, so of programs of its own
    traced = tf.function(lambda x: run(layer, x, training=True), input_signature=[tf.TensorSpec([None, None, 3])])
    traced(X)
    found = []
    for path in ("fused", "graph"):  # fused, it is the program of the graph's, whose steps were padded
        with layers.only(path):
            found.append(run(layer, lengths=LENGTHS))
    same(*found)


def test_layers_compile_inside_a_compiled_function():
    theirs, ours = pair("gru", return_sequences=True)
    x, lengths = np.random.default_rng(4).normal(size=(16, 5, 3)).astype("float32"), np.arange(16) % 6
    truth = run(theirs, x, mask=tf.constant(np.arange(5) < lengths[:, None]))
    same(truth, tf.function(lambda x, n: run(ours, x, lengths=n), jit_compile=True)(x, lengths))


def test_unknown_batches_run_in_groups_too():
    theirs, ours = pair("lstm", return_sequences=True)

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3]), tf.TensorSpec([None], tf.int32)])
    def train(x, lengths):
        with tf.GradientTape() as tape:
            y = ours(x, lengths=lengths, training=True)
            loss = tf.reduce_sum(y * tf.sin(3 * y))
        return [y, *tape.gradient(loss, [v.value for v in ours.trainable_variables])]

    for batch in (1, 3, 17):
        x, lengths = np.random.default_rng(3).normal(size=(batch, 5, 3)).astype("float32"), np.arange(batch) % 6
        truth = run(theirs, x, mask=tf.constant(np.arange(5) < lengths[:, None]))
        same([truth[0], *truth[2:]], train(x, lengths))


@pytest.mark.parametrize("kind", ["lstm", "gru"])
@pytest.mark.parametrize("backwards", [False, True])
def test_what_is_put_right_on_padding_after_cudnn_leaves_right_answers_as_they_are(kind, backwards):
    """Without a GPU this path ends in Keras's own loop, whose padding is already right; the rest needs a GPU to try."""
    theirs, ours = pair(kind, return_sequences=True, return_state=True, go_backwards=backwards)
    first = [np.random.default_rng(i).normal(size=(4, 5)).astype("float32") for i in range(len(ours.state_size))]
    for call in ({}, {"initial_state": first}):
        truth = run(theirs, mask=tf.constant(TRUE), **call)
        with layers.only("cudnn"), layers.taken() as paths:
            same(truth, run(ours, lengths=LENGTHS, **call))
        assert paths == ["cudnn"]


def test_padding_changes_nothing_and_costs_no_gradient():
    layer = build(layers.GRU(5, return_state=True))
    noise = X + np.where(TRUE[:, :, None], 0, 100).astype("float32")
    for a, b in zip(run(layer, lengths=LENGTHS), run(layer, noise, lengths=LENGTHS)):
        np.testing.assert_array_equal(a, b)
    gradient = run(layer, lengths=LENGTHS)[2]
    assert not np.any(gradient.numpy()[~TRUE])
    assert np.all(np.any(gradient.numpy() != 0, -1)[TRUE])


def test_an_lstm_of_one_unit_counted_by_hand():
    """All weights 1, no bias, x = 1: z = x + h in every gate."""
    layer = layers.LSTM(1, return_sequences=True, use_bias=False)
    layer.build((1, 2, 1))
    layer.set_weights([np.ones(w.shape) for w in layer.get_weights()])
    # Step 1: z = 1, gates 0.731059, candidate 0.761594, c = 0.556770, h = 0.731059 tanh(0.556770) = 0.369606.
    # Step 2: z = 1.369606, gates 0.797317, candidate 0.878602, c = 0.797317 (0.556770 + 0.878602) = 1.144446.
    np.testing.assert_allclose(layer(np.ones((1, 2, 1), "float32"))[0, :, 0], [0.369606, 0.650535], atol=2e-5)


def test_unknown_shapes_train_by_few_programs():
    theirs, ours = pair("lstm", return_sequences=True)
    loop._traced.cache_clear()

    @tf.function(input_signature=[tf.TensorSpec([None, None, 3])])
    def train(x):
        with tf.GradientTape() as tape:
            y = ours(x, training=True)
            loss = tf.reduce_sum(y * tf.sin(3 * y))
        return [y, *tape.gradient(loss, [v.value for v in ours.trainable_variables])]

    for steps in (5, 6):
        truth = run(theirs, X[:, :steps])
        same([truth[0], *truth[2:]], train(X[:, :steps]))
        assert loop._traced.cache_info().currsize == 2  # forwards and backwards


def test_paths_are_chosen_by_what_is_known():
    layer, unrolled = build(layers.LSTM(5)), build(layers.LSTM(5, unroll=True))
    unknown = tf.function(lambda x, training: layer(x, training=training), reduce_retracing=True)
    with layers.taken() as paths:
        layer(X)
        unknown.get_concrete_function(tf.TensorSpec([None, None, 3]), False)
        unknown.get_concrete_function(tf.TensorSpec([None, None, 3]), True)
        with layers.portable():
            layer(X)
        unrolled(X)
    layer(X)
    assert paths == ["fused", "graph", "fused", "graph", "keras"]
    with pytest.raises(ValueError, match="Unknown path.*'fastest'"), layers.only("fastest"):
        pass


@pytest.mark.parametrize("batch, steps", [(None, None), (4, 6)])
def test_an_export_holds_core_ops_only_and_answers_the_same(tmp_path, batch, steps):
    inputs = keras.Input((None, 3)), keras.Input((), dtype="int32")
    outputs = layers.Bidirectional(layers.LSTM(5, return_sequences=True))(inputs[0], lengths=inputs[1])
    model = keras.Model(inputs, layers.GRU(4)(outputs, lengths=inputs[1]))
    truth = model([X, LENGTHS])
    archive = keras.export.ExportArchive()
    archive.track(model)
    specs = tf.TensorSpec([batch, steps, 3], name="x"), tf.TensorSpec([batch], tf.int32, name="lengths")
    archive.add_endpoint("serve", lambda x, lengths: model([x, lengths]), list(specs))
    archive.write_out(tmp_path / "model", verbose=False)
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

    saved = SavedModel.FromString((tmp_path / "model" / "saved_model.pb").read_bytes())
    functions = saved.meta_graphs[0].graph_def.library.function
    assert not any("Cudnn" in node.op or "Xla" in node.op for f in functions for node in f.node_def)
    assert not any(f.attr["_XlaMustCompile"].b for f in functions)
    assert not any(node.attr["_XlaMustCompile"].b for f in functions for node in f.node_def)
    loaded = tf.saved_model.load(tmp_path / "model")
    np.testing.assert_allclose(loaded.serve(tf.constant(X), tf.constant(LENGTHS)), truth, atol=1e-6)


def test_weights_move_to_keras_and_back(tmp_path):
    for kind in ("SimpleRNN", "LSTM", "GRU"):
        models = []
        for m in (keras.layers, layers):
            keras.utils.set_random_seed(len(models))
            models.append(keras.Sequential([keras.Input((6, 3)), m.Bidirectional(getattr(m, kind)(5))]))
        for source, target in (models, models[::-1]):
            source.save_weights(tmp_path / "a.weights.h5")
            target.load_weights(tmp_path / "a.weights.h5")
            np.testing.assert_allclose(source(X), target(X), atol=1e-6)
            for v in source.trainable_variables:
                v.assign(v * 0.5)


def test_configs_are_keras_with_only_what_was_added(tmp_path):
    theirs = keras.layers.LSTM(5, dropout=0.1, go_backwards=True)
    ours = layers.LSTM.from_config(theirs.get_config())
    assert ours.get_config() == theirs.get_config()
    more = {"zoneout": 0.1, "layer_norm": True, "weight_drop": 0.2, "truncate": 7}
    layer = layers.LSTM(5, **more)
    assert {k: v for k, v in layer.get_config().items() if k in more} == more
    model = keras.Sequential([keras.Input((6, 3)), layers.Bidirectional(layers.LSTM(5, layer_norm=True))])
    model.save(tmp_path / "m.keras")
    np.testing.assert_array_equal(keras.models.load_model(tmp_path / "m.keras")(X), model(X))


def test_training_with_fit_learns_by_ragged_batches_of_unknown_shape():
    keras.utils.set_random_seed(0)
    ids, lengths = keras.Input((None, 3)), keras.Input((), dtype="int32")
    model = keras.Model([ids, lengths], keras.layers.Dense(1)(layers.GRU(8)(ids, lengths=lengths)))
    model.compile(keras.optimizers.Adam(0.05), "mse")
    data = [((X[:, :t], np.minimum(LENGTHS, t)), np.arange(4.0)[:, None]) for t in (4, 6)]
    spec = ((tf.TensorSpec([None, None, 3]), tf.TensorSpec([None], tf.int32)), tf.TensorSpec([None, 1]))
    batches = tf.data.Dataset.from_generator(lambda: iter(data), output_signature=spec).repeat()
    history = model.fit(batches, steps_per_epoch=40, shuffle=False, verbose=0)
    assert history.history["loss"][0] < 2 and model.evaluate(data[1][0], data[1][1], verbose=0) < 0.3


@pytest.mark.parametrize(
    "lengths, message",
    [
        (np.array([7, 3, 0, 5]), "row 0 has 7.*shape \\(4, 6, 3\\)"),
        (np.array([6, 3, -1, 5]), "row 2 has -1"),
        (np.array([6.0, 3, 0, 5]), "must be integers.*float"),
        (np.array([[6, 3, 0, 5]]), "shape \\(1, 4\\)"),
        (np.array([6, 3]), "shape \\(2,\\)"),
        ([9, 1, 1, 1], "row 0 has 9"),
    ],
)
def test_impossible_lengths_are_refused_by_what_was_received(lengths, message):
    for layer in (layers.LSTM(5), layers.GRU(5), layers.SimpleRNN(5), layers.Bidirectional(layers.GRU(5))):
        with pytest.raises(ValueError, match=message):
            layer(X, lengths=lengths)


def test_a_wrong_rank_is_refused_by_the_shape_received():
    with pytest.raises(ValueError, match="\\(4, 6\\)"):
        layers.LSTM(5)(X[:, :, 0])
