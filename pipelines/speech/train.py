"""The recipe of `speech-en`: `python pipelines/speech/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on tones. `live.py` beside it is the recipe of the sister that streams.
"""

import functools

import data

import seqkit
from seqkit import recipes

FIRST = {"epochs": 20, "batch_steps": 8000, "learning_rate": 2e-3, "weight_decay": 1e-2, "clip": 5.0, "average": 0.999}
SECOND = {**FIRST, "epochs": 40, "learning_rate": 1e-3}  # on AN4, and on one in `SHARE` of the others
SHARE = 6
GREEDY = {"beam": 1, "order": 0}
SEARCHES = [{"weight": weight, "bonus": bonus} for weight in (0.3, 0.5, 0.7, 0.9) for bonus in (0.5, 1.0, 1.5)]
SMALL = {"bands": 20, "filters": 4, "units": 24, "depth": 1, "order": 3, "dropout": 0.0}
QUICK = {"epochs": 60, "batch_steps": 1024, "learning_rate": 1e-2}, {"epochs": 10, "batch_steps": 1024}


def scores(pipe, split):
    """Scores on AN4, greedily and with the language model; on the test split, of other corpora too."""
    measured, pairs = functools.partial(recipes.transcription_scores, unit="recordings"), data.an4(split)
    scored = {"AN4, greedy": measured(recipes.like(pipe, **GREEDY), pairs), "AN4": measured(pipe, pairs)}
    if split == "test":
        scored["speechocean762, adults"] = measured(pipe, data.speechocean("test"))
        scored["LibriSpeech, other readers"] = measured(pipe, data.librispeech("test"))
    return scored


def train(run, smoke, **settings):
    if smoke:
        examples, rest, dev, searches, steps = data.MADE_UP, [], data.MADE_UP, SEARCHES[:2], QUICK
        settings = {**SMALL, **settings}
    else:
        examples, rest, dev, searches, steps = data.an4("train"), data.others(), data.an4("dev"), SEARCHES, (FIRST, SECOND)
    pipe = seqkit.build("speech-to-text", **settings)
    pipe.learn(examples + rest)
    reader = recipes.like(pipe, **GREEDY)
    reader.fit(examples + rest, validation=dev, directory=run / "first", **steps[0])
    reader.fit(examples + rest[::SHARE], validation=dev, directory=run / "second", **steps[1])
    pipe, search = recipes.best_search(reader, pipe.assets, pipe.config, searches, dev)
    return pipe, {"search": search, "curve": [run / "first" / "log.csv", run / "second" / "log.csv"]}


if __name__ == "__main__":
    recipes.main(__file__, "speech-en", train, scores)
