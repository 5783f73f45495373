"""The training loop: examples in, trained weights out, and a run that survives being killed.

Convention: everything that decides the weights (order of the examples, dropout, schedule) follows from the seed and
the step, and the whole state goes into each checkpoint. So the same call with the same `directory` goes on where the
last checkpoint stood, and ends with the weights of a run that was never broken.
The frontend runs once, and its features stay in memory.
Left out: which examples make a batch (`batches.py`); several devices; what is measured between epochs (the caller's
`evaluate`).
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

from seqkit.data.batches import collate, order, prepare
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
    seed: int = 0

    def __post_init__(self):
        for name, lowest in (("epochs", 1), ("batch_steps", 1), ("warmup", 0), ("patience", 0), ("crop", 0)):
            if getattr(self, name) < lowest:
                raise ValueError(f"{name} must be at least {lowest}; received {getattr(self, name)!r}.")
        if self.agreement < 0:
            raise ValueError(f"agreement must be at least 0; received {self.agreement!r}.")
        if self.learning_rate <= 0:
            raise ValueError(f"learning_rate must be above 0; received {self.learning_rate!r}.")
        if not 0 <= self.average < 1:
            raise ValueError(f"average must be at least 0 and below 1; received {self.average!r}.")


def fit(
    model,
    frontend,
    examples,
    options,
    evaluate=None,
    augment=None,
    directory=None,
    identity=None,
    verbose=True,
    watch=None,
):
    """Trains `model` in place.

    Args:
        model: `SequenceModel` with its weights created.
        frontend: the frontend it was made for; its `for_training()`, where it has one, reads the examples.
        examples: list of `(input, target)`, already checked; targets None for a head that needs none.
        options: `Options`.
        evaluate: called after each epoch with the weights to be kept in place; returns a dict of metrics, of which
            `model.head.monitor` (higher is better) decides which epoch is kept. Without it the last is.
        augment: varies what is shown: `(features, lengths, seed) -> (features, lengths)` in graph, where the same seed,
            `(2,)` int32, gives the same; or None. With `agreement`, it is given `views=2` too: the batch holds its inputs
            twice, and a step stays where it is in both.
        directory: where checkpoints, `log.csv`, TensorBoard events and `run.json` go; None keeps nothing on disk.
        identity: anything JSON takes that tells this run from another; a directory of another run is refused.
        verbose: show a progress bar.
        watch: list to which the `Gradients` on the first batch of each epoch are added; None measures none. It changes
            nothing in the training.

    Returns:
        The history: a list with one dict an epoch: epoch, loss, the metrics, seconds.

    Raises:
        ValueError: `directory` holds another run, or a damaged one.
        RuntimeError: another process trains in it.
        OSError: it cannot be written.
        FloatingPointError: the loss is no longer a number.
    """
    if options.agreement and not hasattr(model.head, "disagreement"):
        raise ValueError(f"agreement is for readers of text; {type(model.head).__name__} has none. Leave it at 0.")
    if hasattr(frontend, "for_training"):
        frontend = frontend.for_training()
    examples = prepare(frontend, model.head, examples)
    if hasattr(model.head, "check_room"):
        model.head.check_room([target for _, target in examples], [model.encoder.frames(len(row)) for row, _ in examples])
    with contextlib.ExitStack() as claim:
        if directory is not None:
            directory = Path(directory)
            run = {"options": asdict(options), "examples": runs.digest(examples), "identity": identity}
            claim.enter_context(runs.claimed(directory, run))
        return _fit(model, examples, options, evaluate, augment, directory, verbose, watch)


def _fit(model, examples, options, evaluate, augment, directory, verbose, watch):
    lengths = [min(len(features), options.crop or len(features)) for features, _ in examples]
    batch_steps = options.batch_steps // 2 if options.agreement else options.batch_steps
    steps = len(order(lengths, batch_steps, options.seed, 0))
    optimizer = _optimizer(options, steps * options.epochs)
    optimizer.build(model.trainable_variables)
    weights = [variable.value for variable in model.trainable_variables]
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
        return collate([examples[place] for place in places], size, random, options.crop)

    def save():
        progress.assign(json.dumps(state))
        if manager is not None:
            with runs.written(directory):
                manager.save()

    train_step = _train_step(model, optimizer, averages, options, augment)
    kept = averages if options.average else weights
    with runs.Bar(verbose, steps, options.epochs) as bar:
        while state["epoch"] < options.epochs and not _is_over(state, options.patience):
            epoch = state["epoch"]
            plan = order(lengths, batch_steps, options.seed, epoch)
            saved = time.monotonic()
            began = saved - state["seconds"]
            if watch is not None and len(state["gradients"]) == epoch:
                found = gradients.measure(model, batch_at(plan, epoch, 0), epoch + 1, options.clip)
                for concern in found.concerns:
                    warnings.warn(f"Epoch {epoch + 1}: {concern}", RuntimeWarning, stacklevel=4)
                state["gradients"].append(asdict(found))
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
            if watch is not None:
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
    if watch is not None:
        watch += [gradients.Gradients(**found) for found in state["gradients"]]
    return state["history"]


def _optimizer(options, steps):
    warmup = max(1, round(options.warmup * steps))
    schedule = keras.optimizers.schedules.CosineDecay(
        0.0, decay_steps=max(1, steps - warmup), warmup_target=options.learning_rate, warmup_steps=warmup
    )
    return keras.optimizers.AdamW(schedule, weight_decay=options.weight_decay, global_clipnorm=options.clip)


def _train_step(model, optimizer, averages, options, augment):
    """The function that trains on one batch and returns its loss; one program for each shape of batch."""
    variables = model.trainable_variables

    def step(batch, count):
        told = {}
        if options.agreement:
            batch, told = tf.nest.map_structure(lambda value: tf.concat([value, value], 0), batch), {"views": 2}
        if augment is not None:
            seed = tf.stack([options.seed, count])
            features, lengths = augment(batch["features"], batch["lengths"], seed, **told)
            batch = {**batch, "features": features, "lengths": lengths}
        with tf.GradientTape() as tape:
            outputs = model(batch, training=True)
            loss = model.compute_loss(y=batch["targets"], y_pred=outputs)
            if options.agreement:
                loss += options.agreement * tf.reduce_mean(model.head.disagreement(outputs))
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
