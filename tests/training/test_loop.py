"""The loop: what a run leaves on disk, and that a killed run ends as an unbroken one."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from cases import HANDWRITING, SENTIMENT

from seqkit.data import batches
from seqkit.training import loop, objectives
from seqkit.training.loop import Options

QUICK = {"epochs": 2, "batch_steps": 64, "learning_rate": 5e-3, "verbose": False}
ONE_SHAPE = {"batch_steps": 96, "crop": 8}  # of all batches of SENTIMENT: one program to compile
SHORT = {**QUICK, **ONE_SHAPE}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A pipeline after a run, the run's directory, and its history."""
    pipe, directory = SENTIMENT.build(), tmp_path_factory.mktemp("finished") / "run"
    history = pipe.fit(SENTIMENT.examples, validation=SENTIMENT.examples, directory=directory, **SHORT)
    return pipe, directory, history


@pytest.fixture
def run(finished, tmp_path):
    """A copy of the finished run's directory, which a test may change."""
    return shutil.copytree(finished[1], tmp_path / "run")


def fit_again(directory, examples=SENTIMENT.examples, **options):
    """A new pipeline, with the call that `finished` was trained by: itself and its history."""
    pipe = SENTIMENT.build()
    return pipe, pipe.fit(examples, validation=SENTIMENT.examples, directory=directory, **{**SHORT, **options})


def test_a_run_leaves_its_record(finished):
    _, directory, history = finished
    with (directory / "log.csv").open() as file:
        logged = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in logged] == [1, 2]
    assert list(logged[0]) == ["epoch", "loss", "accuracy", "macro_f1", "calibration_error", "seconds"]
    record = json.loads((directory / "run.json").read_text())
    assert record["history"] == history
    assert record["run"]["options"]["learning_rate"] == 5e-3
    assert record["run"]["identity"]["config"]["units"] == 8
    assert list((directory / "tensorboard").iterdir())


def prepared(pipe, examples, frontend=None, **options):
    """A case's examples as a corpus, once the pipeline has learnt what it must."""
    pipe.learn(examples)
    read = [(pipe.frontend.read(x, "Example"), y) for x, y in examples]
    return batches.prepare(frontend or pipe.frontend, read, pipe.model.head, **options)


def test_training_reads_with_the_frontends_own_form_for_it(tmp_path):
    pipe = HANDWRITING.build()
    pipe.fit(HANDWRITING.examples, directory=tmp_path, **{**QUICK, "epochs": 1, "batch_steps": 2048})
    shown, answered = (
        prepared(pipe, HANDWRITING.examples, frontend).digest for frontend in (pipe.frontend.learning(), pipe.frontend)
    )
    assert shown != answered
    assert json.loads((tmp_path / "run.json").read_text())["run"]["examples"] == shown


def test_augmenting_has_a_seed_of_its_own_at_each_step():
    pipe, seen = SENTIMENT.build(seed=7), []

    def augment(features, lengths, seed):
        (seed,) = tf.numpy_function(lambda seed: [seen.append(seed.tolist()) or seed], [seed], [tf.int32])
        with tf.control_dependencies([seed]):
            return tf.zeros_like(features), lengths  # all words are one, so nothing can be learnt

    options, corpus = Options(epochs=2, batch_steps=96, seed=7), prepared(pipe, SENTIMENT.examples, crop=8)
    history, _ = loop.fit(pipe.model, corpus, options, objectives.one_view(pipe.model, augment), verbose=False)
    steps = len(seen) // 2
    assert steps > 1 and seen == [[7, step] for step in range(2 * steps)]
    assert history[-1]["loss"] > 0.9  # near log 3


