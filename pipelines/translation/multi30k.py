"""Captions of pictures, English to German: a score to compare, no weights to ship. `multi30k_de_en.py` is the other way.

The captions of Multi30k (Elliott et al., 2016) are for research that is not commercial. They are translated in small letters,
as others report it; the pipeline is saved in `models/`, not in the package.
"""

import functools
from pathlib import Path

import data
from train import QUICK, SEARCHES, SMALL, both_ways, chosen

import seqkit
from seqkit import recipes

STEPS = {"epochs": 16, "batch_steps": 1024, "learning_rate": 1.5e-3, "clip": 5.0, "average": 0.999}
SIZES = {"vocabulary": 6000, "width": 256, "units": 256, "depth": 1, "decoder_units": 512, "dropout": 0.4}
ABOUT = """\
- **Data:** captions of Multi30k, task 1: 29,000 training, 1,014 validation and 1,000 test pairs (2016, Flickr), in small
  letters.
- **Licence:** for research and education that are not commercial; so are these weights, which do not ship.
"""


def scores(pipe, split):
    split = {"dev": "val", "test": "test_2016_flickr"}[split]
    return both_ways(pipe, data.multi30k(pipe.config.source, pipe.config.target, split))


def train(source, target, run, smoke):
    if smoke:
        examples, dev, settings, steps = data.MADE_UP, data.MADE_UP[::5], SMALL, QUICK
    else:
        examples, dev = (data.multi30k(source, target, split) for split in ("train", "val"))
        settings, steps = SIZES, STEPS
    pipe = seqkit.build("translation", source=source, target=target, beam=1, **settings)
    pipe.fit(examples, validation=dev, directory=run, **steps)
    best, facts = chosen(pipe, SEARCHES[: 2 if smoke else None], dev)
    return best, {**facts, "about": ABOUT, "limits": "It describes pictures, and nothing else.", "curve": [run / "log.csv"]}


def main(recipe, source, target):
    name = Path("models").absolute() / f"multi30k-{source}-{target}"
    recipes.main(recipe, name, functools.partial(train, source, target), scores)


if __name__ == "__main__":
    main(__file__, "en", "de")
