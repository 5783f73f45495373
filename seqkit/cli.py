"""The command line: `seqkit COMMAND`; `seqkit --help` lists them.

Convention: answers go to stdout, everything else to stderr. An error is one line and exit code 2; `--debug` shows where
it came from. Ctrl-C is 130. Text that comes in is UTF-8, or of the `--encoding` that is named; JSON that goes out is UTF-8.
What is slow to load (TensorFlow, the tables of rich) is loaded where it is used, so that help comes at once.
"""

import ast
import codecs
import contextlib
import dataclasses
import functools
import glob
import io
import json
import os
import re
import signal
import sys
import typing
from pathlib import Path

import click

import seqkit

_COLOURS = {"positive": "green", "negative": "red"}  # of what a table shows
_SURROGATES = re.compile("[\ud800-\udfff]")
_BOMS = {  # in this order, for UTF-32's begins with UTF-16's
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
# What is meant as a file's name: one word with a separator or an ending; or a way, or an ending of text, whatever is between.
_NAME = re.compile(
    r"\S*\w[/\\]\S*|\S*[/\\]\w\S*|\S*\.(?=\w*[A-Za-z])\w{1,5}|(/|\./|\.\./|~/).*|.*\.(txt|tsv|csv|jsonl)", re.DOTALL
)


class _Commands(click.Group):
    """Turns errors into one line on stderr, unless `--debug` asks for all of it."""

    def main(self, *arguments, **settings):
        if sys.stdout is None:
            self._fail("Standard output is closed; there is nowhere to write answers to.")
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(AttributeError, ValueError):
                stream.reconfigure(errors="replace")  # a terminal that has no é shows ?
        try:
            status = super().main(*arguments, **{**settings, "standalone_mode": False})
            sys.stdout.flush()
        except click.ClickException as error:
            self._fail(f"{error.format_message()} Try 'seqkit --help'.")
        except (click.Abort, KeyboardInterrupt):
            self._leave(130)
        except BrokenPipeError:
            self._leave(0)
        except OSError as error:
            self._fail(f"Standard output cannot be written: {error.strerror or error}.")
        sys.exit(status or 0)

    def invoke(self, context):
        try:
            return super().invoke(context)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except BrokenPipeError:  # whoever reads the answers has had enough, such as `head`
            self._leave(0)
        except Exception as error:
            if context.params["debug"]:
                raise
            if isinstance(error, OSError) and error.errno and error.filename is None:
                self._fail(f"Standard output cannot be written: {error.strerror}.")
            expected = isinstance(error, (ValueError, RuntimeError, OSError, ImportError, FloatingPointError, TypeError))
            self._fail(str(error) if expected else f"{type(error).__name__}: {error} (--debug shows where)")

    def _fail(self, message):
        click.echo(f"seqkit: {_printable(' '.join(message.split()))}", err=True)
        self._leave(2)

    def _leave(self, status):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stdout.flush()
        with contextlib.suppress(OSError, ValueError, AttributeError):  # what could not be written is not tried again
            stdout = sys.stdout.fileno()
            os.dup2(os.open(os.devnull, os.O_WRONLY), stdout)
        sys.exit(status)


class _Examples(click.Path):
    """A path that is there, or what the names of files in two languages share: `train` of `train.en` and `train.de`."""

    def convert(self, value, parameter, context):
        path = Path(value)
        if path.name and any(path.parent.glob(f"{glob.escape(path.name)}.*")):
            return value
        return super().convert(value, parameter, context)


@click.group(cls=_Commands, no_args_is_help=False)
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
@click.version_option(seqkit.__version__)
def main(debug):
    """Recurrent pipelines for language and speech: ready to answer, to train and to serve."""


def _answering(command):
    """The options of a command that answers."""
    for option in (
        click.option("--batch-size", default=32, type=click.IntRange(1), help="Inputs answered at once."),
        click.option("--json", "as_json", is_flag=True, help="One JSON object a line, for machines."),
        click.option("--model", help="A bundled name, or a directory that was saved; the bundled one if left out."),
    ):
        command = option(command)
    return command


def _columns(*names):
    """Options that say what the columns of a manifest are called, as the dict `columns`; None where none is given."""

    def decorate(command):
        @functools.wraps(command)
        def with_columns(**settings):
            columns = {name: settings.pop(name) for name in names}
            columns = {name: column for name, column in columns.items() if column}
            return command(**settings, columns={"columns": columns} if columns else {})

        for name in reversed(names):
            option = click.option(
                f"--{name}", metavar="COLUMN", help=f"The manifest's column for `{name}`, where it has another name."
            )
            with_columns = option(with_columns)
        return with_columns

    return decorate


@main.command()
@click.argument("source")
@click.option("--encoding", help="Of the text, such as latin-1; UTF-8 if left out, or what its byte order mark says.")
@_answering
def sentiment(source, encoding, **how):
    """Say whether text is negative, neutral or positive.

    SOURCE is a text, the name of a file with one text a line, or - for standard input.
    """
    _answer("sentiment-analysis", "text", ((text, text) for text in _texts(source, encoding)), **how)


@main.command()
@click.argument("source", default="-")
@click.option("--from", "spoken", default="en", help="Code of the language that it is in.")
@click.option("--to", default="de", help="Code of the language that it is translated to.")
@click.option("--alignments", is_flag=True, help="Behind each line, after |||, which words come from which (Pharaoh's form).")
@click.option("--encoding", help="Of the text, such as latin-1; UTF-8 if left out, or what its byte order mark says.")
@_answering
def translate(source, spoken, to, alignments, encoding, model, as_json, batch_size):
    """Translate text, line by line.

    SOURCE is a text, the name of a file, or - for standard input, which it is if left out. A line comes out for each that goes
    in.
    """
    pipe = _load(model or f"translation-{spoken}-{to}", "translation")
    answers = iter(pipe(_texts(source, encoding), batch_size=batch_size))
    while (answer := _quietly(lambda: next(answers, None))) is not None:
        if as_json:
            _print_json(answer.as_json())
        else:
            click.echo(_printable(answer.text + (f" ||| {answer.alignment.pharaoh}" if alignments else "")))


@main.command()
@click.argument("images", nargs=-1, required=True, type=click.Path())
@click.option("--pages", is_flag=True, help="Each picture holds several lines, one below the other.")
@_answering
def handwriting(images, pages, **how):
    """Read lines of handwriting.

    IMAGES are files, each the picture of one line.
    """
    pairs = [(image, Path(image)) for image in images]
    if pages:
        split = ((image, seqkit.split_lines(path)) for image, path in pairs)
        pairs = ((f"{image}:{place}", line) for image, lines in split for place, line in enumerate(lines, 1))
    _answer("handwriting-recognition", "image", pairs, **how)


@main.command()
@click.argument("recordings", nargs=-1, type=click.Path())
@click.option("--format", "form", type=click.Choice(["text", "json", "srt", "vtt"]), default="text", help="What is written.")
@click.option("--live", is_flag=True, help="Listen to standard input: 16-bit samples, mono, at 16 kHz.")
@click.option("--endpoint", default=0.8, type=click.FloatRange(0.1), help="Seconds of silence that end a line of --live.")
@click.option("--model", help="A bundled name, or a directory that was saved; the bundled one if left out.")
def transcribe(recordings, form, live, endpoint, model):
    """Write down what is said.

    RECORDINGS are sound files: WAVE, FLAC, Ogg, MP3. Live, such as arecord -f S16_LE -r 16000 | seqkit transcribe --live, one
    line is rewritten while somebody speaks.
    """
    if live == bool(recordings):
        raise ValueError("Expected sound files, or --live and samples on standard input.")
    if live and form not in ("text", "json"):
        raise ValueError(f"--live writes text or json; received --format {form}.")
    pipe = _load(model, "speech-to-text")
    if live:
        _listen(pipe, form, endpoint)
        return
    from seqkit import subtitles

    answers = pipe(map(Path, recordings), batch_size=1)
    for name in recordings:
        answer = _quietly(lambda: next(answers))
        if form == "json":
            _print_json({"audio": name, **answer.as_json()})
        elif form == "text":
            click.echo(_printable(answer.text))
        else:
            for line in getattr(subtitles, form)(answer.words).splitlines():
                click.echo(_printable(line))


def _listen(pipe, form, endpoint):
    """Writes each utterance of standard input, and on a terminal what is heard of it while it goes on."""
    shown = 0
    for answer in pipe.stream(_samples(sys.stdin.buffer), endpoint=endpoint):
        if answer.final and form == "json":
            _print_json(answer.as_json())
        elif answer.final or sys.stdout.isatty():
            text = _printable(answer.text)
            before = "\r" if sys.stdout.isatty() else ""
            click.echo(f"{before}{text.ljust(shown)}", nl=answer.final)
            shown = 0 if answer.final else len(text)
        sys.stdout.flush()


def _samples(file):
    """Chunks of whole 16-bit samples as they come; half of one at the end is left out."""
    rest = b""
    while chunk := file.read1(3200):
        chunk = rest + chunk
        whole = len(chunk) - len(chunk) % 2
        rest = chunk[whole:]
        yield chunk[:whole]


@main.command()
@click.argument("recordings", nargs=-1, required=True, type=click.Path())
@_answering
def speakers(recordings, **how):
    """Say whose voice it is, or which sound.

    RECORDINGS are sound files: WAVE, FLAC, Ogg, MP3.
    """
    _answer("speaker-identification", "audio", [(name, Path(name)) for name in recordings], **how)


@main.command()
@click.argument("label")
@click.argument("recordings", nargs=-1, required=True, type=click.Path())
@click.option("--model", help="A bundled name, or a directory that was saved; the bundled one if left out.")
@click.option("--output", required=True, help="Where the pipeline that knows it is saved; it may be the same directory.")
def enroll(label, recordings, model, output):
    """Let a pipeline know a voice by a few recordings.

    LABEL is whose it is; RECORDINGS are sound files.
    """
    from seqkit.serving import saved

    saved.check_target(output)
    pipe = _load(model, "speaker-identification")
    _quietly(lambda: pipe.enroll(label, list(map(Path, recordings))))
    pipe.save(output)
    click.echo(output)


@main.command()
@click.argument("source")
@_answering
def strokes(source, **how):
    """Say which digit was drawn.

    SOURCE is the name of a file, or - for standard input: one JSON array of pen points a line, or one object with such
    `points`.
    """
    lines = _lines(*_opened(source), None)
    _answer("stroke-recognition", "drawing", ((str(line), _points(text, line)) for line, text in enumerate(lines, 1)), **how)


def _points(text, line):
    try:
        points = json.loads(text)
        return points["points"] if isinstance(points, dict) else points
    except (json.JSONDecodeError, KeyError) as error:
        raise ValueError(
            f"Line {line}: expected a JSON array of pen points, or an object with `points`; received {text!r:.80}."
        ) from error


def _answer(task, column, pairs, model, as_json, batch_size):
    """Answers `(name, input)` pairs as they come, and prints each answer with the name, in `column`."""
    pipe = _load(model, task)
    names = []

    def inputs():
        for name, item in pairs:
            names.append(name)
            yield item

    answers = iter(pipe(inputs(), batch_size=batch_size))
    first = _quietly(lambda: next(answers, None))  # TensorFlow has more to say when it first runs
    rows = []
    while first is not None:
        name = names.pop(0)
        if as_json:
            _print_json({column: name, **first.as_json()})
        else:
            rows.append({**first.as_row(), column: name})
        first = next(answers, None)
    if not as_json:
        _print_table(rows)


@main.command()
@click.argument("task")
@click.argument("examples", type=_Examples(exists=True))
@click.option("--validation", type=_Examples(exists=True), help="Held-out examples.")
@click.option("--output", required=True, help="Where the pipeline is saved.")
@click.option("--run", "directory", help="Checkpoints and logs; goes on if broken.")
@click.option("--watch-gradients", is_flag=True, help="Warn where gradients vanish or explode.")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="Such as units=64, epochs=5 or labels=spam,ham; may be repeated.",
)
@_columns("text", "label", "translation", "image", "audio", "points")
def train(task, examples, validation, output, directory, watch_gradients, settings, columns):
    """Train a pipeline on a manifest, and save it.

    EXAMPLES is a .tsv or .csv with a header, or a .jsonl, with the columns `text` and `label`; for handwriting `image` and
    `text`, or a directory of .png and .gt.txt, of PAGE or ALTO XML, or IAM's lines.txt; for strokes a .jsonl with `points`
    and `label`; for translation a table with `en` and `de` or the like, a .tmx, or what train.en and train.de share: train.
    """
    from seqkit.serving import saved

    saved.check_target(output)
    if directory is not None:
        _check_run(directory, output)
    config, options = _quietly(lambda: _settings(task, settings))
    pipe = _quietly(lambda: seqkit.build(task, **config))
    try:
        options["watch_gradients"] = watch_gradients or options.get("watch_gradients", False)
        pipe.fit(examples, validation=validation, directory=directory, **options, **columns)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one is enough
        kept = (
            f"the same command goes on from the last checkpoint in {directory}"
            if directory
            else "without --run, nothing is kept"
        )
        click.echo(f"seqkit: Stopped; {kept}.", err=True)
        raise click.Abort from None
    try:
        pipe.save(output)
    except OSError as error:
        kept = f" The same command with another --output saves what was trained in {directory}." if directory else ""
        raise OSError(f"{error}{kept}") from error
    click.echo(output)


