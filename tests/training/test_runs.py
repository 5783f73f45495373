"""The directory of a run: whose it is, and what is said when it cannot be read or written."""

import io
import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import tensorflow as tf
from rich.console import Console

from seqkit.training import runs

RUN = {"options": {"epochs": 2}, "examples": "12ab", "identity": {"config": {"units": 8, "labels": ("a", "b")}, "assets": {}}}


def take(directory, **changes):
    with runs.claimed(directory, {**RUN, **changes}):
        pass


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"options": {"epochs": 3}}, "its epochs is 2, yours is 3"),
        ({"options": {"epochs": 2, "crop": 5}}, "its crop is nothing, yours is 5"),
        ({"options": {}}, "its epochs is 2, yours is nothing"),
        ({"examples": "34cd"}, "its examples differ"),
        ({"identity": {"config": {"units": 9, "labels": ["a"]}, "assets": {}}}, "its units is 8, yours is 9; its labels is .*"),
        ({"identity": {**RUN["identity"], "assets": {"ngrams.npz": "ab"}}}, "its asset ngrams.npz differ"),
        ({"identity": None}, "yours is None"),
    ],
)
def test_another_run_is_refused_with_what_differs(changes, message, tmp_path):
    take(tmp_path)
    take(tmp_path)
    with pytest.raises(ValueError, match=f"{tmp_path} holds another run: .*{message}.*Repeat the call"):
        take(tmp_path, **changes)


@pytest.mark.parametrize(
    "content, state", [("", "empty"), ("{", "damaged"), ("[]", "damaged"), ('{"run": 1}', "damaged"), ("\udcff", "damaged")]
)
def test_a_damaged_record_is_named(content, state, tmp_path):
    (tmp_path / "run.json").write_text(content, errors="surrogateescape")
    with pytest.raises(ValueError, match=rf"{tmp_path}/run.json is {state} .*Delete {tmp_path} to begin again"):
        take(tmp_path)


HOLD = """
import pathlib, sys, time
from seqkit.training import runs
with runs.claimed(pathlib.Path(sys.argv[1]), {}):
    print("held", flush=True)
    time.sleep(600)
"""


def test_a_second_process_is_refused_until_the_first_is_dead(tmp_path):
    first = subprocess.Popen([sys.executable, "-c", HOLD, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        assert first.stdout.readline() == b"held\n"
        with pytest.raises(RuntimeError, match=rf"Another process \({first.pid} on .*\) trains in {tmp_path}. Wait for it"):
            take(tmp_path)
    finally:
        first.send_signal(signal.SIGKILL)
        first.wait()
        first.stdout.close()
    with runs.claimed(tmp_path, {}), pytest.raises(RuntimeError, match=f"Another process .{os.getpid()} on"):
        take(tmp_path)


def test_a_run_that_failed_lets_go_of_its_directory(tmp_path):
    with pytest.raises(KeyError) as caught, runs.claimed(tmp_path, {}):
        raise KeyError
    assert caught.value.__traceback__  # a notebook keeps it
    with runs.claimed(tmp_path, {}):
        pass


def test_a_directory_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(OSError, match=f"The run in {place} cannot be written"):
            take(place)


def saved(tmp_path):
    checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.ones(5000)))
    manager = tf.train.CheckpointManager(checkpoint, str(tmp_path / "checkpoints"), max_to_keep=1)
    manager.save()
    return checkpoint, manager


@pytest.mark.parametrize("part", ["ckpt-1.index", "ckpt-1.data-00000-of-00001", "checkpoint"])
@pytest.mark.parametrize("damage", ["empty", "cut", "gone", "other"])
def test_a_damaged_checkpoint_is_named(part, damage, tmp_path):
    saved(tmp_path)
    path = tmp_path / "checkpoints" / part
    whole = path.read_bytes()
    content = {"empty": b"", "cut": whole[: len(whole) // 2], "other": bytes(range(256)) * 8}.get(damage)
    path.unlink() if content is None else path.write_bytes(content)
    checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.zeros(5000)))
    if part == "checkpoint" and damage == "gone":  # killed before it was written
        assert not runs.restore(checkpoint, tmp_path)[1]
        return
    with pytest.raises(
        ValueError, match=f"The checkpoint {tmp_path}/checkpoints/c.* is damaged .*Delete {tmp_path}/checkpoints"
    ):
        runs.restore(checkpoint, tmp_path)


def test_a_sound_checkpoint_comes_back(tmp_path):
    saved(tmp_path)
    checkpoint = tf.train.Checkpoint(v=tf.Variable(tf.zeros(5000)))
    assert runs.restore(checkpoint, tmp_path)[1]
    assert float(tf.reduce_sum(checkpoint.v)) == 5000


def test_a_full_disk_is_named(tmp_path):
    kept, (soft, hard) = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, hard))
    try:
        with (
            pytest.raises(OSError, match=f"The run in {tmp_path} cannot be written .*File too large.*goes on from the last"),
            runs.written(tmp_path),
        ):
            saved(tmp_path)
        with pytest.raises(OSError, match=f"The run in {tmp_path} cannot be written .*File too large"):
            take(tmp_path, identity="long" * 1000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, kept)
    take(tmp_path)  # what was cut off is no hindrance
    assert json.loads((tmp_path / "run.json").read_text())["run"]["examples"] == "12ab"


@pytest.mark.parametrize("terminal", [False, True])
def test_the_first_step_says_that_it_compiles(terminal, monkeypatch):
    shown = io.StringIO()
    bar = runs.Bar(True, 2, 3)
    monkeypatch.setattr(bar.bar.live, "console", Console(file=shown, force_terminal=terminal))
    bar.step(0, 0, 0.0, (4, 8))
    bar.step(0, 1, 0.0, (4, 16))
    assert (shown.getvalue().count("epoch 1/3: compiling") == 1) == (not terminal)
