"""The recipe of `digits-strokes`: `python pipelines/strokes/train.py` trains it, `--evaluate` reads the test split.

`--smoke` runs the same steps in under a minute on made-up strokes.
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

BUNDLED = Path(seqkit.__file__).parent / "weights" / "digits-strokes"
CARD = Path(__file__).with_name("card.md")
SETTINGS = {"aspect": False, "spacing": 0.2, "members": 4, "units": 48, "warp": 0.03}
TRAINING = {"epochs": 60, "batch_steps": 2048, "learning_rate": 4e-3, "average": 0.998}
TEST = "## Scores on the test split"


def scores(pipe, split):
    pairs = data.pendigits(split)
    return {**{name: round(value, 4) for name, value in pipe.evaluate(pairs).items()}, "examples": len(pairs)}


def section(found):
    return f"```json\n{json.dumps(found, indent=1)}\n```\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=BUNDLED, help="where the pipeline is saved")
    parser.add_argument("--run", type=Path, default=Path("runs/strokes"), help="checkpoints and logs; resumes")
    parser.add_argument("--evaluate", action="store_true", help="only score the saved pipeline on the test split")
    parser.add_argument("--smoke", action="store_true", help="a minute's run on made-up strokes")
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
        train, dev = data.made_up(60), data.made_up(30, seed=1)
        settings = {"labels": tuple(data.MADE_UP), "units": 16, "depth": 1}
        training = {"epochs": 20, "batch_steps": 512, "learning_rate": 1e-2}
    else:
        train, dev, settings, training = data.pendigits("train"), data.pendigits("dev"), SETTINGS, TRAINING
    pipe = seqkit.build("stroke-recognition", **settings)
    # No validation: dev digits are by the hands of the training file, and cannot tell which epoch reads others best.
    pipe.fit(train, directory=arguments.run, **training)
    pipe.model.head.calibrate(pipe([points for points, _ in dev]), [label for _, label in dev])
    pipe.save(arguments.output, half=True)
    card = CARD.read_text().format(
        every=data.EVERY,
        command="SEQKIT_DATA=data python pipelines/strokes/train.py" + " --smoke" * arguments.smoke,
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
