"""The command line: what it prints where, and how it fails."""

import io
import json
import os
import shlex
import signal
import subprocess
import sys

import numpy as np
import pytest
from cases import HANDWRITING, SENTIMENT, STROKES, TRANSLATION
from click.testing import CliRunner
from PIL import Image

import seqkit
from seqkit import cli
from seqkit.data.check import Report


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    directory = tmp_path_factory.mktemp("cli") / "model"
    SENTIMENT.pipe.save(directory)
    return str(directory)


@pytest.fixture(autouse=True)
def not_quiet(monkeypatch):
    """TensorFlow is loaded already, and the runner's stderr has no file descriptor to silence."""
    monkeypatch.setattr(cli, "_quietly", lambda load: load())


def run(*arguments, **options):
    return CliRunner().invoke(cli.main, [str(argument) for argument in arguments], **options)


def lines(result):
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_a_text_a_file_and_standard_input(model, tmp_path):
    texts = ["a good film", "", "such a dull [bold]story[/bold]"]
    (tmp_path / "texts.txt").write_text("\n".join(texts) + "\n")
    expected = SENTIMENT.pipe(texts)
    for found in (
        lines(run("sentiment", tmp_path / "texts.txt", "--model", model, "--json")),
        lines(run("sentiment", "-", "--model", model, "--json", input="\n".join(texts))),
        [lines(run("sentiment", "--model", model, "--json", "--", text))[0] for text in texts],
    ):
        assert [line["text"] for line in found] == texts
        assert [line["label"] for line in found] == [answer.label for answer in expected]
        assert found[0]["scores"] == pytest.approx(expected[0].scores, abs=1e-5)


def test_the_table_shows_text_as_it_is(model):
    result = run("sentiment", "plain [bold]story[/bold]\x1b[31m", "--model", model)
    assert "[bold]story[/bold]" in result.stdout and "\x1b" not in result.stdout
    assert "neutral" in result.stdout


def test_pictures_of_lines_and_of_pages(tmp_path):
    HANDWRITING.pipe.save(tmp_path / "model")
    names = []
    for place, image in enumerate(HANDWRITING.inputs):
        names.append(str(tmp_path / f"{place}.png"))
        Image.fromarray(image).save(names[-1])
    expected = HANDWRITING.pipe(names)
    found = lines(run("handwriting", *names, "--model", tmp_path / "model", "--json"))
    assert [line["image"] for line in found] == names
    assert [line["text"] for line in found] == [answer.text for answer in expected]
    assert [character["left"] for character in found[0]["characters"]] == pytest.approx(
        [character.left for character in expected[0].characters], abs=1e-3
    )
    table = run("handwriting", names[0], "--model", tmp_path / "model").stdout
    assert expected[0].text in table and f"{expected[0].score:.2f}" in table
    page = np.full((100, 300), 255, np.uint8)
    for top, image in ((10, HANDWRITING.inputs[0]), (60, HANDWRITING.inputs[2])):
        page[top : top + image.shape[0], : image.shape[1]] = image
    Image.fromarray(page).save(tmp_path / "page.png")
    found = lines(run("handwriting", tmp_path / "page.png", "--pages", "--model", tmp_path / "model", "--json"))
    assert [line["image"] for line in found] == [f"{tmp_path / 'page.png'}:{place}" for place in (1, 2)]
    result = run("handwriting", names[0], tmp_path / "none.png", "--model", tmp_path / "model")
    assert result.exit_code == 2 and "Item 1 (none.png): expected the path of a picture" in result.stderr


def test_train_evaluate_and_export(tmp_path):
    rows = "".join(f"{text}\t{label}\n" for text, label in SENTIMENT.examples)
    (tmp_path / "train.tsv").write_text("text\tlabel\n" + rows)
    settings = [f"{name}={value}" for name, value in {**SENTIMENT.settings, "epochs": 2, "batch_steps": 64}.items()]
    flags = [flag for setting in settings for flag in ("--set", setting)]
    output, train = tmp_path / "model", tmp_path / "train.tsv"
    result = run("train", "sentiment", train, "--validation", train, "--output", output, *flags)
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[-1] == str(output)
    (scores,) = lines(run("evaluate", output, train))
    assert scores["accuracy"] > 0.5
    assert run("export", output, tmp_path / "export" / "1").exit_code == 0
    assert (tmp_path / "export" / "1" / "saved_model.pb").exists()