def _check_run(directory, output):
    """Refuses a directory that a run could not be kept in."""
    place = Path(directory)
    if not directory or (place.exists() and not place.is_dir()):
        raise ValueError(f"--run expects a directory; received {directory!r}.")
    if place.resolve().is_relative_to(Path(output).resolve()):
        raise ValueError(
            f"--run {directory} lies in --output {output}, which holds the pipeline alone. Choose another directory."
        )


def _settings(task, settings):
    """The `--set`s as the fields of the task's config, and as options of `fit`."""
    from seqkit.tasks import task_named
    from seqkit.training.loop import Options

    fields = {field.name: field for kind in (Options, task_named(task).Config) for field in dataclasses.fields(kind)}
    theirs = {field.name for field in dataclasses.fields(task_named(task).Config)}  # the seed too, which fit takes from there
    config, options = {}, {}
    for setting in settings:
        name, sign, text = setting.partition("=")
        if not sign:
            raise ValueError(f"--set expects NAME=VALUE; received {setting!r}.")
        if name not in fields:
            raise ValueError(f"There is no setting {name!r}; expected one of {', '.join(sorted(fields))}.")
        (config if name in theirs else options)[name] = _value(text, fields[name])
    Options(**options)
    return config, options


def _value(text, field):
    """A setting as its field wants it: what JSON or Python writes so, or else text; `a,b` where it takes several."""
    kinds = typing.get_args(field.type) or (field.type,)
    value = _literal(text)
    if tuple in kinds and value is not None and not isinstance(value, (list, tuple)):
        several = (part.strip() for part in (value if isinstance(value, str) else text).split(","))
        value = [
            number if isinstance(number := _literal(part), (int, float)) and not isinstance(number, bool) else part
            for part in several
        ]
    value = tuple(value) if isinstance(value, list) else value
    value = text if str in kinds and not isinstance(value, kinds) else value
    allowed = (*kinds, int) if float in kinds else kinds
    if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in kinds):
        names = " or ".join(kind.__name__.replace("NoneType", "null") for kind in kinds)
        raise ValueError(f"--set {field.name} expects {names}; received {text!r}.")
    return value


