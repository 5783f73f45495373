"""The training loop: examples in, trained weights out, and a run that survives being killed.

Convention: everything that decides the weights (order of the examples, dropout, schedule) follows from the seed and
the step, and the whole state goes into each checkpoint. So the same call with the same `directory` goes on where the
last checkpoint stood, and ends with the weights of a run that was never broken.
Left out: which examples make a batch (`data/batches.py`); what is learnt from one (`objectives.py`); several devices; what
is measured between epochs (the caller's `evaluate`).
"""

import contextlib
import json
import math
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqkit.data.batches import order
from seqkit.training import gradients, runs

SECONDS_BETWEEN_CHECKPOINTS = 120


@dataclass(frozen=True)
class Options:
    """How to train; the keywords of `Pipeline.fit`."""

    epochs: int = 10
    batch_steps: int = 4096  # padded steps in a batch: 32 inputs of 128 steps, or 256 of 16; both views count
    learning_rate: float = 1e-3  # the highest; reached after the warm-up, then falling to 0 along a cosine
    warmup: float = 0.05  # share of all steps
    clip: float = 1.0  # largest global norm of a gradient
    weight_decay: float = 0.0  # of AdamW, on every weight
    agreement: float = 0.0  # weight of how differently two views of an input, each varied anew, are read; 0 shows one
    average: float = 0.0  # decay of the moving average of the weights that is kept and measured; 0 keeps the last
    crop: int = 0  # steps; longer inputs show one random stretch of this many an epoch; 0 shows all
    patience: int = 0  # epochs without a better metric before stopping; 0 never stops early
    freeze: str | None = None  # "encoder" trains the head alone; what is not `trainable` in Keras stays as it is anyway
    watch_gradients: bool = False  # measure gradients on the first batch of each epoch; the training stays the same
    seed: int = 0

    def __post_init__(self):
        for name, lowest in (("epochs", 1), ("batch_steps", 1), ("warmup", 0), ("patience", 0), ("crop", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}; received {getattr(self, name)!r}.")
        if self.agreement < 0:
            raise ValueError(f"agreement must be at least 0; received {self.agreement!r}.")
        if self.freeze not in (None, "encoder"):
            raise ValueError(f"freeze must be 'encoder' or None; received {self.freeze!r}.")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0; received {self.learning_rate!r}.")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1; received {self.average!r}.")


def fit(model, corpus, options, objective, evaluate=None, directory=None, identity=None, verbose=True):
    """Trains `model` in place.

    Args:
        model: `SequenceModel` with its weights created.
        corpus: `batches.Corpus`, already checked.
        options: `Options`.
        objective: function of a batch and a seed `(2,)` int32, in graph -> `(batch,)`, what is made small: see `objectives.py`.
        evaluate: called after each epoch with the weights to be kept in place; returns a dict of metrics, of which
            `model.head.monitor` (higher is better) decides which epoch is kept. Without it the last is.
        directory: where checkpoints, `log.csv`, TensorBoard events and `run.json` go; None keeps nothing on disk.
        identity: anything JSON takes that tells this run from another; a directory of another run is refused.
        verbose: show a progress bar.

    Returns:
        The history, a list with one dict an epoch: epoch, loss, the metrics, seconds; and a list of `Gradients`, one an epoch
        where they are watched.

    Raises:
        ValueError: `directory` holds another run, or a damaged one.
        RuntimeError: another process trains in it.
        OSError: it cannot be written.
        FloatingPointError: the loss is no longer a number.
    """
    with contextlib.ExitStack() as claim:
        if directory is not None:
            directory = Path(directory)
            run = {"options": asdict(options), "examples": corpus.digest, "identity": identity}
            claim.enter_context(runs.claimed(directory, run))
        return _fit(model, corpus, options, objective, evaluate, directory, verbose)


