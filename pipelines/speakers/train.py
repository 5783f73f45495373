"""The recipe of `speakers-en`: `python pipelines/speakers/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on tones.
"""

import itertools

import data

import seqkit
from seqkit import recipes

STEPS = {
    "epochs": 60,
    "batch_steps": 10000,
    "learning_rate": 2e-3,
    "weight_decay": 1e-2,
    "clip": 5.0,
    "average": 0.999,
    "crop": 300,
}
SMALL = {"bands": 20, "filters": 4, "units": 12, "depth": 1, "size": 16, "dropout": 0.0}
QUICK = {"epochs": 30, "batch_steps": 512, "learning_rate": 1e-2}
ENROLLED = 3  # recordings by which a new voice is learnt


def scores(pipe, split):
    """Of AN4's 74 voices; on the test split, among ten that nobody has heard, and of these once they are enrolled too."""
    pairs = data.an4(split)
    if split == "dev":
        return {
            "74 voices": _measured(pipe, pairs),
            "among adults of speechocean762": _measured(pipe, pairs + data.strangers()),
        }
    ten = data.an4("-")
    scored = {"74 voices": _measured(pipe, pairs)}
    scored["among ten that nobody has heard"] = _measured(pipe, pairs + [(path, "unknown") for path, _ in ten])
    rest = []
    for voice, recordings in itertools.groupby(ten, key=lambda pair: pair[1]):
        paths = [path for path, _ in recordings]
        pipe.enroll(voice, paths[:ENROLLED])
        rest += [(path, voice) for path in paths[ENROLLED:]]
    return {**scored, f"these, enrolled by {ENROLLED} recordings each": _measured(pipe, rest)}


def _measured(pipe, pairs):
    return {**{name: round(value, 4) for name, value in pipe.evaluate(pairs).items()}, "recordings": len(pairs)}


def train(run, smoke):
    if smoke:
        examples, settings, steps = data.MADE_UP, SMALL, QUICK
        dev = [pair for pair in examples if pair[1] != "other"]
    else:
        examples = data.an4("train") + data.others() + list(data.nobody())
        dev, settings, steps = data.an4("dev") + data.strangers(), {}, STEPS
    voices = sorted({voice for _, voice in examples} - {"unknown"})
    everyone = seqkit.build("speaker-identification", labels=voices, **settings)
    everyone.fit(examples, validation=dev, directory=run, **steps)
    # Those of AN4 stay: what was learnt of the others is in the network.
    labels = [voice for voice in voices if voice.startswith("an4-")]
    pipe = seqkit.build("speaker-identification", {}, **{**vars(everyone.config), "labels": labels})
    pipe.model.encoder.inherit(everyone.model.encoder)
    pipe.model.head.inherit(everyone.model.head)
    pipe.model.head.calibrate(pipe([x for x, _ in dev]), [y for _, y in dev])
    return pipe, {"voices": len(voices), "curve": [run / "log.csv"]}


if __name__ == "__main__":
    recipes.main(__file__, "speakers-en", train, scores)