@pytest.mark.parametrize(
    "arguments, message",
    [
        (("sentiment", "good", "--model", "nowhere"), "There is no pipeline 'nowhere'."),
        (("sentiment", "missing.txt"), "There is no file 'missing.txt'."),
        (("sentiment", "../my data/reviews of May"), "There is no file"),
        (("sentiment", "my reviews.tsv"), "There is no file"),
        (("sentiment", "data/reviews"), "There is no file"),
        (("sentiment", "/"), "Is a directory"),
        (("train", "poetry", __file__, "--output", "x"), "Unknown task 'poetry'"),
        (("train", "sentiment", __file__, "--output", "x", "--set", "units"), "--set expects NAME=VALUE"),
        (
            ("train", "sentiment", __file__, "--output", "x", "--set", "unit=3"),
            "no setting 'unit'; expected one of abstaining, agree",
        ),
        (
            ("train", "sentiment", __file__, "--output", "x", "--set", "epochs=many"),
            "--set epochs expects int; received 'many'",
        ),
        (("train", "sentiment", __file__, "--output", "x", "--set", "epochs=0"), "epochs must be at least 1"),
        (("train", "sentiment", __file__, "--output", "x", "--set", "units=0"), "units must be a whole number"),
        (("train", "sentiment", __file__, "--output", os.path.dirname(__file__)), "something that is not a pipeline"),
        (("train", "sentiment", __file__, "--output", __file__), "is a file"),
        (("train", "sentiment", __file__, "--output", ""), "received an empty path"),
        (("train", "sentiment", __file__, "--output", "/proc/nowhere/m"), "/proc/nowhere/m cannot be written"),
        (("train", "sentiment", __file__, "--output", "x", "--run", __file__), "--run expects a directory"),
        (("train", "sentiment", __file__, "--output", "x", "--run", "x/run"), "--run x/run lies in --output x"),
        (("evaluate", "nowhere", __file__), "There is no pipeline"),
        ((), "Missing command. Try 'seqkit --help'."),
        (("sentiment",), "Missing argument 'SOURCE'"),
        (("analyse", "x"), "No such command 'analyse'"),
        (("export", "sentiment", "x", "--fast"), "No such option"),
        (("check",), "Missing argument 'SOURCES...'"),
        (("check", __file__, "nowhere"), "Path 'nowhere' does not exist"),
    ],
)
def test_an_error_is_one_line_and_exit_code_2(model, arguments, message):
    if arguments[:1] == ("sentiment",) and len(arguments) == 2:
        arguments += ("--model", model)
    result = run(*arguments)
    assert result.exit_code == 2 and result.stdout == ""
    assert result.stderr.startswith("seqkit: ") and message in result.stderr
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("--version",)])
def test_help_is_no_error(arguments):
    result = run(*arguments)
    assert result.exit_code == 0 and result.stderr == "" and result.stdout


def test_a_reader_that_has_had_enough_is_no_error(model):
    code = "from seqkit.cli import main; main()"
    command = f"yes good | head -5000 | '{sys.executable}' -W ignore -c '{code}' sentiment - --json --model '{model}' | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert json.loads(found.stdout)["text"] == "good"
    assert "Error" not in found.stderr and "seqkit:" not in found.stderr


def test_debug_shows_where_an_error_came_from():
    result = run("--debug", "sentiment", "good", "--model", "nowhere")
    assert isinstance(result.exception, ValueError)


def process(*arguments, script="", **settings):
    """The command in a process of its own, with a shell around it."""
    command = " ".join(
        [shlex.quote(sys.executable), "-c", "'from seqkit.cli import main; main()'", *map(shlex.quote, arguments), script]
    )
    return subprocess.run(command, shell=True, capture_output=True, **{"text": True, **settings})


ASCII = {**os.environ, "PYTHONIOENCODING": "ascii"}


