"""How well a loss reaches what is to learn: the norm of its gradient by layer, and by time step of each recurrent state.

A recurrent state hands the gradient back from step to step, and what is handed back may fade or grow by a factor each time
(Bengio, Simard and Frasconi 1994; Pascanu, Mikolov and Bengio 2013). `measure` runs one batch outside the compiled programs,
step by step, and reads off the total derivative of the loss with respect to each state; it leaves the model as it was.

Convention: norms are over the units of a state, root mean square over the rows for which the step is real.
Left out: when to measure (`loop.py`), and doing something about it.
"""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from seqkit.layers import watched
from seqkit.results import drawing

# Between the quarter of the steps nearest the loss and the farthest: a factor at which the farthest teach nothing any more,
# or nothing but them is heard.
FADED, GROWN = 1e-3, 1e3
FEWEST_STEPS = 8  # over fewer nothing fades


@dataclass(frozen=True)
class Gradients:
    """Gradient norms on one batch.

    Attributes:
        epoch: int, from 1.
        norm: of all weights together, before clipping.
        layers: dict of a layer's path -> norm of the gradient of its own weights.
        steps: dict of a recurrent layer's path -> list of the norm at its state after each real step, in the order of time.
        concerns: what is wrong, in words; empty if nothing is.
    """

    epoch: int
    norm: float
    layers: dict[str, float]
    steps: dict[str, list[float]]
    concerns: list[str]

    def plot(self):
        """Draws the norms by layer and by time step, on log scales; returns the matplotlib figure."""
        pyplot = drawing()
        bars = 0.8 + 0.25 * len(self.layers)
        figure, (upper, lower) = pyplot.subplots(2, 1, figsize=(9, bars + 3.8), height_ratios=(bars, 3.2), layout="constrained")
        upper.barh(list(self.layers), list(self.layers.values()), color="tab:blue")
        upper.invert_yaxis()
        upper.set_xscale("log")
        upper.set_xlabel("gradient norm of the weights")
        for name, norms in self.steps.items():
            lower.plot(range(1, len(norms) + 1), norms, label=name)
        lower.set_yscale("log")
        lower.set_xlabel("time step")
        lower.set_ylabel("gradient norm at the state")
        if self.steps:
            figure.legend(fontsize="small", loc="outside lower center")
        figure.suptitle(f"Gradients, epoch {self.epoch}")
        return figure


def measure(model, batch, epoch, clip):
    """Gradient norms of a model on one batch as of `batches.collate`, dropout included.

    Args:
        model: `SequenceModel`.
        batch: dict of features, lengths and targets.
        epoch: int, from 1; for the record.
        clip: float, the norm that training clips to.

    Returns:
        `Gradients`.
    """
    batch = tf.nest.map_structure(tf.constant, batch)
    before = [(variable, variable.numpy()) for variable in model.non_trainable_variables]
    with watched() as seen, tf.GradientTape() as tape:
        loss = model.compute_loss(y=batch["targets"], y_pred=model(batch, training=True))
    for variable, value in before:  # the seeds of dropout among them: a watched run draws what an unwatched one does
        variable.assign(value)
    weights = [variable.value for variable in model.trainable_variables]
    own, states = tape.gradient(
        loss, [weights, [record.states for record in seen]], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    layers, whole = {}, f"{model.name}/"
    for variable, gradient in zip(model.trainable_variables, own):
        name = variable.path.rpartition("/")[0].removeprefix(whole)
        layers.setdefault(name, []).append(tf.convert_to_tensor(gradient))
    layers = {name: float(tf.linalg.global_norm(parts)) for name, parts in layers.items()}
    norm = float(tf.linalg.global_norm(list(layers.values())))
    names = [record.name.removeprefix(whole) for record in seen]
    steps = {name: _by_step(gradients, record.real.numpy()) for name, record, gradients in zip(names, seen, states)}
    concerns = [_concern(name, steps[name], record.backwards) for name, record in zip(names, seen)]
    if not norm <= GROWN * clip:
        concerns.append(
            f"The gradient's norm is {norm:.3g}, {GROWN:.0f} times what it is clipped to ({clip:g}) or more: it explodes. "
            "Lower the learning rate, or use layer_norm in the recurrent layers."
        )
    return Gradients(epoch, norm, layers, steps, [words for words in concerns if words])


def _by_step(gradients, real):
    """Gradients `[(batch, units)]` of the steps, and which of them are real `(steps, batch)` -> a norm a step of any row."""
    squares = np.square(np.array(gradients, np.float32)).sum(axis=-1)
    rows = np.sum(real, axis=1)
    means = (squares * real).sum(axis=1) / np.maximum(rows, 1)
    return np.sqrt(means[rows > 0]).tolist()


def _concern(name, norms, backwards):
    """What is wrong with how a loss reaches the steps of one layer, in words; empty if nothing is."""
    if len(norms) < FEWEST_STEPS:
        return ""
    count = len(norms) // 4
    begin, end = sum(norms[:count]) / count, sum(norms[-count:]) / count
    near, far = (begin, end) if backwards else (end, begin)  # the gradient runs against the reading
    if far < FADED * near:
        return (
            f"The gradient vanishes in {name}: at the steps farthest from the loss it has {far / near:.0e} of its norm at the "
            "nearest, so what is read there teaches nothing. Try LSTM or GRU for SimpleRNN, layer_norm, or shorter inputs."
        )
    if far > GROWN * near and near > 0:
        return (
            f"The gradient explodes in {name}: at the steps farthest from the loss it has {far / near:.0e} times its norm at "
            "the nearest. Lower clip or the learning rate, use layer_norm, or shorter inputs."
        )
    return ""
