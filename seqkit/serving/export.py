"""SavedModel: the answering path of a pipeline as a file that TensorFlow Serving runs.

Convention: the signature `serving_default` takes the frontend's named inputs and returns the answer's named fields;
outputs are dense and real numbers are float32. An export is asked on the spot, in a fresh process that does not have
seqkit, and is only put in its place if it answers as the pipeline does.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqkit.layers import portable

# What a CPU server without Python and with XLA switched off (as TensorFlow Serving ships) cannot run.
_UNSERVABLE = ("Cudnn", "PyFunc", "EagerPyFunc", "XlaLaunch")

_ASK = """
import pathlib, sys
import tensorflow as tf
try:
    import tensorflow_text
except ImportError:
    pass
model, questions, answers = map(pathlib.Path, sys.argv[1:])
serve = tf.saved_model.load(str(model)).signatures["serving_default"]
forms = serve.structured_input_signature[1]
inputs = {n: tf.io.parse_tensor((questions / n).read_bytes(), form.dtype) for n, form in forms.items()}
for name, value in serve(**inputs).items():
    (answers / name).write_bytes(tf.io.serialize_tensor(value).numpy())
assert "seqkit" not in sys.modules
"""


def export(model, frontend, answer, directory, samples):
    """Writes a SavedModel and checks it.

    Args:
        model: `SequenceModel`; its weights are saved.
        frontend: its frontend; `signature` names the inputs, and `signatures`, where it has that, the inputs of each way
            in, by name.
        answer: the function to save: dict of batched inputs -> dict of batched outputs.
        directory: where to; must not exist, or be empty. (TensorFlow Serving expects `.../name/1`.)
        samples: raw inputs to check the export with.

    Returns:
        The directory's `Path`.

    Raises:
        FileExistsError: the directory has something in it.
        RuntimeError: the export cannot be served, or answers differently; nothing is left at `directory`.
    """
    directory = Path(directory)
    if directory.exists() and any(directory.iterdir()):
        raise FileExistsError(f"{directory} is not empty. Export to a new directory, such as {directory.parent}/2.")
    directory.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=directory.parent, prefix=".export-") as work:
        saved, questions, answers = (Path(work).resolve() / name for name in ("model", "questions", "answers"))
        questions.mkdir()
        answers.mkdir()
        artifact = tf.Module()
        # Keras's own variables would load in Python and be missing in C++; what they wrap is found by both.
        artifact.weights = [variable.value for variable in model.weights]
        artifact.frontend = frontend
        batch = {name: tf.constant(value) for name, value in frontend.collate(list(samples)).items()}
        with portable(), _quiet():
            forms = getattr(frontend, "signatures", {"serving_default": frontend.signature})
            serve = {
                name: tf.function(answer, input_signature=[form], autograph=False).get_concrete_function()
                for name, form in forms.items()
            }
            tf.saved_model.save(artifact, str(saved), signatures=serve)
            expected = {name: value.numpy() for name, value in answer(batch).items()}
        check_servable(saved)
        _ask(saved, batch, questions, answers)
        _compare(expected, {path.name: path.read_bytes() for path in answers.iterdir()})
        if directory.exists():
            directory.rmdir()
        shutil.move(saved, directory)
    return directory


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


def _ask(saved, batch, questions, answers):
    for name, value in batch.items():
        (questions / name).write_bytes(tf.io.serialize_tensor(value).numpy())
    # -I: neither the working directory nor PYTHONPATH, so that what answers is the file alone.
    command = [sys.executable, "-I", "-c", _ASK, saved, questions, answers]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "-1"}
    child = subprocess.run(command, cwd=os.sep, env=quiet, capture_output=True, text=True)
    if child.returncode:
        raise RuntimeError(f"The export does not answer in a fresh process; nothing was written.\n{child.stderr}")


def _compare(expected, received):
    if set(received) != set(expected):
        raise RuntimeError(f"The export answers with {sorted(received)}; expected {sorted(expected)}.")
    for name, value in expected.items():
        dtype = tf.string if value.dtype == object else tf.as_dtype(value.dtype)
        other = tf.io.parse_tensor(received[name], dtype).numpy()
        same = np.array_equal(value, other) if dtype == tf.string else np.allclose(value, other, rtol=0, atol=1e-5)
        if not same:
            raise RuntimeError(
                f"The export answers differently in a fresh process: {name} is {other!r:.200}, expected "
                f"{value!r:.200}. Nothing was written."
            )