def test_a_new_process_says_nothing_but_the_answer_whatever_the_encoding_of_the_terminal(model):
    result = process("models")
    assert result.returncode == 0 and result.stderr == "" and result.stdout
    result = process("sentiment", "é", "--json", "--model", model, env=ASCII, text=False)
    assert result.returncode == 0 and result.stderr == b"" and json.loads(result.stdout)["text"] == "é"


def test_what_needs_no_tensorflow_does_not_load_it():
    for arguments in (["models"], ["--help"], ["train", "--help"], ["--version"]):
        code = f"import sys, seqkit.cli\ntry: seqkit.cli.main({arguments})\nfinally: print([*sys.modules], file=sys.stderr)"
        found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert found.stdout and "'click'" in found.stderr
        assert not [name for name in ("tensorflow", "keras", "numpy") if f"'{name}'" in found.stderr]


@pytest.mark.parametrize(
    "script, message", [(">/dev/full", "cannot be written: No space left"), (">&-", "Standard output is closed")]
)
@pytest.mark.parametrize("arguments", [["models"], ["--help"]])
def test_answers_that_are_lost_are_an_error(arguments, script, message):
    result = process(*arguments, script=script)
    assert result.returncode == 2 and message in result.stderr and len(result.stderr.splitlines()) == 1


def test_without_stderr_or_stdin_it_still_answers(model, tmp_path):
    result = process("sentiment", "é", "--model", model, env=ASCII, script="2>&-")  # a table
    assert result.returncode == 0 and SENTIMENT.pipe("é").label in result.stdout
    assert "Standard input is closed" in process("sentiment", "-", "--model", model, script="<&-").stderr


@pytest.mark.parametrize(
    "content, encoding, expected",
    [
        (b"\xef\xbb\xbfgood\nbad\n", None, ["good", "bad"]),
        (b"\xef\xbb\xbfgood\nbad\n", "utf-8", ["good", "bad"]),
        ("gut\nübel\r\n".encode("utf-16"), None, ["gut", "übel"]),
        ("gut\nübel\n".encode("utf-16-le"), "utf-16-le", ["gut", "übel"]),
        ("gut\nübel\n".encode("utf-32"), None, ["gut", "übel"]),
        ("gut\nübel".encode("latin-1"), "latin-1", ["gut", "übel"]),
        (b"one\r\ntwo\rthree\n\nfive", None, ["one", "two", "three", "", "five"]),
        (b"", None, []),
    ],
)
def test_text_of_any_encoding_that_is_said(content, encoding, expected, tmp_path):
    (tmp_path / "texts").write_bytes(content)
    assert list(cli._texts(str(tmp_path / "texts"), encoding)) == expected
    assert list(cli._lines(io.BytesIO(content), "it", encoding)) == expected


@pytest.mark.parametrize(
    "content, encoding, message",
    [
        (b"good\nna\xefve\n", None, "line 2, byte 3: expected text in UTF-8, received the byte 0xef. .*--encoding latin-1"),
        ("good\n".encode("utf-16-le"), None, "line 1, byte 2: expected text in UTF-8, received a byte 0.*--encoding utf-16-le"),
        ("gut\nübel\n".encode("utf-16")[:-1], None, "after line 1: expected text in utf-16"),
        (b"good", "latin-0", "There is no encoding 'latin-0'"),
        (b"good", "hex", "There is no encoding 'hex'"),
        ("übel".encode(), "ascii", "line 1, byte 1: expected text in ascii"),
    ],
)
def test_text_of_another_encoding_is_refused_by_its_place(content, encoding, message, tmp_path):
    (tmp_path / "texts").write_bytes(content)
    with pytest.raises(ValueError, match=message) as caught:
        list(cli._texts(str(tmp_path / "texts"), encoding))
    assert str(caught.value).startswith((str(tmp_path), "There is no encoding"))


