"""The command line that the recipes share: train a pipeline and save it with its card, or score the one that was saved.

Convention: a recipe is `pipelines/NAME/train.py` with a `card.md` beside it, whose places in braces are filled in: command,
commit, seed, minutes, machine, dev (the scores on the dev split), and what the recipe itself has to say. `--smoke` runs the
same steps on made-up examples; `--evaluate` is the one way to the test split, and `--evaluate dev` scores again on dev.
What recipes of tasks that spell do alike is here too. Left out: data and settings, which are the recipe's.
"""

import argparse
import csv
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

import seqkit
from seqkit.metrics import bootstrap, character_edits
from seqkit.results import drawing

TEST = "## Scores on the test split"


def main(recipe, bundled, train, scores):
    """Reads the command line and does as it says.

    Args:
        recipe: path of the recipe's `train.py`, or of a script beside it that makes other weights.
        bundled: name of the weights it makes; or, of what does not ship, an absolute path.
        train: function `(run, smoke) -> (pipeline, facts)` of the directory that the run is kept in and of whether to run
            on made-up examples; facts are a dict of what else the card says. Of a fact named "curve", the paths of the
            `log.csv` of a run's steps, the card has the text, epochs counted on, and `learning-curve.png` the picture.
        scores: function `(pipeline, split) -> dict`, the scores on "dev" or "test".
    """
    folder, script = Path(recipe).parent, Path(recipe)
    run = folder.name if script.stem == "train" else f"{folder.name}-{script.stem}"
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    output = Path(seqkit.__file__).parent / "weights" / bundled
    parser.add_argument("--output", type=Path, default=output, help="where the pipeline is saved")
    parser.add_argument("--run", type=Path, default=Path("runs") / run, help="checkpoints and logs; resumes")
    evaluate = "only score the saved pipeline: on the test split, whose scores go onto its card, or on dev"
    parser.add_argument("--evaluate", nargs="?", const="test", choices=["dev", "test"], help=evaluate)
    parser.add_argument("--smoke", action="store_true", help="a minute's run on made-up examples")
    arguments = parser.parse_args()
    card = arguments.output / "CARD.md"
    if arguments.evaluate:
        scored = scores(seqkit.pipeline(arguments.output), arguments.evaluate)
        if arguments.evaluate == "test":
            card.write_text(f"{card.read_text().partition(TEST)[0].rstrip()}\n\n{TEST}\n\n{_section(scored)}")
        print(json.dumps(scored, indent=1))
        return
    commit = subprocess.run(["git", "describe", "--always", "--dirty"], capture_output=True, text=True, cwd=folder)
    drawing()  # what is missing is said now, not after hours of training
    began = time.monotonic() - _spent(arguments.run)
    pipe, facts = train(arguments.run, arguments.smoke)
    pipe.save(arguments.output, half=True)
    if "curve" in facts:
        facts["curve"] = _joined(facts["curve"])
        _draw(facts["curve"], arguments.output / "learning-curve.png")
    text = (
        (folder / "card.md")
        .read_text()
        .format(
            command=f"SEQKIT_DATA=data python pipelines/{folder.name}/{script.name}" + " --smoke" * arguments.smoke,
            commit=commit.stdout.strip() or "unknown",
            seed=pipe.config.seed,
            minutes=round((time.monotonic() - began) / 60),
            machine=f"{os.cpu_count()} cores, {platform.machine()}, no GPU",
            # Of the weights as they were stored.
            dev="" if arguments.smoke else _section(scores(seqkit.pipeline(arguments.output), "dev")),
            **facts,
        )
    )
    card.write_text(text)
    print(f"{(time.monotonic() - began) / 60:.0f} minutes; saved to {arguments.output}")


def read_corpus(place, name, origin):
    """The table of a corpus under `$SEQKIT_DATA`: the folder, and the rows of its tab-separated file as dicts.

    Args:
        place: str, the corpus's folder there.
        name: str, the table's name in it.
        origin: str, where the corpus comes from, for whoever does not have it.

    Raises:
        SystemExit: it is not there.
    """
    folder = Path(os.environ.get("SEQKIT_DATA", "data")) / place
    if not (folder / name).is_file():
        raise SystemExit(f"There is no {folder}/{name}. Set SEQKIT_DATA to where the corpus is; it comes from {origin}.")
    with (folder / name).open(encoding="utf-8", newline="") as file:
        return folder, list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def median_score(answers):
    return statistics.median(answer.score for answer in answers)


