"""The recipe of `translation-en-de`: `python pipelines/translation/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on made-up sentences. `de_en.py` and the like beside it are the recipes of the
other directions, and `multi30k.py` learns captions: a score to compare, but no weights to ship.
"""

import functools

import data

import seqkit
from seqkit import recipes

STEPS = {"epochs": 8, "batch_steps": 1536, "learning_rate": 1.5e-3, "warmup": 0.05, "clip": 5.0, "average": 0.999}
SIZES = {"vocabulary": 6000, "width": 256, "units": 224, "depth": 2, "decoder_units": 448}
SMALL = {"vocabulary": 330, "width": 24, "units": 16, "depth": 1, "decoder_units": 32, "dropout": 0.0}
QUICK = {"epochs": 40, "batch_steps": 256, "learning_rate": 1e-2}
SEARCHES = [{"length_penalty": alpha, "coverage_penalty": beta} for alpha in (0.6, 1.0, 1.4) for beta in (0.0, 0.1)]
ABOUT = """\
- **Data:** sentence pairs of Tatoeba (tatoeba.org, by way of www.manythings.org/anki). A hash of the letters of the English
  sentence decides the split. Of the training pairs some are varied: names, addresses, capitals.
- **Licence:** CC BY 2.0 FR; attribution: tatoeba.org, www.manythings.org/anki. The weights: Apache-2.0.
"""
LIMITS = """\
Not for long or specialised text: it knows what learners of a language write. What no vocabulary has, such as addresses, numbers
and emoji, is copied; names it has never seen may be misspelt."""
DEV = 500  # pairs that are translated after each epoch


def directed(pairs, source):
    return pairs if source == "en" else [pair[::-1] for pair in pairs]


def scores(pipe, split):
    """BLEU and chrF on the sentences of a split, by the beam and greedily."""
    source, target = pipe.config.source, pipe.config.target
    pairs = directed(data.tatoeba(source if target == "en" else target, split), source)
    return both_ways(pipe, pairs)


def both_ways(pipe, pairs):
    greedy = recipes.like(pipe, beam=1)
    return {"beam": recipes.translation_scores(pipe, pairs), "greedy": recipes.translation_scores(greedy, pairs)}


def train(source, target, run, smoke):
    if smoke:
        examples, dev, settings, steps, searches = data.MADE_UP, data.MADE_UP[::5], SMALL, QUICK, SEARCHES[:2]
    else:
        language = source if target == "en" else target
        examples, dev = data.varied(data.tatoeba(language, "train")), data.tatoeba(language, "dev")
        settings, steps, searches = SIZES, STEPS, SEARCHES
    examples, dev = directed(examples, source), directed(dev, source)
    pipe = seqkit.build("translation", source=source, target=target, beam=1, **settings)
    pipe.fit(examples, validation=dev[:: max(1, len(dev) // DEV)], directory=run, **steps)
    best, facts = chosen(pipe, searches, dev)
    return best, {**facts, "about": ABOUT, "limits": LIMITS, "curve": [run / "log.csv"]}


def chosen(pipe, searches, dev):
    """The trained pipeline with the search that translates dev best, its scores fitted there; and what a card says of it."""
    pipes = [recipes.like(pipe, **{"beam": 4, **search}) for search in searches]
    best = max(pipes, key=lambda each: each.evaluate(dev)["bleu"])
    best.model.head.calibrate(best([x for x, _ in dev]), [y for _, y in dev])
    config = best.config
    search = f"length penalty {config.length_penalty}, coverage penalty {config.coverage_penalty}"
    return best, {"source": config.source, "target": config.target, "search": search}


if __name__ == "__main__":
    recipes.main(__file__, "translation-en-de", functools.partial(train, "en", "de"), scores)
