"""SavedModel: the answering path of a pipeline as a file that TensorFlow Serving runs.

Convention: a signature takes a batch of the frontend's named inputs, of no rows too, and returns named fields; outputs are
dense and real numbers are float32. An export is asked on the spot, each signature in a fresh process that does not have
seqkit, and is only put in its place if it answers as the pipeline does. The questions travel along as warm-up requests
(`assets.extra/tf_serving_warmup_requests`), so that a server's first client does not wait for what is done once.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from seqkit.layers import portable

# What a CPU server without Python and with XLA switched off (as TensorFlow Serving ships) cannot run.
_UNSERVABLE = ("Cudnn", "PyFunc", "EagerPyFunc", "XlaLaunch")

_ASK = """
import sys
if sys.path[0] == "":
    del sys.path[0]  # the working directory
import pathlib
import tensorflow as tf
try:
    import tensorflow_text
except ImportError:
    pass
model, questions, answers = map(pathlib.Path, sys.argv[1:])
signatures = tf.saved_model.load(str(model)).signatures
for question in questions.glob("*/*"):
    serve = signatures[question.name]
    forms = serve.structured_input_signature[1]
    inputs = {n: tf.io.parse_tensor((question / n).read_bytes(), form.dtype) for n, form in forms.items()}
    place = answers / question.parent.name / question.name
    place.mkdir(parents=True)
    for name, value in serve(**inputs).items():
        (place / name).write_bytes(tf.io.serialize_tensor(value).numpy())
assert "seqkit" not in sys.modules
"""


def export(model, frontend, signatures, directory):
    """Writes a SavedModel and checks it.

    Args:
        model: `SequenceModel`; its weights are saved.
        frontend: its frontend, whose resources are saved.
        signatures: dict of name -> (the function to save: dict of batched inputs -> dict of batched outputs; the
            `tf.TensorSpec` of each input, by name; a batch of one row or more to check it with). One of them is
            `serving_default`.
        directory: where to; must not exist, or be empty. (TensorFlow Serving expects `.../name/1`.)

    Returns:
        The directory's `Path`.

    Raises:
        FileExistsError: the directory has something in it, or is a file.
        OSError: it cannot be written.
        RuntimeError: the export cannot be served, or answers differently. Nothing is left at `directory` then.
    """
    directory = Path(directory)
    place = Path(os.path.realpath(directory))
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        what = "not empty" if place.is_dir() else "a file"
        raise FileExistsError(f"{directory} is {what}. Export to a new directory, such as {directory.parent}/2.")
    with contextlib.ExitStack() as stack:
        with _writing(directory):
            place.parent.mkdir(parents=True, exist_ok=True)
            # Inside of a directory that is there: it may be a mount point, which cannot be moved to.
            inside = place if place.exists() else place.parent
            work = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=inside, prefix=".export-")))
        artifact = tf.Module()
        # Keras's own variables would load in Python and be missing in C++; what they wrap is found by both.
        artifact.weights = [variable.value for variable in model.weights]
        artifact.frontend = frontend
        questions, expected = {}, {}
        with portable(), _quiet():
            serve = {
                name: tf.function(_of_any_number(*signature), input_signature=[signature[1]], autograph=False)
                for name, signature in signatures.items()
            }
            serve = {name: function.get_concrete_function() for name, function in serve.items()}
            with _writing(directory):
                tf.saved_model.save(artifact, str(work / "model"), signatures=serve)
            for name, (function, forms, batch) in signatures.items():
                some = {key: tf.constant(value) for key, value in batch.items()}
                answer = {key: value.numpy() for key, value in function(some).items()}
                questions["some", name], expected["some", name] = some, answer
                if _rows(forms):
                    questions["none", name] = {**some, **{key: some[key][:0] for key in _rows(forms)}}
                    expected["none", name] = {key: value[:0] for key, value in answer.items()}
        check_servable(work / "model")
        with _writing(directory):
            received = _ask(work, questions)
        for (many, name), answer in expected.items():
            _compare(f"{name}, asked for {many},", answer, received[many, name])
        with _writing(directory):
            _write_warm_up(work / "model", {name: question for (many, name), question in questions.items() if many == "some"})
            if place.exists():
                for path in sorted((work / "model").iterdir(), key=lambda path: path.name == "saved_model.pb"):
                    os.replace(path, place / path.name)  # the graph last: a server takes it for the sign that all is there
            else:
                os.replace(work / "model", place)
    return directory


@contextlib.contextmanager
def _writing(directory):
    """Names the directory where the system, or TensorFlow for it, says that something could not be written."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or error
        raise OSError(f"{directory}: the export cannot be written ({reason}). Nothing was left there.") from error


def _rows(forms):
    """The names of the inputs that have a row for each item."""
    return [name for name, form in forms.items() if form.shape.rank and form.shape[0] is None]


