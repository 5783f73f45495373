"""The command line: `seqkit sentiment | handwriting | train | evaluate | export | check | models`.

Convention: answers go to stdout, everything else to stderr. An error is one line and exit code 2; `--debug` shows where
it came from.
"""

import contextlib
import dataclasses
import json
import os
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

import seqkit


class _Commands(click.Group):
    """Turns errors into one line on stderr, unless `--debug` asks for all of it."""

    def main(self, *arguments, **settings):
        try:
            status = super().main(*arguments, **{**settings, "standalone_mode": False})
        except click.ClickException as error:
            self._fail(f"{error.format_message()} Try 'seqkit --help'.")
        except click.Abort:
            sys.exit(130)
        sys.exit(status or 0)

    def invoke(self, context):
        try:
            super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # whoever reads the answers has had enough, such as `head`
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        except (ValueError, RuntimeError, OSError, ImportError, FloatingPointError) as error:
            if context.params["debug"]:
                raise
            self._fail(str(error))

    def _fail(self, message):
        click.echo(f"seqkit: {' '.join(message.split())}", err=True)
        sys.exit(2)


@click.group(cls=_Commands, no_args_is_help=False)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(seqkit.__version__)
def main(debug):
    """Recurrent pipelines for language and speech: ready to answer, to train and to serve."""


@main.command()
@click.argument("source")
@click.option("--model", default="sentiment-analysis", help="A bundled name, or a directory that was saved.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--batch-size", default=32, type=click.IntRange(1), help="Texts answered at once.")
def sentiment(source, model, as_json, batch_size):
    """Say whether text is negative, neutral or positive.

    SOURCE is a text, the name of a file with one text a line, or - for standard input.
    """
    pipe = _quietly(lambda: seqkit.pipeline(model))
    texts, answers = [], []
    for text, answer in _answers(pipe, _texts(source), batch_size):
        if as_json:
            click.echo(json.dumps({"text": text, **dataclasses.asdict(answer)}, ensure_ascii=False))
        else:
            texts.append(text)
            answers.append(answer)
    if not as_json:
        _print_labels(texts, answers)


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--model", default="handwriting-recognition", help="A bundled name, or a directory that was saved.")
@click.option("--pages", is_flag=True, help="Each picture holds several lines, one below the other.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines.")
@click.option("--batch-size", default=16, type=click.IntRange(1), help="Lines read at once.")
def handwriting(images, model, pages, as_json, batch_size):
    """Read lines of handwriting.

    IMAGES are files, each the picture of one line.
    """
    pipe = _quietly(lambda: seqkit.pipeline(model))
    names, lines = list(images), [Path(image) for image in images]
    if pages:
        split = [(f"{image}:{place}", line) for image in lines for place, line in enumerate(seqkit.split_lines(image), 1)]
        names, lines = [name for name, _ in split], [line for _, line in split]
    answers = _quietly(lambda: pipe(lines, batch_size=batch_size))
    if as_json:
        for name, answer in zip(names, answers):
            told = dataclasses.asdict(answer)
            told["characters"] = [character._asdict() for character in answer.characters]
            click.echo(json.dumps({"image": name, **told}, ensure_ascii=False))
        return
    table = Table("image", "score", "text")
    for name, answer in zip(names, answers):
        table.add_row(_shown(name), f"{answer.score:.2f}", _shown(answer.text))
    Console().print(table)


