"""The loop: what a run leaves on disk, and that a killed run ends as an unbroken one."""

import csv
import json
import os
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


def test_a_run_leaves_its_record(tmp_path):
    pipe = SENTIMENT.build()
    history = pipe.fit(SENTIMENT.examples, validation=SENTIMENT.examples, directory=tmp_path / "run", **QUICK)
    with (tmp_path / "run" / "log.csv").open() as file:
        logged = list(csv.DictReader(file))
    assert [int(line["epoch"]) for line in logged] == [1, 2]
    assert list(logged[0]) == ["epoch", "loss", "accuracy", "macro_f1", "calibration_error", "seconds"]
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["history"] == history
    assert record["run"]["options"]["learning_rate"] == 5e-3
    assert record["run"]["identity"]["config"]["units"] == 8
    assert list((tmp_path / "run" / "tensorboard").iterdir())


def prepared(pipe, examples, frontend=None, **options):
    """A case's examples as a corpus, once the pipeline has learnt what it must."""
    pipe.learn(examples)
    read = [(pipe.frontend.read(x, "Example"), y) for x, y in examples]
    return batches.prepare(frontend or pipe.frontend, read, pipe.model.head, **options)


def test_training_reads_with_the_frontends_own_form_for_it(tmp_path):
    pipe = HANDWRITING.build()
    pipe.fit(HANDWRITING.examples, directory=tmp_path, **{**QUICK, "epochs": 1})
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

    options, corpus = Options(epochs=2, batch_steps=64, seed=7), prepared(pipe, SENTIMENT.examples)
    history, _ = loop.fit(pipe.model, corpus, options, objectives.one_view(pipe.model, augment), verbose=False)
    steps = len(seen) // 2
    assert steps > 1 and seen == [[7, step] for step in range(2 * steps)]
    assert history[-1]["loss"] > 0.9  # near log 3


def test_with_agreement_each_example_is_shown_twice_in_batches_of_the_same_size():
    pipe, seen = HANDWRITING.build(), []
    corpus = prepared(pipe, HANDWRITING.examples)

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
    pipes = [SENTIMENT.build(), SENTIMENT.build()]
    for pipe, examples in zip(pipes, (SENTIMENT.examples, dataset.batch(5))):
        pipe.fit(examples, **QUICK)
    assert pipes[0](SENTIMENT.inputs) == pipes[1](SENTIMENT.inputs)


def test_a_finished_run_is_not_run_again(tmp_path):
    first = SENTIMENT.build()
    history = first.fit(SENTIMENT.examples, directory=tmp_path / "run", **QUICK)
    again = SENTIMENT.build()
    assert again.fit(SENTIMENT.examples, directory=tmp_path / "run", **QUICK) == history
    assert again(SENTIMENT.inputs) == first(SENTIMENT.inputs)


def test_a_log_that_the_kill_cut_off_is_written_again(tmp_path):
    SENTIMENT.build().fit(SENTIMENT.examples, directory=tmp_path / "run", **QUICK)
    whole = (tmp_path / "run" / "log.csv").read_text()
    (tmp_path / "run" / "log.csv").unlink()
    SENTIMENT.build().fit(SENTIMENT.examples, directory=tmp_path / "run", **QUICK)
    assert (tmp_path / "run" / "log.csv").read_text() == whole


def test_the_directory_of_another_run_is_refused(tmp_path):
    SENTIMENT.build().fit(SENTIMENT.examples, directory=tmp_path / "run", **QUICK)
    with pytest.raises(ValueError, match="holds another run: its epochs is 2, yours is 3"):
        SENTIMENT.build().fit(SENTIMENT.examples, directory=tmp_path / "run", **{**QUICK, "epochs": 3})
    with pytest.raises(ValueError, match="its examples differ; its asset .* differ"):
        SENTIMENT.build().fit(SENTIMENT.examples[:-1], directory=tmp_path / "run", **QUICK)


RUN = """
import sys
from cases import SENTIMENT
from seqkit.training import loop
loop.SECONDS_BETWEEN_CHECKPOINTS = 0  # one after each step
pipe = SENTIMENT.build()
options = {"epochs": 3, "batch_steps": 32, "learning_rate": 5e-3, "average": 0.9, "crop": 4, "verbose": False}
pipe.fit(SENTIMENT.examples, validation=SENTIMENT.examples[::2], directory=sys.argv[1], **options)
pipe.save(sys.argv[2])
"""


def start(run, saved):
    environment = {**os.environ, "PYTHONPATH": os.path.dirname(os.path.dirname(__file__))}
    command = [sys.executable, "-W", "ignore", "-c", RUN, str(run), str(saved)]
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)