def _fit(model, corpus, options, objective, evaluate, directory, verbose):
    batch_steps = options.batch_steps // 2 if options.agreement else options.batch_steps
    steps = len(order(corpus.lengths, batch_steps, options.seed, 0))
    optimizer = _optimizer(options, steps * options.epochs)
    trained = (model.head if options.freeze else model).trainable_variables
    optimizer.build(trained)
    weights = [variable.value for variable in trained]
    averages = [tf.Variable(weight) for weight in weights]
    best = [tf.Variable(weight) for weight in weights]
    state = {"epoch": 0, "step": 0, "loss": 0.0, "seconds": 0.0, "best": None, "best_epoch": 0, "history": [], "gradients": []}
    progress = tf.Variable(json.dumps(state))
    # Dropout's random state is among the model's variables, so it is saved and comes back too.
    parts = {"model": model.variables, "optimizer": optimizer.variables}
    checkpoint = tf.train.Checkpoint(
        progress=progress, averages=averages, best=best, **{k: [v.value for v in vs] for k, vs in parts.items()}
    )
    manager = writer = None
    if directory is not None:
        manager, before = runs.restore(checkpoint, directory)
        if before:
            state = json.loads(progress.numpy())
        with runs.written(directory):
            writer = tf.summary.create_file_writer(str(directory / "tensorboard"))
        if state["history"]:  # the kill may have come between the checkpoint and the log
            runs.log(directory, writer, state["history"][-1], state["history"], state["gradients"])

    def batch_at(plan, epoch, step):
        size, places = plan[step]
        random = np.random.default_rng((options.seed, epoch, step))
        return corpus.batch(places, size, random)

    def save():
        progress.assign(json.dumps(state))
        if manager is not None:
            with runs.written(directory):
                manager.save()

    train_step = _train_step(model, trained, optimizer, averages, options, objective)
    kept = averages if options.average else weights
    with runs.Bar(verbose, steps, options.epochs) as bar:
        while state["epoch"] < options.epochs and not _is_over(state, options.patience):
            epoch = state["epoch"]
            plan = order(corpus.lengths, batch_steps, options.seed, epoch)
            saved = time.monotonic()
            began = saved - state["seconds"]
            if options.watch_gradients and len(state["gradients"]) == epoch:
                watched = gradients.measure(model, batch_at(plan, epoch, 0), epoch + 1, options.clip)
                for concern in watched.concerns:
                    warnings.warn(f"Epoch {epoch + 1}: {concern}", RuntimeWarning, stacklevel=4)
                state["gradients"].append(asdict(watched))
            for step in range(state["step"], steps):
                batch = batch_at(plan, epoch, step)
                bar.step(epoch, step, state["loss"] / max(step, 1), batch["features"].shape)
                loss = train_step(batch, epoch * steps + step)
                if not math.isfinite(loss):
                    raise FloatingPointError(
                        f"The loss became {loss} in epoch {epoch + 1}, step {step + 1}. "
                        f"Lower learning_rate ({options.learning_rate}) or clip ({options.clip})."
                    )
                state.update(step=step + 1, loss=state["loss"] + loss, seconds=time.monotonic() - began)
                if time.monotonic() - saved > SECONDS_BETWEEN_CHECKPOINTS:
                    save()
                    saved = time.monotonic()
            line = {"epoch": epoch + 1, "loss": state["loss"] / steps}
            if options.watch_gradients:
                line["gradient_norm"] = state["gradients"][-1]["norm"]
            if evaluate is not None:
                with _in_place(weights, kept):
                    line.update(evaluate())
            line["seconds"] = round(time.monotonic() - began, 1)
            if evaluate is None or state["best"] is None or line[model.head.monitor] > state["best"]:
                state.update(best=line.get(model.head.monitor), best_epoch=epoch + 1)
                _copy(kept, best)
            state["history"].append(line)
            state.update(epoch=epoch + 1, step=0, loss=0.0, seconds=0.0)
            save()
            if directory is not None:
                runs.log(directory, writer, line, state["history"], state["gradients"])
            bar.epoch(line)
    _copy(best, weights)
    return state["history"], [gradients.Gradients(**kept) for kept in state["gradients"]]


def _optimizer(options, steps):
    warmup = max(1, round(options.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warmup), warmup_target=options.learning_rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, global_clipnorm=options.clip)


def _train_step(model, variables, optimizer, averages, options, objective):
    """The function that trains on one batch and returns its loss; one program for each shape of batch."""

    def step(batch, count):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(objective(batch, tf.stack([options.seed, count])))
            if model.losses:
                loss += tf.add_n(model.losses)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        if options.average:
            seen = tf.cast(count, tf.float32)
            keep = tf.minimum(options.average, (1.0 + seen) / (10.0 + seen))  # a short memory while the weights move fast
            for average, variable in zip(averages, variables):
                average.assign_sub((1.0 - keep) * (average - variable.value))
        return loss

    traced = tf.function(step, autograph=False)
    programs = {}

    def train_step(batch, count):
        arguments = (tf.nest.map_structure(tf.constant, batch), tf.constant(count))
        shape = batch["features"].shape
        if shape not in programs:
            programs[shape] = traced.get_concrete_function(*arguments)
        return float(programs[shape](*arguments))

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
    try:
        yield
    finally:
        _copy(own, weights)
