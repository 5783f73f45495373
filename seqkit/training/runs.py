"""What a training run leaves behind: its record, its logs, and what it shows while it goes.

Convention: a run's directory holds `run.json` (what was run, on what, and the history), `log.csv`, `tensorboard/`,
`checkpoints/`, which `loop.py` writes, and `gradients.json` where gradients are watched. A directory belongs to one
run, and while it goes on to one process, which holds `lock`; files are replaced whole, so a kill leaves the old one or
the new.
"""

import contextlib
import csv
import fcntl
import json
import os
import platform
import time

import keras
import tensorflow as tf


@contextlib.contextmanager
def claimed(directory, run):
    """Makes a directory this process's while a `with` block lasts, for the run described by `run`, a dict.

    Raises:
        ValueError: it is another run's, or its record is damaged.
        RuntimeError: another process is at it.
        OSError: it cannot be written.
    """
    with written(directory):
        directory.mkdir(parents=True, exist_ok=True)
        lock = (directory / "lock").open("a+")  # it stays; what counts is who holds it, and a dead process holds nothing
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise RuntimeError(
                f"Another process ({lock.read().strip() or 'unknown'}) trains in {directory}. Wait for it, or choose "
                "another directory."
            ) from None
        except OSError:  # a file system without locks: go on as if alone
            pass
        with written(directory):
            lock.truncate(0)
            lock.write(f"{os.getpid()} on {platform.node()}")
            lock.flush()
        _claim(directory, run)
        yield


def _claim(directory, run):
    """Writes down which run this directory belongs to, or refuses it if it is another's."""
    path = directory / "run.json"
    if not path.exists():
        with written(directory):
            _write(path, json.dumps({"run": run, **_machine()}, indent=1))
        return
    there = _leaves(_record(path)["run"])
    here = _leaves(json.loads(json.dumps(run)))
    differing = [name for name in {**here, **there} if here.get(name, _NONE) != there.get(name, _NONE)]
    if differing:
        raise ValueError(
            f"{directory} holds another run: {'; '.join(_difference(name, there, here) for name in differing)}. "
            "Repeat the call that began it to go on, or choose another directory."
        )


_NONE = object()


def _leaves(tree, name=""):
    """Nested dicts as one: their names joined by dots -> what is no dict."""
    if not isinstance(tree, dict):
        return {name: tree}
    return {key: leaf for part, branch in tree.items() for key, leaf in _leaves(branch, f"{name}.{part}".strip(".")).items()}


def _difference(name, there, here):
    values = [f"{each[name]!r:.80}" if name in each else "nothing" for each in (there, here)]
    short = name.removeprefix("options.").removeprefix("identity.").removeprefix("config.")
    if name == "examples" or name.startswith("identity.assets"):  # checksums
        return f"its {name.split('.')[0] if name == 'examples' else 'asset ' + short.removeprefix('assets.')} differ"
    return f"its {short} is {values[0]}, yours is {values[1]}"


def _record(path):
    """What `run.json` holds; ValueError where it is damaged."""
    try:
        record = json.loads(path.read_text())
        if not isinstance(record["run"], dict):
            raise TypeError("no run")
    except (ValueError, KeyError, TypeError) as error:
        state = "damaged" if path.stat().st_size else "empty"
        raise ValueError(
            f"{path} is {state} ({type(error).__name__}: {error}). Delete {path.parent} to begin again, or choose another "
            "directory."
        ) from error
    return record


