"""Exports: what is refused, what is noticed, and that a server without Python gives the same answers."""

import os
import resource
import signal
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from cases import HANDWRITING, SENTIMENT, STROKES
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2
from tensorflow.core.framework import resource_handle_pb2, tensor_pb2, tensor_shape_pb2, types_pb2

from seqkit.serving import export


@pytest.fixture(scope="module")
def server(compiled):
    """A program without Python that serves exports."""
    return compiled("serve.cc")


(SENTENCEPIECE,) = Path(tensorflow_text.__file__).parent.glob("python/ops/_sentencepiece_tokenizer.so")


@pytest.mark.parametrize(
    "case, output, operations, more",
    [(SENTIMENT, "label", SENTENCEPIECE, ["", "😀", "good " * 300]), (HANDWRITING, "text", "", HANDWRITING.edges)],
    ids=["sentiment", "handwriting"],
)
def test_a_cpp_server_answers_the_same(case, output, operations, more, server, exported, tmp_path):
    inputs = [*case.inputs, *more]
    ((name, items),) = case.pipe.frontend.collate(inputs).items()
    files = [tmp_path / str(place) for place in range(len(items))]
    for file, item in zip(files, items):
        file.write_bytes(item)
    command = [server, exported(case), name, output, operations, *files]
    served = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    answers = case.pipe(inputs)
    assert [line.partition(" ")[2] for line in served] == [case.answered(answer) for answer in answers]
    np.testing.assert_allclose([float(line.partition(" ")[0]) for line in served], [a.score for a in answers], atol=1e-5)


def export_of(pipe, answer, directory, **others):
    batch = pipe.frontend.collate(pipe.task.samples)
    signatures = {"serving_default": (answer, pipe.frontend.signature, batch), **others}
    return export.export(pipe.model, pipe.frontend, signatures, directory)


def export_twice(directory):
    """Exports a function that doubles its input, for what has to do with files and processes alone."""
    double = (lambda batch: {"twice": batch["x"] * 2}, {"x": tf.TensorSpec((None,), tf.float32, "x")}, {"x": np.ones(2, "f")})
    return export.export(STROKES.pipe.model, STROKES.pipe.frontend, {"serving_default": double}, directory)


