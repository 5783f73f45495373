"""Exports: what is refused, what is noticed, and that a server without Python gives the same answers."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from cases import HANDWRITING, SENTIMENT

from seqkit.serving import export


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A program without Python that serves exports."""
    if shutil.which("g++") is None:
        pytest.skip("needs a C++ compiler")
    home = Path(tf.__file__).parent
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    source, program = Path(__file__).with_name("serve.cc"), tmp_path_factory.mktemp("server") / "serve"
    flags = [*tf.sysconfig.get_compile_flags(), "-w", f"-L{home}", f"-Wl,-rpath,{home}"]
    subprocess.run(["g++", str(source), "-o", str(program), *flags, *libraries], check=True)
    return program


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
    assert [line.partition(" ")[2] for line in served] == [case.told(answer) for answer in answers]
    np.testing.assert_allclose([float(line.partition(" ")[0]) for line in served], [a.score for a in answers], atol=1e-5)


def test_an_export_that_answers_differently_is_refused(tmp_path):
    pipe = SENTIMENT.pipe
    asked = []

    def fickle(batch):
        asked.append(batch)
        outputs = pipe.answer(batch)
        return {**outputs, "score": outputs["score"] + 0.001 * (len(asked) - 1)}

    with pytest.raises(RuntimeError, match="answers differently in a fresh process: score is"):
        export.export(pipe.model, pipe.frontend, fickle, tmp_path / "1", pipe.task.SAMPLES)
    assert list(tmp_path.iterdir()) == []


def test_an_export_that_needs_python_is_refused(tmp_path):
    pipe = SENTIMENT.pipe

    def python(batch):
        return {"score": tf.numpy_function(lambda text: np.zeros(len(text), "float32"), [batch["text"]], tf.float32)}

    with pytest.raises(RuntimeError, match="PyFunc.* CPU server cannot run"):
        export.export(pipe.model, pipe.frontend, python, tmp_path / "1", pipe.task.SAMPLES)
    assert list(tmp_path.iterdir()) == []


def test_an_export_compiled_by_xla_is_refused(tmp_path):
    pipe = SENTIMENT.pipe
    compiled = tf.function(lambda x: x * 2, jit_compile=True)

    def answer(batch):
        return {"score": compiled(pipe.answer(batch)["score"])}

    with pytest.raises(RuntimeError, match="XlaLaunch"):
        export.export(pipe.model, pipe.frontend, answer, tmp_path / "1", pipe.task.SAMPLES)


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
