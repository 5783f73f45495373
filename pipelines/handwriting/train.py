"""The recipe of `handwriting-fr`: `python pipelines/handwriting/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on a few printed words.
"""

import functools

import data

import seqkit
from seqkit import recipes

FIRST = {"epochs": 50, "batch_steps": 12288, "learning_rate": 2e-3, "weight_decay": 1e-2, "clip": 5.0, "average": 0.999}
SECOND = {**FIRST, "epochs": 8, "learning_rate": 7e-4, "agreement": 0.2}  # each line in two views that are to be read alike
ON = {"epochs": 4, "learning_rate": 1.2e-3}, {"epochs": 1}  # of both steps, where they go on from a pipeline
LISTED = 100_000  # words that the language model knows
GREEDY = {"beam": 1, "order": 0}
SEARCHES = [{"weight": weight, "bonus": bonus} for weight in (0.5, 0.7, 0.9) for bonus in (1.0, 1.5, 2.0)]
SMALL = {"height": 16, "filters": (4, 8, 8, 8, 8), "units": 16, "depth": 1, "order": 3, "dropout": 0.0}
QUICK = {"epochs": 100, "batch_steps": 1024, "learning_rate": 2e-2}, {"epochs": 20, "batch_steps": 1024, "agreement": 0.2}


def scores(pipe, split):
    """Scores on either corpus, without the language model too; and how high lines upside down are scored."""
    pairs = data.copiste(split)
    turned = pipe([data.upside_down(path) for path, _ in pairs])
    measured = functools.partial(recipes.transcription_scores, unit="lines")
    return {
        "greedy": measured(recipes.like(pipe, **GREEDY), pairs),
        "with the language model": measured(pipe, pairs),
        "the same lines upside down": {"median score": round(recipes.median_score(turned), 4)},
        "wills of soldiers, with the language model": measured(pipe, data.others(split)),
    }


def learn(reader, examples, dev, run, first, second):
    """Trains in two steps, and keeps the weights after the second or their mean with those before (Wortsman et al., 2022).

    A pipeline that lies in `run/start` lends its encoder, and what its head knows of the characters that both have.
    """
    if (run / "start").is_dir():
        start, first, second = seqkit.pipeline(run / "start").model, {**first, **ON[0]}, {**second, **ON[1]}
        reader.model.encoder.inherit(start.encoder)
        reader.model.head.inherit(start.head)
    reader.fit(examples, validation=dev, directory=run / "first", **first)
    before = reader.model.get_weights()
    reader.fit(examples, validation=dev, directory=run / "second", **second)
    mean = recipes.like(reader)
    mean.model.set_weights([(one + other) / 2 for one, other in zip(before, reader.model.get_weights())])
    accuracies = {pipe: pipe.evaluate(dev)["accuracy"] for pipe in (reader, mean)}
    print(f"accuracy on the dev split after the second step, and of the mean: {', '.join(map(str, accuracies.values()))}")
    return max(accuracies, key=accuracies.get)


def train(run, smoke):
    if smoke:
        examples, dev, words = data.MADE_UP, data.MADE_UP, ["sad", "good"]
        settings, steps, searches = SMALL, QUICK, SEARCHES[:2]
    else:
        examples, dev, words = data.lines("train"), data.lines("dev"), data.words(LISTED)
        settings, steps, searches = {}, (FIRST, SECOND), SEARCHES
    pipe = seqkit.build("handwriting-recognition", **settings)
    pipe.learn(examples)
    reader = learn(recipes.like(pipe, **GREEDY), examples, dev, run, *steps)
    assets = {**pipe.assets, "words.txt": "\n".join(words).encode()}
    pipe, search = recipes.best_search(reader, assets, pipe.config, searches, dev)
    return pipe, {"search": search, "curve": [run / "first" / "log.csv", run / "second" / "log.csv"]}


if __name__ == "__main__":
    recipes.main(__file__, "handwriting-fr", train, scores)
