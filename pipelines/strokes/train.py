"""The recipe of `digits-strokes`: `python pipelines/strokes/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on made-up strokes.
"""

import data

import seqkit
from seqkit import recipes

SETTINGS = {"box": "both", "spacing": 0.2, "members": 4, "units": 48, "warp": 0.03}
TRAINING = {"epochs": 60, "batch_steps": 2048, "learning_rate": 4e-3, "average": 0.998}
SMALL = {"labels": tuple(data.MADE_UP), "units": 16, "depth": 1}
QUICK = {"epochs": 20, "batch_steps": 512, "learning_rate": 1e-2}


def scores(pipe, split):
    pairs = data.pendigits(split)
    return {**{name: round(value, 4) for name, value in pipe.evaluate(pairs).items()}, "examples": len(pairs)}


def train(run, smoke):
    if smoke:
        examples, dev, settings, training = data.made_up(60), data.made_up(30, seed=1), SMALL, QUICK
    else:
        examples, dev, settings, training = data.pendigits("train"), data.pendigits("dev"), SETTINGS, TRAINING
    pipe = seqkit.build("stroke-recognition", **settings)
    # No validation: dev digits are by the hands of the training file, and cannot tell which epoch reads others best.
    pipe.fit(examples, directory=run, **training)
    pipe.model.head.calibrate(pipe([points for points, _ in dev]), [label for _, label in dev])
    return pipe, {"every": data.EVERY}


if __name__ == "__main__":
    recipes.main(__file__, "digits-strokes", train, scores)
