"""The command line: what it prints where, and how it fails."""

import json

import numpy as np
import pytest
from cases import HANDWRITING, SENTIMENT
from click.testing import CliRunner
from PIL import Image

from seqkit import cli


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
        (("train", "poetry", __file__, "--output", "x"), "Unknown task 'poetry'"),
        (("train", "sentiment", __file__, "--output", "x", "--set", "units"), "--set expects NAME=VALUE"),
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
    if arguments == ("sentiment", "missing.txt"):
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
    import subprocess
    import sys

    code = "from seqkit.cli import main; main()"
    command = f"yes good | head -5000 | '{sys.executable}' -W ignore -c '{code}' sentiment - --json --model '{model}' | head -1"
    found = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert json.loads(found.stdout)["text"] == "good"
    assert "Error" not in found.stderr and "seqkit:" not in found.stderr


def test_debug_shows_where_an_error_came_from():
    result = run("--debug", "sentiment", "good", "--model", "nowhere")
    assert isinstance(result.exception, ValueError)


def test_a_new_process_says_nothing_but_the_answer(model):
    import subprocess
    import sys

    command = [sys.executable, "-c", "from seqkit.cli import main; main()"]
    for arguments in (["models"], ["sentiment", "good", "--model", model]):
        found = subprocess.run([*command, *arguments], capture_output=True, text=True)
        assert found.returncode == 0 and found.stderr == "" and found.stdout


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