def _literal(text):
    for read in (json.loads, ast.literal_eval):
        with contextlib.suppress(ValueError, SyntaxError, RecursionError, MemoryError):
            return read(text)
    return text


@main.command()
@click.argument("model")
@click.argument("examples", type=_Examples(exists=True))
@_columns("text", "label", "translation", "image", "audio", "points")
def evaluate(model, examples, columns):
    """Score a pipeline on a manifest; prints JSON."""
    pipe = _load(model)
    _print_json(_quietly(lambda: pipe.evaluate(examples, **columns)))


@main.command()
@click.argument("model")
@click.argument("directory", type=click.Path())
def export(model, directory):
    """Write a SavedModel for TensorFlow Serving, and check it."""
    pipe = _load(model)
    click.echo(_quietly(lambda: pipe.export(directory)))


@main.command()
@click.argument("sources", type=_Examples(exists=True), nargs=-1, required=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON object with all that was found, for machines.")
@_columns("text", "label", "translation", "image", "audio", "points")
def check(sources, as_json, columns):
    """Look over data before training; exit code 1 where training could not work.

    SOURCES are the sets, the one to train on first: manifests; directories of pictures with .gt.txt, PAGE or ALTO XML, or
    IAM's lines.txt; or of recordings as LibriSpeech, LJSpeech, Common Voice and Kaldi have them. Or one directory with the
    sets train, dev and test in it.
    """

    def look():
        from seqkit.data.check import check

        return check(sources, **columns)

    report = _quietly(look)
    if as_json:
        _print_json({**dataclasses.asdict(report), "ready": report.ready})
    else:
        _print_report(report)
    sys.stdout.flush()
    sys.exit(0 if report.ready else 1)


@main.command()
def models():
    """List the pipelines that ship with seqkit."""
    rows = []
    for name, directory in seqkit.models().items():
        size = sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
        task = json.loads((directory / "config.json").read_text(encoding="utf-8"))["task"]
        rows.append({"name": name, "task": task, "size": f"{size / 1e6:.1f} MB"})
    _print_table(rows)


def _load(model, task=None):
    """The pipeline that `--model` names, or the bundled one of a task."""

    def load():
        from seqkit.presets import DEFAULTS

        if not model and task not in DEFAULTS:
            raise ValueError(f"No pipeline of {task} ships with this version; name a directory that was saved: --model.")
        return seqkit.pipeline(model or seqkit.models()[DEFAULTS[task]])

    return _quietly(load)


def _texts(source, encoding):
    """The texts that SOURCE names; lines are read as they are needed."""
    there = source == "-"
    with contextlib.suppress(OSError, ValueError):  # a text may be too long, or hold what no file name can
        there = there or (bool(source) and Path(source).exists())
    if there:
        return _lines(*_opened(source), encoding)
    if _NAME.fullmatch(source):
        raise ValueError(f"There is no file {source!r}. To analyse these words as a text, pass them on standard input.")
    with contextlib.suppress(UnicodeEncodeError):
        return iter([_decoded(os.fsencode(source), encoding, "The text")])
    return iter([source])


def _opened(source):
    """A file of bytes, and what it is called."""
    if source != "-":
        return Path(source).open("rb"), source
    if sys.stdin is None:
        raise ValueError("Standard input is closed; there is nothing to read.")
    return sys.stdin.buffer, "Standard input"


def _lines(file, name, encoding):
    """Yields the lines of a file. In UTF-8, and most others, a line's end is one byte, so each is decoded on its own."""
    with file if hasattr(file, "peek") else io.BufferedReader(file) as file:
        mark = next((mark for mark in _BOMS if file.peek(4).startswith(mark)), None)
        if mark == codecs.BOM_UTF8 and encoding in (None, "utf-8", "UTF-8", "utf8"):
            file.read(len(mark))
        elif mark and encoding is None:
            encoding = _BOMS[mark]
        if _line_end(encoding or "utf-8") != b"\n":
            yield from _whole(file, name, encoding)
            return
        for line, content in enumerate(file, 1):
            text = _decoded(content, encoding, f"{name}, line {line}")
            yield from text.removesuffix("\n").removesuffix("\r").split("\r")


def _whole(file, name, encoding):
    read = 0
    try:
        with io.TextIOWrapper(file, encoding=encoding) as text:
            for content in text:
                read += 1
                yield content.rstrip("\n")
    except UnicodeError as error:
        raise ValueError(f"{name}, after line {read}: expected text in {encoding} ({error}).") from error


def _line_end(encoding):
    """How a line ends in an encoding; ValueError for one that does not exist."""
    try:
        return "\n".encode(encoding)
    except LookupError:
        raise ValueError(f"There is no encoding {encoding!r}; expected one such as utf-8, latin-1, cp1252 or utf-16.") from None


def _decoded(content, encoding, place):
    """Bytes as text; ValueError for those that are not of the encoding."""
    if encoding is None and b"\0" in content:
        raise ValueError(
            f"{place}, byte {content.index(0) + 1}: expected text in UTF-8, received a byte 0, as UTF-16 without a byte order "
            "mark has. Name its encoding, such as --encoding utf-16-le."
        )
    try:
        return content.decode(encoding or "utf-8")
    except UnicodeError as error:
        at = getattr(error, "start", 0)
        raise ValueError(
            f"{place}, byte {at + 1}: expected text in {encoding or 'UTF-8'}, received the byte 0x{content[at]:02x}. "
            "Name its encoding, such as --encoding latin-1."
        ) from error


def _print_json(value):
    # As bytes: JSON is UTF-8 whatever the terminal is, and a lone surrogate, which is no character, U+FFFD.
    text = _SURROGATES.sub("\ufffd", json.dumps(value, ensure_ascii=False))
    click.echo(text.encode())


def _print_table(rows):
    from rich.table import Table
    from rich.text import Text

    if rows:
        table = Table(*rows[0])
        for row in rows:
            table.add_row(*(Text(_shown(cell), _COLOURS.get(cell, "")) for cell in row.values()))
        _print(table)


def _print(*lines, **settings):
    from rich.console import Console

    console = Console(**settings)
    with console.capture() as drawn:
        for line in lines:
            console.print(line)
    click.echo(drawn.get(), nl=False)  # which, unlike rich, says where writing fails


def _shown(text):
    """A text as a table shows it: not too long."""
    return _printable(text if len(text) <= 200 else f"{text[:200]}…")


def _printable(text):
    return "".join(sign if sign.isprintable() else " " for sign in text)  # no escape codes


def _print_report(report):
    from rich.text import Text

    lines = [Text(_printable(f"{name}: {about}")) for name, about in report.sets.items()]
    for finding in report.findings:
        colour = {"error": "bold red", "warning": "yellow"}.get(finding.severity, "cyan")
        shown = _printable("; ".join(item.rstrip(".") for item in finding.items[:3]) + ("; …" if finding.items[3:] else ""))
        lines.append(
            Text.assemble(
                (finding.severity, colour), f" {finding.kind} ({len(finding.items):,}): {shown}\n    {finding.advice}"
            )
        )
    errors = [finding.kind for finding in report.findings if finding.severity == "error"]
    lines.append(f"Not ready to train: {', '.join(errors)}." if errors else "Ready to train.")
    _print(*lines, soft_wrap=True, highlight=False)


def _quietly(load):
    """Runs what starts TensorFlow without the lines it writes to stderr then, which no setting stops."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        kept = os.dup(2)
    except OSError:  # stderr is closed: quiet it is
        return load()
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        return load()
    finally:
        os.dup2(kept, 2)
        os.close(kept)
