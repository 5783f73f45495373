"""The recipe of `sentiment-en`: `python pipelines/sentiment/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on a few hundred examples, made up where there is no corpus.
"""

import argparse
import json
import random
import time
from pathlib import Path

import data

import seqkit

BUNDLED = Path(seqkit.__file__).parent / "weights" / "sentiment-en"


def examples(split):
    """Reviews and treebank sentences; for training all phrases of the treebank too."""
    return data.imdb(split) + data.treebank(split, phrases=split == "train")


def made_up(count):
    """Sentences of two words whose label anyone can see, for the smoke test."""
    words = {
        "positive": ["good", "fine", "great"],
        "neutral": ["plain", "usual", "square"],
        "negative": ["bad", "dull"],
    }
    draw = random.Random(0)
    return [(f"{draw.choice(words[label])} film", label) for label in sorted(words) for _ in range(count // 3)]


def scores(pipe):
    """Accuracy of positive against negative on the test splits, and what three classes give on the treebank."""
    found = {}
    for name, pairs in (("imdb", data.imdb("test")), ("sst2", data.treebank("test"))):
        polar = [(text, label) for text, label in pairs if label != "neutral"]
        answers = pipe([text for text, _ in polar], batch_size=64)
        right = [
            (answer.scores["positive"] > answer.scores["negative"]) == (label == "positive")
            for answer, (_, label) in zip(answers, polar)
        ]
        found[name] = {"accuracy": sum(right) / len(right), "examples": len(right)}
    return {**found, "sst3": pipe.evaluate(data.treebank("test"))}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=BUNDLED, help="where the pipeline is saved")
    parser.add_argument("--run", type=Path, default=Path("runs/sentiment"), help="checkpoints and logs; resumes")
    parser.add_argument("--evaluate", action="store_true", help="only print the scores on the test splits")
    parser.add_argument("--smoke", action="store_true", help="a minute's run on made-up sentences")
    arguments = parser.parse_args()
    if arguments.evaluate:
        print(json.dumps(scores(seqkit.pipeline(arguments.output)), indent=1))
        return
    began = time.monotonic()
    if arguments.smoke:
        train, dev, settings, options = made_up(300), made_up(60), dict(width=16, units=16), dict(epochs=1)
    else:
        train, dev, settings = examples("train"), examples("dev"), {}
        options = dict(epochs=6, batch_size=64, learning_rate=2e-3, average=0.999, crop=128)
    pipe = seqkit.build("sentiment-analysis", **settings)
    pipe.fit(train, validation=dev, directory=arguments.run, **options)
    pipe.save(arguments.output, half=True)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; saved to {arguments.output}")


if __name__ == "__main__":
    main()