def test_with_agreement_each_example_is_shown_twice_in_batches_of_the_same_size():
    pipe, seen = HANDWRITING.build(), []
    corpus = prepared(pipe, HANDWRITING.examples[::4])  # of one text, so of one length

    def augment(features, lengths, seed, views=1):
        (shown,) = tf.numpy_function(lambda x: [seen.append((views, x.copy())) or x], [features], [tf.float32])
        return tf.ensure_shape(shown, features.shape), lengths

    for agreement in (0.0, 0.5):
        options = Options(epochs=1, batch_steps=256, agreement=agreement)
        objective = (
            objectives.two_views(pipe.model, augment, agreement) if agreement else objectives.one_view(pipe.model, augment)
        )
        loop.fit(pipe.model, corpus, options, objective, verbose=False)
    once, twice = ([x for views, x in seen if views == count] for count in (1, 2))
    assert sum(map(len, twice)) == 2 * sum(map(len, once))
    for x in twice:
        np.testing.assert_array_equal(x[: len(x) // 2], x[len(x) // 2 :])
    assert max(x.shape[0] * x.shape[1] for x in twice) <= 256 < sum(x.shape[0] * x.shape[1] for x in twice)


def test_agreement_is_refused_where_no_text_is_read():
    with pytest.raises(ValueError, match="agreement is for readers of text; sentiment-analysis has a LabelHead"):
        SENTIMENT.build().fit(SENTIMENT.examples, **QUICK, agreement=0.2)


def test_a_dataset_trains_as_pairs_do():
    texts, labels = zip(*SENTIMENT.examples)
    dataset = tf.data.Dataset.from_tensor_slices((list(texts), list(labels)))
    pipe = SENTIMENT.build()
    pipe.fit(dataset.batch(5), **QUICK)
    assert pipe(SENTIMENT.inputs) == SENTIMENT.pipe(SENTIMENT.inputs)  # which pairs have trained, by the same options


def test_a_finished_run_is_not_run_again(finished, run):
    first, _, history = finished
    again, same = fit_again(run)
    assert same == history
    assert again(SENTIMENT.inputs) == first(SENTIMENT.inputs)


def test_a_log_that_the_kill_cut_off_is_written_again(run):
    whole = (run / "log.csv").read_text()
    (run / "log.csv").unlink()
    fit_again(run)
    assert (run / "log.csv").read_text() == whole


def test_the_directory_of_another_run_is_refused(run):
    with pytest.raises(ValueError, match="holds another run: its epochs is 2, yours is 3"):
        fit_again(run, epochs=3)
    with pytest.raises(ValueError, match="its examples differ; its asset .* differ"):
        fit_again(run, SENTIMENT.examples[:-1])


def train(directory):
    """A pipeline after a run of three epochs of nine steps."""
    pipe = SENTIMENT.build()
    options = {"epochs": 3, "batch_steps": 32, "learning_rate": 5e-3, "average": 0.9, "crop": 4, "verbose": False}
    pipe.fit(SENTIMENT.examples, validation=SENTIMENT.examples[::2], directory=directory, **options)
    return pipe


RUN = """
import pathlib, sys
from seqkit.training import loop
from training.test_loop import train
loop.SECONDS_BETWEEN_CHECKPOINTS = 0  # one after each step
train(pathlib.Path(sys.argv[1]))
"""


def start(directory):
    """`train` in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(directory)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def test_a_run_killed_twice_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    for after in (5, 14):  # steps
        broken = start(tmp_path / "broken")
        while not list((tmp_path / "broken" / "checkpoints").glob(f"ckpt-{after}.index")):
            assert broken.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        broken.send_signal(signal.SIGKILL)
        assert broken.wait() == -signal.SIGKILL
    unbroken, mended = (train(tmp_path / run).model.variables for run in ("unbroken", "broken"))
    assert len(unbroken) == len(mended) > 10
    for one, other in zip(unbroken, mended):
        np.testing.assert_array_equal(one.numpy(), other.numpy(), err_msg=one.path)
    histories = [json.loads((tmp_path / run / "run.json").read_text())["history"] for run in ("unbroken", "broken")]
    assert [{**line, "seconds": 0} for line in histories[0]] == [{**line, "seconds": 0} for line in histories[1]]


def test_the_best_epoch_is_kept_and_waiting_ends():
    pipe = SENTIMENT.build()
    answers = iter([0.5, 0.9, 0.7, 0.6, 0.99])
    corpus, kernels = prepared(pipe, SENTIMENT.examples, crop=8), []

    def evaluate():
        kernels.append(pipe.model.head.dense.kernel.numpy())
        return {"accuracy": next(answers)}

    options = Options(epochs=5, batch_steps=96, learning_rate=5e-3, patience=2)
    history, _ = loop.fit(pipe.model, corpus, options, objectives.one_view(pipe.model), evaluate=evaluate, verbose=False)
    assert [line["accuracy"] for line in history] == [0.5, 0.9, 0.7, 0.6]
    np.testing.assert_array_equal(pipe.model.head.dense.kernel.numpy(), kernels[1])


def test_a_loss_that_is_no_number_stops_the_run():
    pipe = SENTIMENT.build()
    pipe.learn(SENTIMENT.examples)
    pipe.model.head.dense.bias.assign([np.nan] * 3)
    with pytest.raises(FloatingPointError, match=r"loss became nan in epoch 1, step 1. Lower learning_rate"):
        pipe.fit(SENTIMENT.examples, **SHORT)


@pytest.mark.parametrize(
    "name, value", [("epochs", 0), ("learning_rate", 0.0), ("average", 1.0), ("batch_steps", 0), ("agreement", -1.0)]
)
def test_impossible_options_are_refused(name, value):
    with pytest.raises(ValueError, match=f"{name} must be .*received {value}"):
        Options(**{name: value})


def test_an_unknown_option_is_refused_by_name():
    with pytest.raises(ValueError, match="no option 'learning_rat'"):
        SENTIMENT.build().fit(SENTIMENT.examples, learning_rat=1.0)


def test_pretraining_teaches_the_encoder_and_leaves_the_head():
    pipe = SENTIMENT.build()
    with pytest.raises(RuntimeError, match=r"call learn\(examples\) first"):
        pipe.pretrain(["a"])
    pipe.learn(SENTIMENT.examples)
    kernel, table = pipe.model.head.dense.kernel.numpy(), pipe.model.encoder.embedding.embeddings.numpy()
    history = pipe.pretrain([text for text, _ in SENTIMENT.examples] * 3, **{**SHORT, "epochs": 12})
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    np.testing.assert_array_equal(pipe.model.head.dense.kernel.numpy(), kernel)
    assert np.abs(pipe.model.encoder.embedding.embeddings.numpy() - table).max() > 0
    with pytest.raises(ValueError, match="depth=1"):
        deep = SENTIMENT.build(depth=2)
        deep.learn(SENTIMENT.examples)
        deep.pretrain(["a"])


@pytest.fixture(scope="module")
def plain():
    return SENTIMENT.train(epochs=1, **ONE_SHAPE)


def weights_of(pipe):
    return [weight.numpy() for weight in pipe.model.trainable_variables]


@pytest.mark.parametrize(
    "option",
    [
        {"learning_rate": 6e-3},
        {"warmup": 0.5},
        {"clip": 1e-7},
        {"weight_decay": 0.5},
        {"average": 0.5},
        {"crop": 2},
        {"batch_steps": 32},
        {"epochs": 2},
        {"seed": 1},
    ],
    ids=lambda option: next(iter(option)),
)
def test_each_option_changes_what_is_learnt(plain, option):
    other = SENTIMENT.train(**{"epochs": 1, **ONE_SHAPE, **option})
    assert not all(np.array_equal(one, two) for one, two in zip(weights_of(plain), weights_of(other)))


def test_what_keras_was_told_not_to_train_stays():
    pipe = SENTIMENT.build()
    pipe.learn(SENTIMENT.examples)
    pipe.model.encoder.embedding.trainable = False
    table, kernel = pipe.model.encoder.embedding.embeddings.numpy(), pipe.model.head.dense.kernel.numpy()
    pipe.fit(SENTIMENT.examples, **SHORT)
    np.testing.assert_array_equal(pipe.model.encoder.embedding.embeddings.numpy(), table)
    assert np.abs(pipe.model.head.dense.kernel.numpy() - kernel).max() > 0
    assert not pipe.model.encoder.embedding.trainable


def test_gradients_are_kept_where_they_are_watched():
    pipe = SENTIMENT.build()
    pipe.fit(SENTIMENT.examples, watch_gradients=True, **SHORT)
    assert [kept.epoch for kept in pipe.gradients] == [1, 2]
    pipe.fit(SENTIMENT.examples, **SHORT)
    assert pipe.gradients == []
