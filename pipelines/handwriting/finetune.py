"""What a few lines of one's own hand bring: `SEQKIT_DATA=... python pipelines/handwriting/finetune.py`.

For each of a few writers of the dev split, whom the bundled model was not trained on, the lines are cut into five parts: each
part is read by the bundled model, and by one that went on training on the other four.
"""

import argparse
from collections import defaultdict

import data
from rich.console import Console
from rich.table import Table

import seqkit
from seqkit.metrics import character_edits

TUNING = {"epochs": 30, "batch_steps": 4096, "learning_rate": 5e-4}


def rate(texts, references):
    edits, sizes = character_edits(texts, references)
    return f"{100 * edits.sum() / sizes.sum():.1f} %"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--writers", type=int, default=3, help="how many, those with most lines first")
    parser.add_argument("--parts", type=int, default=5)
    arguments = parser.parse_args()
    hands = defaultdict(list)
    for path, text in data.copiste("dev"):
        hands[data.writer(path)].append((path, text))
    table = Table("writer", "lines", "trained on", "character errors before", "after")
    for name, lines in sorted(hands.items(), key=lambda item: -len(item[1]))[: arguments.writers]:
        before, after, references = [], [], []
        for part in range(arguments.parts):
            pipe = seqkit.pipeline("handwriting-recognition")
            held = lines[part :: arguments.parts]
            images = [path for path, _ in held]
            before += [answer.text for answer in pipe(images)]
            pipe.fit([pair for pair in lines if pair not in held], vocabulary="union", verbose=False, **TUNING)
            after += [answer.text for answer in pipe(images)]
            references += [text for _, text in held]
        trained = len(lines) - len(lines) // arguments.parts
        table.add_row(name, str(len(lines)), str(trained), rate(before, references), rate(after, references))
    Console().print(table)


if __name__ == "__main__":
    main()