def transcription_scores(pipe, pairs, unit):
    """Error rates on `(input, text)` pairs, and the 95 % interval of the character error rate over them; how many of such a
    `unit` there are."""
    inputs, references = zip(*pairs)
    answers = pipe(list(inputs))
    edits, sizes = character_edits([answer.text for answer in answers], references)
    metrics = {**pipe.model.head.evaluate(answers, references), "median score": median_score(answers), unit: len(pairs)}
    low, high = bootstrap(edits, sizes)
    return {**{name: round(value, 4) for name, value in metrics.items()}, "cer, 95 % of samples": f"{low:.4f} to {high:.4f}"}


def translation_scores(pipe, pairs):
    """BLEU and chrF on `(text, translation)` pairs, with sacreBLEU's signatures."""
    import sacrebleu

    inputs, references = zip(*pairs)
    answers = pipe(list(inputs))
    metrics = {**pipe.model.head.evaluate(answers, references), "median score": median_score(answers), "pairs": len(pairs)}
    scorers = {"BLEU": sacrebleu.BLEU, "chrF": sacrebleu.CHRF}
    signatures = {f"{name}, signature": str(kind(references=[references]).get_signature()) for name, kind in scorers.items()}
    return {**{name: round(value, 4) for name, value in metrics.items()}, **signatures}


def best_search(reader, assets, config, searches, dev):
    """Of searches, the one that reads held-out examples best, its scores fitted to them.

    Args:
        reader: the trained pipeline, whose weights are taken.
        assets, config: those of the pipeline that is to be, but for its search.
        searches: list of dicts, settings of its Config.
        dev: list of `(input, text)`.

    Returns:
        The pipeline, and what a card says of its search.
    """
    pipes = [like(reader, assets, **{**vars(config), **search}) for search in searches]
    best = max(pipes, key=lambda pipe: pipe.evaluate(dev)["accuracy"])
    best.model.head.calibrate(best([x for x, _ in dev]), [y for _, y in dev])
    return best, f"weight {best.config.weight}, bonus {best.config.bonus}"


def like(pipe, assets=None, **settings):
    """A pipeline with the same weights and these settings of its Config otherwise, such as another search."""
    other = seqkit.build(pipe.task.name, assets or pipe.assets, **{**vars(pipe.config), **settings})
    other.model.set_weights(pipe.model.get_weights())
    return other


def _joined(logs):
    """The text of the logs of a run's steps, one after the other, as one log."""
    lines = []
    for log in logs:
        header, *rows = log.read_text().splitlines()
        lines += [f"{place},{row.partition(',')[2]}" for place, row in enumerate(rows, len(lines) + 1)]
    return "\n".join([header, *lines, ""])


def _spent(run):
    """Seconds that a run took before it was broken off, of the epochs that it finished."""
    return sum(float(_columns(log.read_text())["seconds"].sum()) for log in run.rglob("log.csv"))


def _columns(log):
    return np.genfromtxt(log.splitlines(), delimiter=",", names=True, ndmin=1)


def _draw(log, path):
    """The loss of a run, and what was measured on the dev split, epoch by epoch."""
    columns = _columns(log)
    rest = [name for name in columns.dtype.names if name not in ("epoch", "loss", "seconds")]
    figure, (left, right) = drawing().subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    left.plot(columns["epoch"], columns["loss"], color="black")
    left.set(xlabel="epoch", title="training loss", ylim=(0, None))
    for name in rest:
        right.plot(columns["epoch"], columns[name], label=name)
    right.set(xlabel="epoch", title="dev split", ylim=(0, 1))
    right.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    figure.savefig(path, dpi=80)


def _section(scored):
    return f"```json\n{json.dumps(scored, indent=1)}\n```\n"