def test_an_export_that_answers_differently_is_refused(tmp_path):
    pipe = SENTIMENT.pipe
    asked = []

    def fickle(batch):
        asked.append(batch)
        outputs = pipe.answer(batch)
        return {**outputs, "score": outputs["score"] + 0.001 * (len(asked) - 1)}

    with pytest.raises(
        RuntimeError, match="answers differently in a fresh process: score of serving_default, asked for some, is"
    ):
        export_of(pipe, fickle, tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_needs_python_is_refused(tmp_path):
    pipe = SENTIMENT.pipe

    def python(batch):
        return {"score": tf.numpy_function(lambda text: np.zeros(len(text), "float32"), [batch["text"]], tf.float32)}

    with pytest.raises(RuntimeError, match="PyFunc.* CPU server cannot run"):
        export_of(pipe, python, tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


def test_an_export_compiled_by_xla_is_refused(tmp_path):
    pipe = SENTIMENT.pipe
    compiled = tf.function(lambda x: x * 2, jit_compile=True)

    def answer(batch):
        return {"score": compiled(pipe.answer(batch)["score"])}

    with pytest.raises(RuntimeError, match="XlaLaunch"):
        export_of(pipe, answer, tmp_path / "1")


def test_a_directory_in_use_is_refused(exported):
    before = sorted(exported(SENTIMENT).rglob("*"))
    with pytest.raises(FileExistsError, match="is not empty. Export to a new directory"):
        SENTIMENT.pipe.export(exported(SENTIMENT))
    assert sorted(exported(SENTIMENT).rglob("*")) == before


def test_the_signature_reads_like_documentation(exported):
    serve = tf.saved_model.load(str(exported(SENTIMENT))).signatures["serving_default"]
    ((name, form),) = serve.structured_input_signature[1].items()
    assert (name, form.dtype, form.shape.as_list()) == ("text", tf.string, [None])
    shapes = {name: (form.dtype.name, form.shape.as_list()) for name, form in serve.structured_outputs.items()}
    assert shapes == {"label": ("string", [None]), "score": ("float32", [None]), "scores": ("float32", [None, 3])}


def test_every_signature_is_asked(tmp_path):
    pipe, asked = SENTIMENT.pipe, []

    def fickle(batch):
        asked.append(batch)
        return {"twice": batch["x"] * 2 + float(len(asked) - 1)}

    other = (fickle, {"x": tf.TensorSpec((None, 3), tf.float32, "x")}, {"x": np.ones((2, 3), np.float32)})
    with pytest.raises(RuntimeError, match="differently in a fresh process: twice of other, asked for some, is"):
        export_of(pipe, pipe.answer, tmp_path / "1", other=other)
    assert list(tmp_path.iterdir()) == []


def test_no_items_get_no_answers(case, exported):
    loaded = tf.saved_model.load(str(exported(case)))
    batches = {"serving_default": case.pipe.frontend.collate(case.inputs)}
    batches |= case.pipe.frontend.otherwise(batches["serving_default"])
    assert set(batches) == {name for name in loaded.signatures if not name.startswith("stream_")}
    for name, batch in batches.items():
        one = loaded.signatures[name](**{key: tf.constant(value[:1]) for key, value in batch.items()})
        none = loaded.signatures[name](**{key: tf.constant(value[:0]) for key, value in batch.items()})
        assert {key: (value.dtype, len(value), value.ndim) for key, value in none.items()} == {
            key: (value.dtype, 0, value.ndim) for key, value in one.items()
        }


def prediction_log():
    """`PredictionLog`, as far as it is used, from its description in tensorflow_serving/apis."""
    file = descriptor_pb2.FileDescriptorProto(
        name="log.proto", syntax="proto3", dependency=["tensorflow/core/framework/tensor.proto"]
    )
    kinds = {"string": 9, "message": 11}

    def message(parent, name, *fields):
        new = parent.add(name=name)
        for field, number, kind, type_name, label in fields:
            new.field.add(name=field, number=number, type=kinds[kind], type_name=type_name, label=label)
        return new

    message(file.message_type, "ModelSpec", ("name", 1, "string", None, 1), ("signature_name", 3, "string", None, 1))
    request = message(
        file.message_type,
        "PredictRequest",
        ("model_spec", 1, "message", ".ModelSpec", 1),
        ("inputs", 2, "message", ".PredictRequest.InputsEntry", 3),
    )
    entry = ("key", 1, "string", None, 1), ("value", 2, "message", ".tensorflow.TensorProto", 1)
    message(request.nested_type, "InputsEntry", *entry).options.map_entry = True
    message(file.message_type, "PredictLog", ("request", 1, "message", ".PredictRequest", 1))
    message(file.message_type, "PredictionLog", ("predict_log", 6, "message", ".PredictLog", 1))
    pool = descriptor_pool.DescriptorPool()
    for each in (types_pb2, tensor_shape_pb2, resource_handle_pb2, tensor_pb2):
        pool.AddSerializedFile(each.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("PredictionLog"))


def test_a_server_is_warmed_up_by_each_signature(case, exported):
    signatures = tf.saved_model.load(str(exported(case))).signatures
    records = tf.data.TFRecordDataset(str(exported(case) / "assets.extra" / "tf_serving_warmup_requests"))
    logs = [prediction_log().FromString(record) for record in records.as_numpy_iterator()]
    requests = {log.predict_log.request.model_spec.signature_name: log.predict_log.request.inputs for log in logs}
    assert len(logs) == len(requests) and set(requests) == set(signatures)
    for name, inputs in requests.items():
        tensors = {key: tf.make_ndarray(tensor_pb2.TensorProto.FromString(inputs[key].SerializeToString())) for key in inputs}
        answer = signatures[name](**{key: tf.constant(value) for key, value in tensors.items()})
        if name.startswith("stream_"):  # its answer goes on with more
            continue
        found = [
            case.pipe.model.head.typed(**{k: v.numpy()[row] for k, v in answer.items()})
            for row in range(len(case.pipe.task.samples))
        ]
        assert list(map(case.answered, found)) == list(map(case.answered, case.pipe(list(case.pipe.task.samples))))


@pytest.mark.parametrize("size", [0, 1, 127, 128, 300, 70_000])
def test_a_field_is_read_back_by_protobuf(size):
    assert wrappers_pb2.BytesValue.FromString(export._field(1, b"x" * size)).value == b"x" * size


def test_an_export_into_a_mount_point_or_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = os.stat(tmp_path).st_ino
    export_twice(".")
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "assets",
        "assets.extra",
        "fingerprint.pb",
        "saved_model.pb",
        "variables",
    ]
    assert os.stat(tmp_path).st_ino == before


def test_packages_are_looked_for_where_this_process_has_them_and_not_in_the_working_directory(tmp_path, monkeypatch):
    (tmp_path / "work").mkdir()
    (tmp_path / "lib").mkdir()
    (tmp_path / "work" / "tensorflow.py").write_text("raise SystemExit('the working directory')")
    (tmp_path / "lib" / "tensorflow_text.py").write_text(f"open({str(tmp_path / 'read')!r}, 'w')")
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PYTHONPATH", "../lib")
    monkeypatch.syspath_prepend("")
    export_twice(tmp_path / "1")
    assert (tmp_path / "read").exists()


def test_an_export_that_cannot_be_written_names_the_directory(tmp_path):
    (tmp_path / "file").touch()
    for place, message in (
        (tmp_path / "file", "is a file. Export to a new"),
        (tmp_path / "file" / "1", "cannot be written .File exists"),
    ):
        with pytest.raises(OSError, match=f"{place}.*{message}"):
            STROKES.pipe.export(place)
    kept, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with pytest.raises(OSError, match=f"{tmp_path}/full: the export cannot be written .*File too large"):
            STROKES.pipe.export(tmp_path / "full")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, kept)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
