"""What Keras users do with a layer beside calling it: threads, masks, dtypes, copies, exports to other runtimes."""

import copy
import pickle
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkit import layers

from .test_recurrent import LENGTHS, TRUE, X, build, same

KINDS = ["SimpleRNN", "LSTM", "GRU"]


def made(module, kind, **options):
    """A layer with weights that depend on nothing but its kind; "Both GRU" is bidirectional."""
    name = kind.removeprefix("Both ")
    layer = getattr(module, name)(5, **options)
    return build(module.Bidirectional(layer) if name != kind else layer)


@pytest.mark.parametrize(
    "kind, given", [("LSTM", "lengths"), ("Both GRU", "lengths"), ("SimpleRNN", "mask"), ("Both GRU", "mask")]
)
def test_eight_threads_share_a_layer_and_get_the_answers_of_one(kind, given):
    rng, layer = np.random.default_rng(0), made(layers, kind, return_sequences=True)
    calls = []
    for k in range(8):
        lengths = rng.integers(1, 5, 16)
        lengths[0] = 9 + k
        call = {"lengths": lengths} if given == "lengths" else {"mask": tf.constant(np.arange(16) < lengths[:, None])}
        calls.append((tf.constant(rng.normal(size=(16, 16, 3)).astype("float32")), call))
    truth, worst = [layer(x, **call).numpy() for x, call in calls], [0.0] * 8

    def work(k):
        x, call = calls[k]
        for _ in range(20):
            worst[k] = max(worst[k], np.abs(layer(x, **call).numpy() - truth[k]).max())

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(worst) < 1e-5


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_call_leaves_nothing_on_the_layer(kind, training):
    layer = made(layers, kind, dropout=0.3, recurrent_dropout=0.3)

    def everything():
        return {key: id(value) for part in (layer, layer.cell) for key, value in vars(part).items()}

    layer(X)
    before = everything()
    layer(X, lengths=LENGTHS, training=training)
    assert everything() == before


@pytest.mark.parametrize("kind", [*KINDS, "Both LSTM"])
def test_a_mask_that_sequences_carry_holds_beside_lengths_and_initial_states(kind):
    layer, embedding = made(layers, kind), keras.layers.Embedding(9, 3, mask_zero=True)
    ids, lengths = np.array([[1, 2, 0, 0], [3, 4, 5, 6]]), np.array([4, 3], "int32")
    count = (1 + (kind.endswith("LSTM"))) * (1 + kind.startswith("Both"))
    first = [np.ones((2, 5), "float32")] * count
    x = embedding(ids)
    plain = tf.constant(x.numpy())
    same([layer(x, lengths=lengths)], [layer(plain, lengths=np.array([2, 3]))])
    same([layer(x, initial_state=first)], [layer(plain, lengths=np.array([2, 4]), initial_state=first)])


@pytest.mark.parametrize(
    "kind, dtype, within",
    [
        ("LSTM", "bfloat16", 0.03),
        ("LSTM", "float16", 3e-3),
        ("LSTM", "mixed_bfloat16", 0.03),
        ("LSTM", "float64", 1e-6),
        ("GRU", "bfloat16", 0.03),
        ("GRU", "float64", 1e-6),
        ("SimpleRNN", "bfloat16", 0.03),
        ("SimpleRNN", "mixed_bfloat16", 0.03),
    ],
)
def test_layers_of_every_dtype_are_built_and_answer(kind, dtype, within):
    layer = made(layers, kind, dtype=dtype, return_sequences=True)
    found = layer(tf.cast(X, layer.compute_dtype), lengths=LENGTHS)
    assert found.dtype == layer.compute_dtype and layer.cell.kernel.dtype == layer.variable_dtype
    np.testing.assert_allclose(
        tf.cast(found, "float32"), made(layers, kind, return_sequences=True)(X, lengths=LENGTHS), atol=within
    )


@pytest.mark.parametrize("path", ["lstm", "lstm/lstm_cell"])
def test_a_policy_map_sets_dtypes_by_path_as_in_keras(path):
    found = []
    for module in (keras.layers, layers):
        policies = keras.dtype_policies.DTypePolicyMap()
        policies[path] = keras.DTypePolicy("mixed_bfloat16")
        layer = module.LSTM(5, name="lstm", dtype=policies)
        found.append((layer(X).dtype, layer.compute_dtype, layer.cell.compute_dtype, layer.path))
    assert found[0] == found[1]


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer)), keras.models.clone_model])
def test_copies_answer_alike(copied):
    inputs = keras.Input((None, 3))
    states = layers.Bidirectional(layers.LSTM(4, return_sequences=True))(keras.layers.Masking()(inputs))
    model = keras.Model(inputs, layers.SimpleRNN(2)(layers.GRU(3, return_sequences=True, zoneout=0.1)(states)))
    other = copied(model)
    other.set_weights(model.get_weights())
    x = X * TRUE[:, :, None]
    np.testing.assert_array_equal(other(x), model(x))
    np.testing.assert_allclose(model(x)[1], model(x[1:2, :3])[0], atol=1e-6)  # and the mask goes all the way


def asked(path, model, inputs):
    """Exports to ONNX, and answers by its runtime."""
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("tf2onnx")
    model(inputs)
    model.export(path, format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(path)
    return session.run(None, dict(zip([i.name for i in session.get_inputs()], inputs)))[0]


@pytest.mark.filterwarnings("ignore")  # tf2onnx's own
@pytest.mark.parametrize("lengths", [False, True])
def test_onnx_answers_as_the_model_in_both_directions(tmp_path, lengths):
    """All kinds side by side in one model: an export takes seconds."""
    sequences, true = keras.Input((None, 3)), keras.Input((), dtype="int32")
    call = {"lengths": true} if lengths else {}
    several = [(kind, {"go_backwards": backwards}) for kind in KINDS for backwards in (False, True)]
    several += [("Both LSTM", {}), ("Both GRU", {})]
    outputs = [made(layers, kind, return_sequences=True, **options)(sequences, **call) for kind, options in several]
    model = keras.Model([sequences, true] if lengths else [sequences], keras.layers.Concatenate()(outputs))
    values = [X, LENGTHS] if lengths else [X]
    np.testing.assert_allclose(asked(str(tmp_path / "m.onnx"), model, values), model(values), atol=1e-5)


@pytest.mark.filterwarnings("ignore")  # that the interpreter moves to another package
def test_litert_answers_as_the_model():
    inputs = keras.Input(batch_shape=(1, 6, 3))
    model = keras.Model(inputs, layers.GRU(4)(layers.Bidirectional(layers.LSTM(5, return_sequences=True))(inputs)))
    interpreter = tf.lite.Interpreter(model_content=tf.lite.TFLiteConverter.from_keras_model(model).convert())
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], X[:1])
    interpreter.invoke()
    np.testing.assert_allclose(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]), model(X[:1]), atol=1e-5)
