"""The training loop: examples in, trained weights out, and a run that survives being killed.

Convention: everything that decides the weights (order of the examples, dropout, schedule) follows from the seed and
the step, and the whole state goes into each checkpoint. So the same call with the same `directory` goes on where the
last checkpoint stood, and ends with the weights of a run that was never broken.
Batches hold examples of like length, padded to a few fixed numbers of steps, so that few programs are compiled.
Left out: several devices; what is measured between epochs (the caller's `evaluate`).
"""

import contextlib
import csv
import hashlib
import json
import math
import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

# Batches are padded up to one of these numbers of steps, and beyond the last to a multiple of it.
BUCKETS = (8, 16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
SECONDS_BETWEEN_CHECKPOINTS = 120


@dataclass(frozen=True)
class Options:
    """How to train; the keywords of `Pipeline.fit`."""

    epochs: int = 10
    batch_size: int = 32
    learning_rate: float = 1e-3  # the highest; reached after the warm-up, then falling to 0 along a cosine
    warmup: float = 0.05  # share of all steps
    clip: float = 1.0  # largest global norm of a gradient
    weight_decay: float = 0.0  # of AdamW, on every weight
    average: float = 0.0  # decay of the moving average of the weights that is kept and measured; 0 keeps the last
    crop: int = 0  # steps; longer inputs show one random stretch of this many an epoch; 0 shows all
    patience: int = 0  # epochs without a better metric before stopping; 0 never stops early
    seed: int = 0

    def __post_init__(self):
        for name, lowest in (("epochs", 1), ("batch_size", 1), ("warmup", 0), ("patience", 0), ("crop", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}; received {getattr(self, name)!r}.")
        if not 0 < self.learning_rate:
            raise ValueError(f"learning_rate must be above 0; received {self.learning_rate!r}.")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1; received {self.average!r}.")


def order(sizes, batch_size, seed, epoch):
    """The batches of one epoch.

    Args:
        sizes: `(examples,)` numbers that grow with the examples' lengths.
        batch_size: int.
        seed: int.
        epoch: int, from 0; each has an order of its own.

    Returns:
        `(batches, batch_size)` int array of places. Every example is in it; the last batch is filled up with
        examples of the first. Within a batch sizes are alike; the batches come in random order.
    """
    random = np.random.default_rng((seed, epoch))
    places = random.permutation(len(sizes))
    places = np.resize(places, math.ceil(len(places) / batch_size) * batch_size)
    pool = 64 * batch_size  # sorting within pools keeps batches differing from epoch to epoch
    for start in range(0, len(places), pool):
        part = places[start : start + pool]
        places[start : start + pool] = part[np.argsort(np.asarray(sizes)[part], kind="stable")]
    return random.permutation(places.reshape(-1, batch_size))


def pad_to_bucket(features, buckets=BUCKETS):
    """Pads `(batch, steps, ...)` with zeros to the next of the fixed numbers of steps, in graph."""
    steps = tf.shape(features)[1]
    place = tf.searchsorted(tf.constant(buckets), [steps])[0]
    beyond = -(-steps // buckets[-1]) * buckets[-1]
    wanted = tf.where(place < len(buckets), tf.gather(buckets, tf.minimum(place, len(buckets) - 1)), beyond)
    return tf.pad(features, [[0, 0], [0, wanted - steps]] + [[0, 0]] * (len(features.shape) - 2))


def crop_steps(features, lengths, steps, seed):
    """Shows of every longer row one random stretch of `steps` steps, in graph."""
    starts = tf.random.stateless_uniform(tf.shape(lengths), seed)
    starts = tf.cast(starts * tf.cast(tf.maximum(lengths - steps, 0) + 1, tf.float32), tf.int32)
    lengths = tf.minimum(lengths, steps)
    places = starts[:, None] + tf.range(tf.reduce_max(lengths))[None]
    places = tf.minimum(places, tf.shape(features)[1] - 1)
    return tf.gather(features, places, batch_dims=1), lengths


def batches(frontend, head, examples, plan, seeds, crop=0):
    """A `tf.data.Dataset` of the model's inputs: features, lengths, targets.

    Args:
        frontend, head: the parts that read inputs and targets.
        examples: list of `(input, target)`.
        plan: `(batches, batch_size)` int array, as of `order`.
        seeds: `(batches,)` ints, one for what is random in a batch.
        crop: as in `Options`.
    """

    def collated():
        for places, seed in zip(plan, seeds):
            raw = frontend.collate([examples[place][0] for place in places])
            yield raw, np.array([examples[place][1].encode() for place in places], object), seed

    def prepare(raw, y, seed):
        features, lengths = frontend(raw)
        if crop:
            features, lengths = crop_steps(features, lengths, crop, tf.stack([seed, 0]))
        return {"features": pad_to_bucket(features), "lengths": lengths, "targets": head.targets(y)}

    form = (frontend.signature, tf.TensorSpec((None,), tf.string), tf.TensorSpec((), tf.int64))
    dataset = tf.data.Dataset.from_generator(collated, output_signature=form)
    return dataset.map(prepare, num_parallel_calls=2, deterministic=True).prefetch(4)


def fit(model, frontend, examples, options, evaluate=None, monitor=None, directory=None, identity=None, verbose=True):
    """Trains `model` in place.

    Args:
        model: `SequenceModel` with its weights created.
        frontend: the frontend it was made for.
        examples: list of `(input, target)`, already checked.
        options: `Options`.
        evaluate: called after each epoch with the weights to be kept in place; returns a dict of metrics.
        monitor: the metric of `evaluate` that decides which epoch is best (higher is better).
        directory: where checkpoints, `log.csv`, TensorBoard events and `run.json` go; None keeps nothing on disk.
        identity: anything JSON takes that tells this run from another; a directory of another run is refused.
        verbose: show a progress bar.

    Returns:
        The history: a list with one dict an epoch: epoch, loss, seconds and the metrics.

    Raises:
        ValueError: `directory` holds another run.
        FloatingPointError: the loss is no longer a number.
    """
    sizes = [frontend.size(x) for x, _ in examples]
    steps = math.ceil(len(examples) / options.batch_size)
    optimizer = _optimizer(options, steps * options.epochs)
    optimizer.build(model.trainable_variables)
    weights = [variable.value for variable in model.trainable_variables]
    averages = [tf.Variable(weight) for weight in weights]
    best = [tf.Variable(weight) for weight in weights]
    state = {"epoch": 0, "step": 0, "loss": 0.0, "seconds": 0.0, "best": None, "best_epoch": 0, "history": []}
    progress = tf.Variable(json.dumps(state))
    # Dropout's random state is among the model's variables, so it is saved and comes back too.
    parts = {"model": model.variables, "optimizer": optimizer.variables}
    checkpoint = tf.train.Checkpoint(
        progress=progress, averages=averages, best=best, **{k: [v.value for v in vs] for k, vs in parts.items()}
    )
    manager = writer = None
    if directory is not None:
        directory = Path(directory)
        _claim(directory, {"options": asdict(options), "examples": _digest(examples), "identity": identity})
        manager = tf.train.CheckpointManager(checkpoint, str(directory / "checkpoints"), max_to_keep=1)
        if manager.latest_checkpoint:
            checkpoint.restore(manager.latest_checkpoint).assert_consumed()
            state = json.loads(progress.numpy())
        writer = tf.summary.create_file_writer(str(directory / "tensorboard"))

    def save():
        progress.assign(json.dumps(state))
        if manager is not None:
            manager.save()

    train_step = _train_step(model, optimizer, averages, options.average)
    with _Bar(verbose, steps, options.epochs) as bar:
        while state["epoch"] < options.epochs and not _is_over(state, options.patience):
            epoch, first = state["epoch"], state["step"]
            plan = order(sizes, options.batch_size, options.seed, epoch)
            seeds = np.random.default_rng((options.seed, epoch, 1)).integers(1 << 31, size=len(plan))
            began = saved = time.monotonic()
            spent = state["seconds"]
            for batch in batches(frontend, model.head, examples, plan[first:], seeds[first:], options.crop):
                bar.step(epoch, state["step"], state["loss"] / max(state["step"], 1), batch["features"].shape)
                loss = float(train_step(batch, tf.constant(epoch * steps + state["step"], tf.float32)))
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f"The loss became {loss} in epoch {epoch + 1}, step {state['step'] + 1}. "
                        f"Lower learning_rate ({options.learning_rate}) or clip ({options.clip})."
                    )
                state["step"] += 1
                state["loss"] += loss
                state["seconds"] = spent + time.monotonic() - began
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    save()
                    saved = time.monotonic()
            line = {"epoch": epoch + 1, "loss": state["loss"] / steps}
            kept = averages if options.average else weights
            if evaluate is not None:
                with _in_place(weights, kept):
                    line.update(evaluate())
            line["seconds"] = round(spent + time.monotonic() - began, 1)
            if evaluate is None or state["best"] is None or line[monitor] > state["best"]:
                state["best"], state["best_epoch"] = line.get(monitor), epoch + 1
                _copy(kept, best)
            state["history"].append(line)
            state.update(epoch=epoch + 1, step=0, loss=0.0, seconds=0.0)
            save()
            if directory is not None:
                _log(directory, writer, line, state["history"])
            bar.epoch(line)
    _copy(best, weights)
    return state["history"]


def _optimizer(options, steps):
    warmup = max(1, round(options.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warmup), warmup_target=options.learning_rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, global_clipnorm=options.clip)


def _train_step(model, optimizer, averages, decay):
    variables = model.trainable_variables

    @tf.function  # traced once for each fixed number of steps
    def train_step(batch, count):
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            loss = model.compute_loss(y=batch["targets"], y_pred=outputs)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        if decay:
            keep = tf.minimum(decay, (1.0 + count) / (10.0 + count))  # a short memory while the weights move fast
            for average, variable in zip(averages, variables):
                average.assign_sub((1.0 - keep) * (average - variable.value))
        return loss

    return train_step


def _is_over(state, patience):
    return bool(patience) and state["epoch"] - state["best_epoch"] >= patience


def _copy(sources, targets):
    for source, target in zip(sources, targets):
        target.assign(source)


@contextlib.contextmanager
def _in_place(weights, values):
    """Puts other values into the weights for the time of a `with` block."""
    own = [weight.numpy() for weight in weights]
    _copy(values, weights)
    yield
    _copy(own, weights)


def _digest(examples):
    digest = hashlib.sha256()
    for example in examples:
        digest.update(repr(example).encode("utf-8", "replace"))
    return digest.hexdigest()


def _claim(directory, run):
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


def _log(directory, writer, line, history):
    with (directory / "log.csv.new").open("w", newline="") as file:
        table = csv.DictWriter(file, fieldnames=list(line))
        table.writeheader()
        table.writerows(history)
    os.replace(directory / "log.csv.new", directory / "log.csv")
    record = json.loads((directory / "run.json").read_text())
    _write(directory / "run.json", json.dumps({**record, "history": history}, indent=1))
    # `tf.summary.scalar` would need tensorboard installed here; its format needs only this.
    scalars = tf.compat.v1.SummaryMetadata(plugin_data={"plugin_name": "scalars"})
    with writer.as_default(step=line["epoch"]):
        for name, value in line.items():
            tf.summary.write(name, tf.constant(value, tf.float32), metadata=scalars)
    writer.flush()


def _write(path, text):
    """Replaces a file in one step: a reader, or a kill, finds the old text or the new."""
    new = path.with_name(path.name + ".new")
    new.write_text(text)
    os.replace(new, path)


class _Bar:
    """The progress bar: one line that moves, and one that stays for each epoch."""

    def __init__(self, verbose, steps, epochs):
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.bar = Progress(*columns, disable=not verbose)
        self.task = self.bar.add_task("starting", total=steps)
        self.epochs, self.shapes = epochs, set()

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *_):
        self.bar.stop()

    def step(self, epoch, step, loss, shape):
        text = f"epoch {epoch + 1}/{self.epochs} loss {loss:.4f}"
        if shape not in self.shapes:
            self.shapes.add(shape)
            text = f"epoch {epoch + 1}/{self.epochs} compiling for {shape[1]} steps"
        self.bar.update(self.task, description=text, completed=step, refresh="compiling" in text)

    def epoch(self, line):
        numbers = "  ".join(f"{name} {value:.4g}" for name, value in line.items() if name != "epoch")
        self.bar.print(f"epoch {line['epoch']}/{self.epochs}  {numbers}")
