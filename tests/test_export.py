"""Exports: what is refused, what is noticed, and that a server without Python gives the same answers."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import tensorflow_text
from cases import SENTIMENT

from seqkit import export


@pytest.mark.skipif(shutil.which("g++") is None, reason="needs a C++ compiler")
def test_a_cpp_server_answers_the_same(exported, tmp_path):
    home = Path(tf.__file__).parent
    libraries = ["-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"]
    source, program = Path(__file__).with_name("serve.cc"), tmp_path / "serve"
    flags = [*tf.sysconfig.get_compile_flags(), "-w", f"-L{home}", f"-Wl,-rpath,{home}"]
    subprocess.run(["g++", str(source), "-o", str(program), *flags, *libraries], check=True)
    (operations,) = Path(tensorflow_text.__file__).parent.glob("python/ops/_sentencepiece_tokenizer.so")
    texts = [*SENTIMENT.inputs, "", "😀", "good " * 300]
    out = subprocess.run([program, exported(SENTIMENT), operations, *texts], capture_output=True, text=True, check=True).stdout
    answers = SENTIMENT.pipe(texts)
    served = [line.split() for line in out.splitlines()]
    assert [label for label, _ in served] == [answer.label for answer in answers]
    np.testing.assert_allclose([float(score) for _, score in served], [a.score for a in answers], atol=1e-5)


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
