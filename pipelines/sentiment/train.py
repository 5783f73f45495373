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
    """Reviews and treebank sentences; for training all phrases of the treebank too, and each sentence four times."""
    pairs = data.imdb(split) + data.treebank(split)
    return pairs + 3 * data.treebank(split) + data.treebank(split, phrases=True) if split == "train" else pairs


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
        train, dev, reading = made_up(300), made_up(60), made_up(90)
        settings = {"width": 16, "units": 16, "ngrams": 100}
        before = options = {"epochs": 1, "batch_steps": 256}
    else:
        train, dev, reading, settings = examples("train"), examples("dev"), data.imdb("train"), {}
        before = {"epochs": 7, "batch_steps": 8192, "crop": 128, "learning_rate": 3e-3}
        options = {"epochs": 5, "batch_steps": 8192, "crop": 128, "learning_rate": 2e-3, "average": 0.998}
    pipe = seqkit.build("sentiment-analysis", **settings)
    pipe.learn(train)
    pipe.pretrain([text for text, _ in reading], directory=arguments.run / "pretraining", **before)
    pipe.fit(train, validation=dev, directory=arguments.run / "training", **options)
    pipe.save(arguments.output, half=True)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; saved to {arguments.output}")


if __name__ == "__main__":
    main()
