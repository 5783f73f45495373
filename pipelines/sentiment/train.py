"""The recipe of `sentiment-en`: `python pipelines/sentiment/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on made-up sentences.
"""

import data

import seqkit
from seqkit import recipes

PRETRAINING = {"epochs": 7, "batch_steps": 8192, "crop": 128, "learning_rate": 3e-3}
TRAINING = {"epochs": 5, "batch_steps": 8192, "crop": 128, "learning_rate": 2e-3, "average": 0.998}


def examples(split):
    """Reviews and treebank sentences; for training each sentence four times, and all phrases of the treebank."""
    pairs = data.imdb(split) + data.treebank(split)
    return pairs + 3 * data.treebank(split) + data.treebank(split, phrases=True) if split == "train" else pairs


def scores(pipe, split):
    """Accuracy of positive against negative on reviews and sentences; all metrics on the three classes."""
    found = {}
    for name, pairs in (("IMDB", data.imdb(split)), ("SST-2", data.treebank(split))):
        polar = [(text, label) for text, label in pairs if label != "neutral"]
        answers = [answer.scores for answer in pipe([text for text, _ in polar], batch_size=64)]
        right = [(s["positive"] > s["negative"]) == (label == "positive") for s, (_, label) in zip(answers, polar)]
        found[name] = {"accuracy": round(sum(right) / len(right), 4), "examples": len(right)}
    three = pipe.evaluate(data.treebank(split))
    return {**found, "SST, three classes": {name: round(value, 4) for name, value in three.items()}}


def train(run, smoke):
    if smoke:
        train = dev = reading = [(f"{word} film", label) for word, label in data.MADE_UP] * 20
        settings, pretraining = {"width": 16, "units": 16, "ngrams": 100}, {"epochs": 1, "batch_steps": 256}
        training = {"epochs": 3, "batch_steps": 256, "learning_rate": 1e-2}
    else:
        train, dev, reading = examples("train"), examples("dev"), data.imdb("train")
        settings, pretraining, training = {}, PRETRAINING, TRAINING
    pipe = seqkit.build("sentiment-analysis", **settings)
    pipe.learn(train)
    pipe.pretrain([text for text, _ in reading], directory=run / "pretraining", **pretraining)
    pipe.fit(train, validation=dev, directory=run / "training", **training)
    return pipe, {"dev_from": data.DEV_FROM}


if __name__ == "__main__":
    recipes.main(__file__, "sentiment-en", train, scores)