@main.command()
@click.argument("task")
@click.argument("examples", type=click.Path(exists=True))
@click.option("--validation", type=click.Path(exists=True), help="Held-out examples.")
@click.option("--output", required=True, type=click.Path(file_okay=False), help="Where the pipeline is saved.")
@click.option("--run", "directory", type=click.Path(file_okay=False), help="Checkpoints and logs; goes on if broken.")
@click.option("--watch-gradients", is_flag=True, help="Warn where gradients vanish or explode.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="Such as units=64 or epochs=5; may be repeated.")
def train(task, examples, validation, output, directory, watch_gradients, settings):
    """Train a pipeline on a manifest, and save it.

    EXAMPLES is a .tsv or .csv with a header, or a .jsonl, with the columns `text` and `label` (for handwriting `image` and
    `text`, for strokes `points` and `label`); for handwriting also a directory of .png and .gt.txt, of PAGE or ALTO XML, or
    IAM's lines.txt.
    """
    config, options = {}, {}
    known = _quietly(_option_names)
    for setting in settings:
        name, sign, value = setting.partition("=")
        if not sign:
            raise ValueError(f"--set expects NAME=VALUE; received {setting!r}.")
        (options if name in known else config)[name] = _value(value)
    pipe = _quietly(lambda: seqkit.build(task, **config))
    pipe.fit(examples, validation=validation, directory=directory, watch_gradients=watch_gradients, **options)
    pipe.save(output)
    click.echo(output)


@main.command()
@click.argument("model")
@click.argument("examples", type=click.Path(exists=True))
def evaluate(model, examples):
    """Score a pipeline on a manifest; prints JSON."""
    click.echo(json.dumps(_quietly(lambda: seqkit.pipeline(model)).evaluate(examples)))


@main.command()
@click.argument("model")
@click.argument("directory", type=click.Path())
def export(model, directory):
    """Write a SavedModel for TensorFlow Serving, and check it."""
    click.echo(_quietly(lambda: seqkit.pipeline(model)).export(directory))


@main.command()
@click.argument("sources", type=click.Path(exists=True), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all that was found, for machines.")
def check(sources, as_json):
    """Look over data before training; exit code 1 where training could not work.

    SOURCES are the sets, the one to train on first: manifests, directories of pictures with .gt.txt, PAGE or ALTO XML, or
    IAM's lines.txt. Or one directory with the sets train, dev and test in it.
    """
    from seqkit.data.check import check

    report = check(sources)
    if as_json:
        click.echo(json.dumps({**dataclasses.asdict(report), "ready": report.ready}, ensure_ascii=False))
    else:
        _print_report(report)
    sys.exit(0 if report.ready else 1)


@main.command()
def models():
    """List the pipelines that ship with seqkit."""
    table = Table("name", "task", "size")
    for name, directory in _quietly(lambda: seqkit.models()).items():
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        table.add_row(name, json.loads((directory / "config.json").read_text())["task"], f"{size / 1e6:.1f} MB")
    Console().print(table)


def _texts(source):
    """The texts that SOURCE names; lines are read as they are needed."""
    if source == "-":
        return _lines(sys.stdin)
    with contextlib.suppress(OSError, ValueError):  # a text may be too long, or hold what no file name can
        if Path(source).is_file():
            return _lines(Path(source).open(encoding="utf-8", errors="replace"))
    if not any(sign.isspace() for sign in source) and Path(source).suffix in (".txt", ".tsv", ".csv"):
        raise ValueError(f"There is no file {source!r}. To analyse these words as a text, pass them on standard input.")
    return iter([source])


def _lines(file):
    with file:
        for line in file:
            yield line.rstrip("\r\n")


def _answers(pipe, texts, batch_size):
    """Pairs each text with its answer, as they come."""
    kept = []

    def read():
        for text in texts:
            kept.append(text)
            yield text

    for answer in pipe(read(), batch_size=batch_size):
        yield kept.pop(0), answer


def _print_labels(texts, answers):
    table = Table("label", "score", "text")
    for text, answer in zip(texts, answers):
        colour = {"positive": "green", "negative": "red"}.get(answer.label, "default")
        table.add_row(Text(answer.label, colour), f"{answer.score:.2f}", _shown(text))
    Console().print(table)


def _shown(text):
    """A text as a table shows it: not too long, and not as markup."""
    return Text(_printable(text if len(text) <= 200 else f"{text[:200]}…"))


def _printable(text):
    return "".join(sign if sign.isprintable() else " " for sign in text)  # no escape codes


def _print_report(report):
    console = Console(soft_wrap=True, highlight=False)
    for name, about in report.sets.items():
        console.print(Text(_printable(f"{name}: {about}")))
    for finding in report.findings:
        colour = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "cyan")
        shown = _printable("; ".join(item.rstrip(".") for item in finding.items[:3]) + ("; …" if finding.items[3:] else ""))
        said = f" {finding.kind} ({len(finding.items):,}): {shown}\n    {finding.advice}"
        console.print(Text.assemble((finding.severity, colour), said))
    errors = [finding.kind for finding in report.findings if finding.severity == "error"]
    console.print(f"Not ready to train: {', '.join(errors)}." if errors else "Ready to train.")


def _option_names():
    from seqkit.training.loop import Options

    return {field.name for field in dataclasses.fields(Options)}


def _value(text):
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _quietly(load):
    """Runs what loads TensorFlow without the lines it writes to stderr while it starts, which no setting stops."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    kept = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        return load()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