def test_a_text_given_directly():
    for text in (
        "good",
        "A film.",
        "U.S.A.",
        "3.5",
        "10/10, said she. Both and/or none",
        "a\nb",
        "",
        ":-/",
        "x" * 5000,
        "\ud800",
    ):
        assert list(cli._texts(text, None)) == [text]
    latin = os.fsdecode("naïve".encode("latin-1"))
    assert list(cli._texts(latin, "latin-1")) == ["naïve"]
    with pytest.raises(ValueError, match="The text, byte 3: expected text in UTF-8, received the byte 0xef"):
        list(cli._texts(latin, None))


def test_a_lone_surrogate_is_written_as_the_replacement_character(model):
    (line,) = lines(run("sentiment", "--model", model, "--json", "--", "a \ud800 film é"))
    assert line["text"] == "a \ufffd film é"
    assert run("sentiment", "--model", model, "--", "a \ud800 film").exit_code == 0


@pytest.mark.parametrize(
    "text, value",
    [
        ("labels=pos,neg", ("pos", "neg")),
        ("labels=pos, neg", ("pos", "neg")),
        ("labels=pos", ("pos",)),
        ('labels=["pos","neg"]', ("pos", "neg")),
        ("labels=('pos','neg')", ("pos", "neg")),
        ("labels=1,2", (1, 2)),
        ("labels=[1, 2]", (1, 2)),
        ("labels=1,two", (1, "two")),
        ("labels=true,false", ("true", "false")),
        ("class_weights=null", None),
        ("class_weights=2,0.5", (2, 0.5)),
        ("abstaining=null", None),
        ("abstaining=5", "5"),
        ("case_sensitive=true", True),
        ("case_sensitive=False", False),
        ("votes=2", 2),
        ("seed=1", 1),
    ],
)
def test_a_setting_is_what_its_field_holds(text, value):
    config, options = cli._settings("sentiment", [text])
    assert list(config.values()) == [value] and type(next(iter(config.values()))) is type(value) and options == {}


@pytest.mark.parametrize("text", ["units=1.5", "units=true", "units=", "votes=much", "case_sensitive=1", "learning_rate=fast"])
def test_a_setting_of_another_kind_is_refused(text):
    with pytest.raises(ValueError, match=f"--set {text.partition('=')[0]} expects .*; received '{text.partition('=')[2]}'"):
        cli._settings("sentiment", [text])


def test_columns_of_other_names_are_passed_on(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr("seqkit.data.check.check", lambda sources, **columns: asked.append(columns) or Report("text", {}, ()))
    assert run("check", __file__, "--text", "review", "--label", "stars").exit_code == 0
    assert run("check", __file__).exit_code == 0
    assert asked == [{"columns": {"text": "review", "label": "stars"}}, {}]


def test_drawings_are_read_line_by_line(tmp_path):
    STROKES.pipe.save(tmp_path / "model")
    drawings = [STROKES.inputs[0].tolist(), {"points": STROKES.inputs[2].tolist()}]
    (tmp_path / "drawings").write_text("\n".join(map(json.dumps, drawings)))
    found = lines(run("strokes", tmp_path / "drawings", "--model", tmp_path / "model", "--json"))
    assert [line["label"] for line in found] == [
        answer.label for answer in STROKES.pipe([STROKES.inputs[0], STROKES.inputs[2]])
    ]
    (tmp_path / "drawings").write_text("[[0, 0]]\nx")
    assert "Line 2: expected a JSON array" in run("strokes", tmp_path / "drawings", "--model", tmp_path / "model").stderr


def test_a_translation_is_trained_from_two_files_and_translates_line_by_line(tmp_path):
    for place, code in enumerate(("en", "de")):
        (tmp_path / f"train.{code}").write_text("".join(f"{pair[place]}\n" for pair in TRANSLATION.examples))
    settings = [part for name, value in {**TRANSLATION.settings, "epochs": 1}.items() for part in ("--set", f"{name}={value}")]
    result = run("train", "translation", tmp_path / "train", "--output", tmp_path / "m", *settings)
    assert result.exit_code == 0, result.output
    pipe, lines = seqkit.pipeline(tmp_path / "m"), ["one red dog", "", "two www.a.org"]
    result = run("translate", "--model", tmp_path / "m", "--alignments", input="\n".join(lines))
    expected = [f"{answer.text} ||| {answer.alignment.pharaoh}" for answer in pipe(lines)]
    assert result.stdout.splitlines() == expected and "www.a.org" in expected[2]
    result = run("translate", "two dog", "--model", tmp_path / "m", "--json")
    assert json.loads(result.stdout)["text"] == pipe("two dog").text
    assert "There is no pipeline 'translation-en-xx'" in run("translate", "two dog", "--to", "xx").stderr
    report = run("check", tmp_path / "train", "--text", "en", "--translation", "de")
    assert report.exit_code == 0 and "24 examples" in report.output, report.output


def test_strokes_are_trained_from_lines_of_json(tmp_path):
    rows = [{"points": np.asarray(points).tolist(), "label": label} for points, label in STROKES.examples]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    settings = ["--set", "labels=L,O,V", "--set", "units=4", "--set", "depth=1", "--set", "epochs=1", "--set", "seed=3"]
    result = run("train", "strokes", tmp_path / "train.jsonl", "--output", tmp_path / "m", "--run", tmp_path / "run", *settings)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "m" / "config.json").read_text())["config"]["seed"] == 3
    assert json.loads((tmp_path / "run" / "run.json").read_text())["run"]["options"]["seed"] == 3


