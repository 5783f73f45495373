"""What a training run leaves behind: its record, its logs, and what it shows while it goes.

Convention: a run's directory holds `run.json` (what was run, on what, and the history), `log.csv`, `tensorboard/`,
`checkpoints/`, which `loop.py` writes, and `gradients.json` where gradients are watched. A directory belongs to one
run; files are replaced whole, so a kill leaves the old one or the new.
"""

import csv
import hashlib
import json
import os
import platform
import time

import keras
import tensorflow as tf


def digest(examples):
    """A checksum, `str`, of `(features, target)` as the model is shown them: arrays, and dicts of arrays or None."""
    digest = hashlib.sha256()
    for features, target in examples:
        for value in (features, *(target or {}).values()):
            digest.update(f"{value.shape}{value.dtype}".encode())
            digest.update(value.tobytes())
    return digest.hexdigest()


def claim(directory, run):
    """Writes down which run this directory belongs to, or refuses it if it is another's."""
    path = directory / "run.json"
    if path.exists():
        there = json.loads(path.read_text())["run"]
        differing = sorted(key for key in run if there.get(key) != json.loads(json.dumps(run))[key])
        if differing:
            raise ValueError(
                f"{directory} holds another run: its {', '.join(differing)} differ. "
                "Repeat the call that began it to go on, or choose another directory."
            )
        return
    directory.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps({"run": run, **_machine()}, indent=1))


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
    with (directory / "log.csv.new").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(line))
        table.writeheader()
        table.writerows(history)
    os.replace(directory / "log.csv.new", directory / "log.csv")
    record = json.loads((directory / "run.json").read_text())
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
        self.said = time.monotonic()

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
        if not self.bar.console.is_terminal and time.monotonic() - self.said > 60:
            self.said = time.monotonic()
            self._say(f"{text}, step {step}/{self.steps}")

    def epoch(self, line):
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "epoch")
        self._say(f"epoch {line['epoch']}/{self.epochs}  {numbers}")

    def _say(self, text):
        if not self.bar.disable:
            self.bar.console.print(text, soft_wrap=True, highlight=False)