def _of_any_number(function, forms, batch):
    """The function, for no rows too, which layers refuse: a row of the batch stands in, and its answer is taken away."""
    rows = _rows(forms)
    if not rows:
        return function

    def answer(inputs):
        count = tf.shape(inputs[rows[0]])[0]

        def filled(name):
            value = tf.cond(count > 0, lambda: inputs[name], lambda: tf.constant(batch[name][:1], forms[name].dtype))
            return tf.ensure_shape(value, forms[name].shape)

        answers = function({**inputs, **{name: filled(name) for name in rows}})
        return {name: value[:count] for name, value in answers.items()}

    return answer


@contextlib.contextmanager
def _quiet():
    """Without TensorFlow's lines on where it wrote what: that is a temporary place."""
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("WARNING")
    try:
        yield
    finally:
        logger.setLevel(level)


def operations(directory):
    """Yields every node of a SavedModel, those inside its functions too, as `NodeDef`."""
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel.FromString((Path(directory) / "saved_model.pb").read_bytes())
    for graph in proto.meta_graphs:
        yield from graph.graph_def.node
        for function in graph.graph_def.library.function:
            yield from function.node_def
            if function.attr["_XlaMustCompile"].b:
                yield tf.compat.v1.NodeDef(name=function.signature.name, op="XlaLaunch")


def check_servable(directory):
    """Raises RuntimeError if a SavedModel holds an operation that a plain CPU server cannot run."""
    for node in operations(directory):
        if node.op.startswith(_UNSERVABLE):
            raise RuntimeError(
                f"The export holds the operation {node.op} ({node.name}), which a CPU server cannot run. Nothing was written."
            )


def _ask(work, questions):
    """The answers of the export in `work/model`, asked in a fresh process: dict of question -> dict of arrays."""
    for (many, name), batch in questions.items():
        place = work / "questions" / many / name
        place.mkdir(parents=True)
        for key, value in batch.items():
            (place / key).write_bytes(tf.io.serialize_tensor(value).numpy())
    # It finds its packages where this process does, wherever that is, but for the working directory.
    named = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path]
    paths = [*named, *(path for path in sys.path if path and os.path.abspath(path) != os.getcwd())]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(map(os.path.abspath, paths))),
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    places = [work / name for name in ("model", "questions", "answers")]
    command = [sys.executable, "-W", "ignore", "-c", _ASK, *places]
    child = subprocess.run(command, cwd=os.sep, env=environment, capture_output=True, text=True)
    if child.returncode:
        raise RuntimeError(f"The export does not answer in a fresh process; nothing was written.\n{child.stderr}")
    return {
        (many, name): {
            path.name: tf.make_ndarray(tensor_pb2.TensorProto.FromString(path.read_bytes()))
            for path in (work / "answers" / many / name).iterdir()
        }
        for many, name in questions
    }


def _compare(who, expected, received):
    if set(received) != set(expected):
        raise RuntimeError(f"The export answers with {sorted(received)}; expected {sorted(expected)}.")
    for name, value in expected.items():
        other = received[name]
        if value.shape[:1] == (0,):  # other sizes are as they come
            same = other.shape[:1] == (0,) and other.ndim == value.ndim
        elif value.dtype == object:
            same = np.array_equal(value, other)
        else:
            same = other.shape == value.shape and np.allclose(value, other, rtol=0, atol=1e-5)
        if not same or other.dtype != value.dtype:
            raise RuntimeError(
                f"The export answers differently in a fresh process: {name} of {who} is {other!r:.200}, expected "
                f"{value!r:.200}. Nothing was written."
            )


def _write_warm_up(saved, requests):
    """Writes requests as TensorFlow Serving replays them: a TFRecord of `PredictionLog`, which its package would define.

    Of that message's fields (tensorflow_serving/apis: prediction_log.proto, predict.proto, model.proto) these are filled:
    predict_log (6) . request (1) . model_spec (1) . signature_name (3), and . inputs (2), a map of key (1) and value (2).
    """
    (saved / "assets.extra").mkdir()
    with tf.io.TFRecordWriter(str(saved / "assets.extra" / "tf_serving_warmup_requests")) as writer:
        for name, batch in requests.items():
            request = _field(1, _field(3, name.encode()))
            for key, value in batch.items():
                request += _field(2, _field(1, key.encode()) + _field(2, tf.io.serialize_tensor(value).numpy()))
            writer.write(_field(6, _field(1, request)))


def _field(number, content):
    """A field of a protobuf message that holds bytes: its number and wire type 2, the length in groups of 7 bits, they."""
    length, size = [], len(content)
    while size > 127:
        length.append(size & 127 | 128)
        size >>= 7
    return bytes([number << 3 | 2, *length, size]) + content
