"""The recipe of `handwriting-fr`: `python pipelines/handwriting/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on a few printed words.
"""

import statistics

import data

import seqkit
from seqkit import recipes
from seqkit.metrics import bootstrap, character_edits

FIRST = {"epochs": 50, "batch_steps": 12288, "learning_rate": 2e-3, "weight_decay": 1e-2, "clip": 5.0, "average": 0.999}
SECOND = {**FIRST, "epochs": 8, "learning_rate": 7e-4, "agreement": 0.2}  # each line in two views that are to be read alike
LISTED = 100_000  # words that the language model knows
GREEDY = {"beam": 1, "order": 0}
SEARCHES = [{"weight": weight, "bonus": bonus} for weight in (0.5, 0.7, 0.9) for bonus in (1.0, 1.5, 2.0)]
SMALL = {"height": 16, "filters": (4, 8, 8, 8, 8), "units": 16, "depth": 1, "order": 3, "dropout": 0.0}
QUICK = {"epochs": 100, "batch_steps": 1024, "learning_rate": 2e-2}, {"epochs": 20, "batch_steps": 1024, "agreement": 0.2}


def searching(pipe, assets=None, **search):
    """The same weights, decoded in another way."""
    other = seqkit.build(pipe.task.NAME, assets or pipe.assets, **{**vars(pipe.config), **search})
    other.model.set_weights(pipe.model.get_weights())
    return other


def median_score(answers):
    return statistics.median(answer.score for answer in answers)


def measured(pipe, pairs):
    """Error rates, and the 95 % interval of the character error rate over lines."""
    images, truths = zip(*pairs)
    answers = pipe(list(images))
    edits, sizes = character_edits([answer.text for answer in answers], truths)
    found = {**pipe.model.head.evaluate(answers, truths), "median score": median_score(answers), "lines": len(pairs)}
    low, high = bootstrap(edits, sizes)
    return {**{name: round(value, 4) for name, value in found.items()}, "cer, 95 % of samples": f"{low:.4f} to {high:.4f}"}


def scores(pipe, split):
    """Scores of the pipeline, and without its language model; and how high it scores the same lines upside down."""
    pairs = data.lines(split)
    turned = pipe([data.upside_down(path) for path, _ in pairs])
    return {
        "greedy": measured(searching(pipe, **GREEDY), pairs),
        "with the language model": measured(pipe, pairs),
        "the same lines upside down": {"median score": round(median_score(turned), 4)},
    }


def learn(reader, examples, dev, run, first, second):
    """Trains in two steps, and keeps the weights after the second or their mean with those before (Wortsman et al., 2022).

    A pipeline that lies in `run/first/pipeline` is gone on from, in place of the first step.
    """
    start = run / "first" / "pipeline"
    if start.is_dir():
        reader.model.set_weights(searching(seqkit.pipeline(start), **GREEDY).model.get_weights())
    else:
        reader.fit(examples, validation=dev, directory=run / "first", **first)
        reader.save(start)
    before = reader.model.get_weights()
    reader.fit(examples, validation=dev, directory=run / "second", **second)
    mean = searching(reader)
    mean.model.set_weights([(one + other) / 2 for one, other in zip(before, reader.model.get_weights())])
    found = {pipe: pipe.evaluate(dev)["accuracy"] for pipe in (reader, mean)}
    print(f"accuracy on the dev split after the second step, and of the mean: {', '.join(map(str, found.values()))}")
    return max(found, key=found.get)


def curve(run):
    """The logs of both steps as one file, in which the epochs of the second go on counting."""
    lines = []
    for log in (run / "first" / "log.csv", run / "second" / "log.csv"):
        if log.is_file():
            header, *rows = log.read_text().splitlines()
            lines += [f"{place},{row.partition(',')[2]}" for place, row in enumerate(rows, len(lines) + 1)]
    (run / "curve.csv").write_text("\n".join([header, *lines, ""]))
    return run / "curve.csv"


def train(run, smoke):
    if smoke:
        examples, dev, words = data.MADE_UP, data.MADE_UP, ["sad", "good"]
        settings, steps, searches = SMALL, QUICK, SEARCHES[:2]
    else:
        examples, dev, words = data.lines("train"), data.lines("dev"), data.words(LISTED)
        settings, steps, searches = {}, (FIRST, SECOND), SEARCHES
    pipe = seqkit.build("handwriting-recognition", **settings)
    pipe.learn(examples)
    reader = learn(searching(pipe, **GREEDY), examples, dev, run, *steps)
    assets = {**pipe.assets, "words.txt": "\n".join(words).encode()}
    pipes = [searching(reader, assets, **{**vars(pipe.config), **search}) for search in searches]
    pipe = max(pipes, key=lambda pipe: pipe.evaluate(dev)["accuracy"])
    pipe.model.head.calibrate(pipe([x for x, _ in dev]), [y for _, y in dev])
    search = f"weight {pipe.config.weight}, bonus {pipe.config.bonus}"
    return pipe, {"search": search, "curve": curve(run)}


if __name__ == "__main__":
    recipes.main(__file__, "handwriting-fr", train, scores)