@contextlib.contextmanager
def written(directory):
    """Names the directory where the system, or TensorFlow for it, says that something there could not be written."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(getattr(error, "message", None) or error).split())
        raise OSError(
            f"The run in {directory} cannot be written ({reason}). Make room or choose another directory; the same call "
            "goes on from the last checkpoint."
        ) from error


def restore(checkpoint, directory):
    """Brings back a run's last checkpoint, where it has one.

    Returns:
        The `tf.train.CheckpointManager` of the run in `directory`, and whether there was one to bring back.

    Raises:
        ValueError: it is damaged; the message says which.
    """
    place = directory / "checkpoints"
    with written(directory):
        place.mkdir(exist_ok=True)
    last = None
    try:
        manager = tf.train.CheckpointManager(checkpoint, str(place), max_to_keep=1)
        last = manager.latest_checkpoint
        if last is None and (place / "checkpoint").exists():
            raise ValueError("it does not say which is the last one")
        if last is not None:
            checkpoint.restore(last).assert_consumed()
    except Exception as error:  # TensorFlow's readers raise whatever they stumble over
        reason = " ".join(str(getattr(error, "message", None) or error).split())
        raise ValueError(
            f"The checkpoint {last or place / 'checkpoint'} is damaged ({reason}). Delete {place} to begin again."
        ) from error
    return manager, last is not None


def _machine():
    return {
        "machine": f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "tensorflow": tf.__version__,
        "keras": keras.__version__,
        "devices": [device.device_type for device in tf.config.list_physical_devices()],
    }


def log(directory, writer, line, history, gradients=()):
    """Writes down an epoch: `line` is its dict, `history` all of them, `writer` TensorBoard's, `gradients` a dict each."""
    with written(directory):
        _log(directory, writer, line, history, gradients)


def _log(directory, writer, line, history, gradients):
    with (directory / "log.csv.new").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(line))
        table.writeheader()
        table.writerows(history)
    os.replace(directory / "log.csv.new", directory / "log.csv")
    record = _record(directory / "run.json")
    _write(directory / "run.json", json.dumps({**record, "history": history}, indent=1))
    by_layer = {}
    if gradients:
        _write(directory / "gradients.json", json.dumps(gradients, indent=1))
        by_layer = {f"gradient_norm/{name}": norm for name, norm in gradients[-1]["layers"].items()}
    # `tf.summary.scalar` would need tensorboard installed here; its format needs only this.
    scalars = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    with writer.as_default(step=line["epoch"]):
        for name, value in {**line, **by_layer}.items():
            tf.summary.write(name, tf.constant(value, tf.float32), metadata=scalars)
    writer.flush()


def _write(path, text):
    """Replaces a file in one step: a reader, or a kill, finds the old text or the new."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


class Bar:
    """Progress: on a terminal a line that moves; elsewhere a line a minute; and one that stays for each epoch."""

    def __init__(self, verbose, steps, epochs):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, transient=True, disable=not verbose, console=Console(stderr=True))
        self.task = self.bar.add_task("starting", total=steps)
        self.steps, self.epochs, self.shapes = steps, epochs, set()
        self.spoke = time.monotonic()

    def __enter__(self):
        if self.bar.console.is_terminal:
            self.bar.start()
        return self

    def __exit__(self, *_):
        if self.bar.console.is_terminal:
            self.bar.stop()

    def step(self, epoch, step, loss, shape):
        text = f"epoch {epoch + 1}/{self.epochs} loss {loss:.4f}"
        new = shape not in self.shapes
        if new:
            self.shapes.add(shape)
            text += f", compiling for {shape[0]} inputs of {shape[1]} steps"
        self.bar.update(self.task, description=text, completed=step, refresh=new)
        if len(self.shapes) == 1 and new and not self.bar.console.is_terminal:
            self._say(f"epoch {epoch + 1}/{self.epochs}: compiling, which takes a while for each size of batch")
        if not self.bar.console.is_terminal and time.monotonic() - self.spoke > 60:
            self.spoke = time.monotonic()
            self._say(f"{text}, step {step}/{self.steps}")

    def epoch(self, line):
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "epoch")
        self._say(f"epoch {line['epoch']}/{self.epochs}  {numbers}")

    def _say(self, text):
        if not self.bar.disable:
            self.bar.console.print(text, soft_wrap=True, highlight=False)