@pytest.mark.parametrize("run_directory", [None, "run"])
def test_ctrl_c_says_how_to_go_on(run_directory, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("seqkit.pipe.Pipeline.fit", interrupted)
    kept = signal.getsignal(signal.SIGINT)
    result = run(
        "train", "sentiment", __file__, "--output", tmp_path / "m", *(["--run", run_directory] if run_directory else [])
    )
    signal.signal(signal.SIGINT, kept)
    said = "the same command goes on from the last checkpoint in run" if run_directory else "without --run, nothing is kept"
    assert result.exit_code == 130 and f"seqkit: Stopped; {said}." in result.stderr


def test_a_save_that_fails_says_where_the_training_is(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError("no room")

    monkeypatch.setattr("seqkit.pipe.Pipeline.fit", lambda *_, **__: None)
    monkeypatch.setattr("seqkit.pipe.Pipeline.save", full)
    result = run("train", "sentiment", __file__, "--output", tmp_path / "m", "--run", "run")
    assert (
        result.exit_code == 2
        and "no room The same command with another --output saves what was trained in run" in result.stderr
    )


def test_models_lists_what_is_bundled():
    result = run("models")
    assert result.exit_code == 0
    assert "sentiment-en" in result.stdout and "sentiment-analysis" in result.stdout


def test_check_says_what_is_wrong_with_the_data_and_exits_1_where_training_could_not_work(tmp_path):
    train, test = tmp_path / "train.tsv", tmp_path / "test.tsv"
    train.write_text("text\tlabel\na film\tgood\na bore\tgood\n\tgood\n\tgood\nb\tbad\nc\tbad\n")
    test.write_text("text\tlabel\na [b]film[/b]\x1b\tgood\n")
    result = run("check", train, test)
    assert result.exit_code == 0 and result.stderr == ""
    assert result.stdout.splitlines() == [
        "train: 6 examples, 'good': 4, 'bad': 2",
        "test: 1 examples, 'good': 1",
        "warning empty texts (2): train.tsv, line 4; train.tsv, line 5",
        "    They have a label but say nothing.",
        "Ready to train.",
    ]
    train.write_text("text\tlabel\n" + "\tg[o]\x1bd\n" * 5)
    result = run("check", tmp_path)
    assert result.exit_code == 1 and "\x1b" not in result.stdout and "g[o]\\x1bd" in result.stdout
    assert "warning empty texts (5): train.tsv, line 2; train.tsv, line 3; train.tsv, line 4; …" in result.stdout
    assert result.stdout.splitlines()[-1] == "Not ready to train: one label only."
    result = run("check", "--json", tmp_path)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert report["kind"] == "text" and report["ready"] is False and list(report["sets"]) == ["train", "test"]
    assert [finding["kind"] for finding in report["findings"]][:2] == ["one label only", "empty texts"]
    assert report["findings"][1]["items"][4] == "train.tsv, line 6" and report["findings"][1]["severity"] == "warning"
