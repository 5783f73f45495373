"""The recipe of `sentiment-en`: `python pipelines/sentiment/train.py` trains it, `--evaluate` reads the test splits.

`--smoke` runs the same steps in under a minute on made-up sentences.
"""

import argparse
import json
import os
import platform
import subprocess
import time
from pathlib import Path

import data

import seqkit

BUNDLED = Path(seqkit.__file__).parent / "weights" / "sentiment-en"
CARD = Path(__file__).with_name("card.md")
PRETRAINING = {"epochs": 7, "batch_steps": 8192, "crop": 128, "learning_rate": 3e-3}
TRAINING = {"epochs": 5, "batch_steps": 8192, "crop": 128, "learning_rate": 2e-3, "average": 0.998}
TEST = "## Scores on the test splits"


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


def section(found):
    return f"```json\n{json.dumps(found, indent=1)}\n```\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=BUNDLED, help="where the pipeline is saved")
    parser.add_argument("--run", type=Path, default=Path("runs/sentiment"), help="checkpoints and logs; resumes")
    parser.add_argument("--evaluate", action="store_true", help="only score the saved pipeline on the test splits")
    parser.add_argument("--smoke", action="store_true", help="a minute's run on made-up sentences")
    arguments = parser.parse_args()
    if arguments.evaluate:
        found = scores(seqkit.pipeline(arguments.output), "test")
        card = arguments.output / "CARD.md"
        card.write_text(f"{card.read_text().partition(TEST)[0].rstrip()}\n\n{TEST}\n\n{section(found)}")
        print(json.dumps(found, indent=1))
        return
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=CARD.parent)
    began = time.monotonic()
    if arguments.smoke:
        train = dev = reading = [(f"{word} film", label) for word, label in data.MADE_UP] * 20
        settings, pretraining = {"width": 16, "units": 16, "ngrams": 100}, {"epochs": 1, "batch_steps": 256}
        training = {"epochs": 3, "batch_steps": 256, "learning_rate": 1e-2}
    else:
        train, dev, reading = examples("train"), examples("dev"), data.imdb("train")
        settings, pretraining, training = {}, PRETRAINING, TRAINING
    pipe = seqkit.build("sentiment-analysis", **settings)
    pipe.learn(train)
    pipe.pretrain([text for text, _ in reading], directory=arguments.run / "pretraining", **pretraining)
    pipe.fit(train, validation=dev, directory=arguments.run / "training", **training)
    pipe.save(arguments.output, half=True)
    card = CARD.read_text().format(
        dev_from=data.DEV_FROM,
        command="SEQKIT_DATA=data python pipelines/sentiment/train.py" + " --smoke" * arguments.smoke,
        commit=commit.stdout.strip() or "unknown",
        seed=pipe.config.seed,
        minutes=round((time.monotonic() - began) / 60),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        dev="" if arguments.smoke else section(scores(seqkit.pipeline(arguments.output), "dev")),
    )
    (arguments.output / "CARD.md").write_text(card)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; saved to {arguments.output}")


if __name__ == "__main__":
    main()
