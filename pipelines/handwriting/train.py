"""The recipe of `handwriting-fr`: `python pipelines/handwriting/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on a few printed words.
"""

import data
import drawn
from PIL import ImageFont

import seqkit
from seqkit import recipes
from seqkit.metrics import bootstrap, character_edits

TRAINING = {"epochs": 20, "batch_steps": 12288, "learning_rate": 2e-3, "weight_decay": 1e-2, "clip": 5.0, "average": 0.999}
DRAWN = 8000  # lines in typefaces; the corpus is shown twice as often
LISTED = 100_000  # words that the language model knows
GREEDY = {"beam": 1, "order": 0}
SEARCHES = [{"weight": weight, "bonus": bonus} for weight in (0.5, 0.7, 0.9) for bonus in (0.5, 1.0, 1.5)]
SMALL = {"height": 16, "filters": (4, 8, 8, 8, 8), "units": 16, "depth": 1, "order": 3, "dropout": 0.0}
QUICK = {"epochs": 100, "batch_steps": 1024, "learning_rate": 2e-2}


def searching(pipe, assets=None, **search):
    """The same weights, decoded in another way."""
    other = seqkit.build(pipe.task.NAME, assets or pipe.assets, **{**vars(pipe.config), **search})
    other.model.set_weights(pipe.model.get_weights())
    return other


def measured(pipe, pairs):
    """Error rates, and the 95 % interval of the character error rate over lines."""
    images, truths = zip(*pairs)
    answers = pipe(list(images))
    edits, sizes = character_edits([answer.text for answer in answers], truths)
    found = {**pipe.model.head.evaluate(answers, truths), "lines": len(pairs)}
    low, high = bootstrap(edits, sizes)
    return {**{name: round(value, 4) for name, value in found.items()}, "cer, 95 % of samples": f"{low:.4f} to {high:.4f}"}


def scores(pipe, split):
    """Scores of the pipeline, and without its language model."""
    pairs = data.lines(split)
    return {"greedy": measured(searching(pipe, **GREEDY), pairs), "with the language model": measured(pipe, pairs)}


def train(run, smoke):
    if smoke:
        lines, dev, settings, training, searches = data.MADE_UP, data.MADE_UP, SMALL, QUICK, SEARCHES[:2]
        count, words, hands = 6, {"good": 1, "sad": 1}, [ImageFont.load_default(36)]
    else:
        lines, dev, settings, training, searches = data.lines("train"), data.lines("dev"), {}, TRAINING, SEARCHES
        count, words, hands = DRAWN, drawn.french(), drawn.hands(run / "fonts")
    others = drawn.lines(count, [text for _, text in lines], words, hands, seed=0)
    pipe = seqkit.build("handwriting-recognition", **settings)
    pipe.learn(lines)
    reader = searching(pipe, **GREEDY)
    reader.fit(lines * 2 + others, validation=dev, directory=run, **training)
    assets = {**pipe.assets, "words.txt": "\n".join([*words][:LISTED]).encode()}
    pipes = [searching(reader, assets, **{**vars(pipe.config), **search}) for search in searches]
    pipe = max(pipes, key=lambda pipe: pipe.evaluate(dev)["accuracy"])
    pipe.model.head.calibrate(pipe([x for x, _ in dev]), [y for _, y in dev])
    search = f"weight {pipe.config.weight}, bonus {pipe.config.bonus}"
    return pipe, {"search": search, "curve": run / "log.csv"}


if __name__ == "__main__":
    recipes.main(__file__, "handwriting-fr", train, scores)
