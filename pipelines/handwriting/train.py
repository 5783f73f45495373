"""The recipe of `handwriting-fr`: `python pipelines/handwriting/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on a few printed words.
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
from seqkit.metrics import bootstrap, character_edits

BUNDLED = Path(seqkit.__file__).parent / "weights" / "handwriting-fr"
CARD = Path(__file__).with_name("card.md")
TRAINING = {"epochs": 50, "batch_steps": 12288, "learning_rate": 2e-3, "weight_decay": 1e-2, "clip": 5.0, "average": 0.999}
GREEDY = {"beam": 1, "order": 0}
SEARCHES = [{"weight": weight, "bonus": bonus} for weight in (0.3, 0.5, 0.7) for bonus in (0.0, 0.5, 1.0)]
SMALL = {"height": 16, "filters": (4, 8, 8, 8, 8), "units": 16, "depth": 1, "order": 3, "dropout": 0.0}
QUICK = {"epochs": 120, "batch_steps": 1024, "learning_rate": 2e-2}
TEST = "## Scores on the test split"


def searching(pipe, **search):
    """The same weights, decoded in another way."""
    other = seqkit.build(pipe.task.NAME, pipe.assets, **{**vars(pipe.config), **search})
    other.model.set_weights(pipe.model.get_weights())
    return other


def scores(pipe, pairs):
    """Error rates, and the 95 % interval of the character error rate over lines."""
    images, truths = zip(*pairs)
    answers = pipe(list(images))
    edits, sizes = character_edits([answer.text for answer in answers], truths)
    found = {**pipe.model.head.evaluate(answers, truths), "lines": len(pairs)}
    low, high = bootstrap(edits, sizes)
    return {**{name: round(value, 4) for name, value in found.items()}, "cer, 95 % of samples": f"{low:.4f} to {high:.4f}"}


def both(pipe, pairs):
    """Scores of the pipeline, and without its language model."""
    return {"greedy": scores(searching(pipe, **GREEDY), pairs), "with the language model": scores(pipe, pairs)}


def section(found):
    return f"```json\n{json.dumps(found, indent=1)}\n```\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=BUNDLED, help="where the pipeline is saved")
    parser.add_argument("--run", type=Path, default=Path("runs/handwriting"), help="checkpoints and logs; resumes")
    parser.add_argument("--evaluate", action="store_true", help="only score the saved pipeline on the test split")
    parser.add_argument("--smoke", action="store_true", help="a minute's run on printed words")
    arguments = parser.parse_args()
    if arguments.evaluate:
        found = both(seqkit.pipeline(arguments.output), data.lines("test"))
        card = arguments.output / "CARD.md"
        card.write_text(f"{card.read_text().partition(TEST)[0].rstrip()}\n\n{TEST}\n\n{section(found)}")
        print(json.dumps(found, indent=1))
        return
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=CARD.parent)
    began = time.monotonic()
    train, dev, settings, training = data.MADE_UP, data.MADE_UP, SMALL, QUICK
    if not arguments.smoke:
        train, dev, settings, training = data.lines("train"), data.lines("dev"), {}, TRAINING
    pipe = seqkit.build("handwriting-recognition", **settings)
    pipe.learn(train)
    reader = searching(pipe, **GREEDY)
    reader.fit(train, validation=dev, directory=arguments.run, **training)
    searches = [searching(reader, **{**vars(pipe.config), **search}) for search in SEARCHES[: 2 if arguments.smoke else None]]
    pipe = max(searches, key=lambda pipe: pipe.evaluate(dev)["accuracy"])
    pipe.model.head.calibrate(pipe([x for x, _ in dev]), [y for _, y in dev])
    pipe.save(arguments.output, half=True)
    card = CARD.read_text().format(
        command="SEQKIT_DATA=data python pipelines/handwriting/train.py" + " --smoke" * arguments.smoke,
        commit=commit.stdout.strip() or "unknown",
        seed=pipe.config.seed,
        search=f"weight {pipe.config.weight}, bonus {pipe.config.bonus}",
        minutes=round((time.monotonic() - began) / 60),
        machine=f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
        curve=(arguments.run / "log.csv").read_text(),
        dev="" if arguments.smoke else section(both(seqkit.pipeline(arguments.output), dev)),
    )
    (arguments.output / "CARD.md").write_text(card)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; saved to {arguments.output}")


if __name__ == "__main__":
    main()