def test_a_run_killed_twice_ends_with_the_weights_of_an_unbroken_one(tmp_path):
    import h5py

    unbroken = start(tmp_path / "unbroken", tmp_path / "one")
    for after in (5, 14):  # steps; an epoch has nine
        broken = start(tmp_path / "broken", tmp_path / "other")
        while not list((tmp_path / "broken" / "checkpoints").glob(f"ckpt-{after}.index")):
            assert broken.poll() is None, "it ended before it could be killed"
            time.sleep(0.005)
        broken.send_signal(signal.SIGKILL)
        assert broken.wait() == -signal.SIGKILL
    assert start(tmp_path / "broken", tmp_path / "other").wait() == 0
    assert unbroken.wait() == 0
    with h5py.File(tmp_path / "one/model.weights.h5") as one, h5py.File(tmp_path / "other/model.weights.h5") as other:
        compared = []

        def compare(name, item):
            if isinstance(item, h5py.Dataset):
                compared.append(name)
                np.testing.assert_array_equal(item[()], other[name][()], err_msg=name)

        one.visititems(compare)
    assert len(compared) > 10
    histories = [json.loads((tmp_path / run / "run.json").read_text())["history"] for run in ("unbroken", "broken")]
    assert [{**line, "seconds": 0} for line in histories[0]] == [{**line, "seconds": 0} for line in histories[1]]


def test_the_best_epoch_is_kept_and_waiting_ends():
    pipe = SENTIMENT.build()
    answers = iter([0.5, 0.9, 0.7, 0.6, 0.99])
    corpus, kernels = prepared(pipe, SENTIMENT.examples), []

    def evaluate():
        kernels.append(pipe.model.head.dense.kernel.numpy())
        return {"accuracy": next(answers)}

    options = Options(epochs=5, batch_steps=64, learning_rate=5e-3, patience=2)
    history, _ = loop.fit(pipe.model, corpus, options, objectives.one_view(pipe.model), evaluate=evaluate, verbose=False)
    assert [line["accuracy"] for line in history] == [0.5, 0.9, 0.7, 0.6]
    np.testing.assert_array_equal(pipe.model.head.dense.kernel.numpy(), kernels[1])


def test_a_loss_that_is_no_number_stops_the_run():
    pipe = SENTIMENT.build()
    pipe.learn(SENTIMENT.examples)
    pipe.model.head.dense.bias.assign([np.nan] * 3)
    with pytest.raises(FloatingPointError, match=r"loss became nan in epoch 1, step 1. Lower learning_rate"):
        pipe.fit(SENTIMENT.examples, **QUICK)


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
    history = pipe.pretrain([text for text, _ in SENTIMENT.examples] * 3, **{**QUICK, "epochs": 6})
    assert history[-1]["loss"] < 0.9 * history[0]["loss"]
    np.testing.assert_array_equal(pipe.model.head.dense.kernel.numpy(), kernel)
    assert np.abs(pipe.model.encoder.embedding.embeddings.numpy() - table).max() > 0
    with pytest.raises(ValueError, match="depth=1"):
        deep = SENTIMENT.build(depth=2)
        deep.learn(SENTIMENT.examples)
        deep.pretrain(["a"])


@pytest.fixture(scope="module")
def plain():
    return SENTIMENT.train(epochs=1)


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
    other = SENTIMENT.train(**{"epochs": 1, **option})
    assert not all(np.array_equal(one, two) for one, two in zip(weights_of(plain), weights_of(other)))


def test_what_keras_was_told_not_to_train_stays():
    pipe = SENTIMENT.build()
    pipe.learn(SENTIMENT.examples)
    pipe.model.encoder.embedding.trainable = False
    table, kernel = pipe.model.encoder.embedding.embeddings.numpy(), pipe.model.head.dense.kernel.numpy()
    pipe.fit(SENTIMENT.examples, **QUICK)
    np.testing.assert_array_equal(pipe.model.encoder.embedding.embeddings.numpy(), table)
    assert np.abs(pipe.model.head.dense.kernel.numpy() - kernel).max() > 0
    assert not pipe.model.encoder.embedding.trainable


def test_gradients_are_kept_where_they_are_watched():
    pipe = SENTIMENT.build()
    pipe.fit(SENTIMENT.examples, watch_gradients=True, **QUICK)
    assert [kept.epoch for kept in pipe.gradients] == [1, 2]
    pipe.fit(SENTIMENT.examples, **QUICK)
    assert pipe.gradients == []
