"""The recipes: their data's shape by hand, and each whole recipe on made-up examples."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from cases import CASES, SENTIMENT, printed, spoken, voiced

import seqkit
from seqkit import recipes

RECIPES = Path(__file__).parent.parent / "pipelines"
SMOKE = {  # what has been learnt
    "handwriting": (printed("good film"), "good film"),
    "sentiment": ("good film", "positive"),
    "speakers": (voiced(205, 6000), "an4-low"),
    "speech": (spoken("cab", seed=9), "cab"),
    "strokes": (np.array([(0, 2), (2, 2), (1, 0)]), "7"),
    "translation": ("Tom knows the dog.", "Tom kennt den Hund."),
}


def load(name):
    spec = importlib.util.spec_from_file_location(name.replace("/", "_"), RECIPES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("recipe", sorted(path.parent.name for path in RECIPES.glob("*/train.py")))
def test_a_recipe_runs_without_its_corpus(recipe, tmp_path):
    command = [sys.executable, str(RECIPES / recipe / "train.py"), "--smoke"]
    where = ["--output", str(tmp_path / "model"), "--run", str(tmp_path / "run")]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(seqkit.__file__).parent.parent)}
    found = subprocess.run([*command, *where], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr
    given, expected = SMOKE[recipe]
    pipe = seqkit.pipeline(tmp_path / "model")
    case = next(case for case in CASES if case.name == pipe.task.name)
    assert case.answered(pipe(given)) == expected


def test_what_stands_beside_a_recipe_finds_what_it_takes_from_it():
    # Their imports, in one process; what they train is run by hand.
    program = """
import pathlib, runpy, sys
for path in sorted(pathlib.Path(sys.argv[1]).glob("*/*.py")):
    for module in ("data", "train", "multi30k"):
        sys.modules.pop(module, None)
    sys.path[0] = str(path.parent)
    assert runpy.run_path(str(path), run_name=path.stem)["__doc__"], path
"""
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(Path(seqkit.__file__).parent.parent)}
    found = subprocess.run([sys.executable, "-c", program, RECIPES], capture_output=True, text=True, env=environment)
    assert found.returncode == 0, found.stderr


def test_evaluating_puts_the_test_scores_on_the_card(tmp_path, monkeypatch, capsys):
    written = "# A card\n\n## Scores on the test split\n\nthose of the last time"
    SENTIMENT.pipe.save(tmp_path / "model", card=written)

    def evaluate(*arguments):
        monkeypatch.setattr(sys, "argv", ["train.py", "--output", str(tmp_path / "model"), "--evaluate", *arguments])
        recipes.main(tmp_path / "train.py", "none", None, lambda pipe, split: {"split": split, "units": pipe.config.units})
        return capsys.readouterr().out, (tmp_path / "model" / "CARD.md").read_text()

    assert evaluate("dev") == ('{\n "split": "dev",\n "units": 8\n}\n', written)
    scores = '{\n "split": "test",\n "units": 8\n}'
    assert evaluate() == (scores + "\n", f"# A card\n\n## Scores on the test split\n\n```json\n{scores}\n```\n")


def test_the_card_counts_the_minutes_before_a_run_was_broken_off_too(tmp_path, monkeypatch, capsys):
    (tmp_path / "card.md").write_text("{minutes} minutes")
    for part, seconds in (("pretraining", "50.5\n69.5"), ("training", "180")):
        (tmp_path / "run" / part).mkdir(parents=True)
        (tmp_path / "run" / part / "log.csv").write_text(f"seconds\n{seconds}\n")
    monkeypatch.setattr(sys, "argv", ["train.py", "--smoke", *f"--output {tmp_path}/model --run {tmp_path}/run".split()])
    recipes.main(tmp_path / "train.py", "none", lambda run, smoke: (SENTIMENT.pipe, {}), None)
    assert (tmp_path / "model" / "CARD.md").read_text() == "5 minutes"
    assert capsys.readouterr().out.startswith("5 minutes; ")


def test_the_handwriting_recipe_goes_on_from_a_pipeline_in_its_run(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(RECIPES / "handwriting")
    recipe = load("handwriting/train")
    earlier, reader = (seqkit.build("handwriting-recognition", **{**recipe.SMALL, "seed": seed}) for seed in (0, 1))
    made_up = recipe.data.MADE_UP
    earlier.learn([*made_up, (made_up[0][0], "quiz")])  # of more characters
    reader.learn(made_up)
    earlier.save(tmp_path / "start")
    still = {"batch_steps": 1024, "learning_rate": 1e-9}
    monkeypatch.setattr(recipe, "ON", ({"epochs": 2, "learning_rate": 1e-9}, {"epochs": 1}))
    steps = still, {**still, "agreement": 0.2}
    learnt = recipe.learn(recipes.like(reader, **recipe.GREEDY), made_up, made_up, tmp_path, *steps)
    assert len(earlier.model.encoder.weights) == len(learnt.model.encoder.weights) > 10
    for weight, start in zip(learnt.model.encoder.weights, earlier.model.encoder.weights):
        np.testing.assert_allclose(weight, start, atol=1e-5)
    curve = recipes._joined([tmp_path / "first" / "log.csv", tmp_path / "second" / "log.csv"])
    assert [line.split(",")[0] for line in curve.split()] == ["epoch", "1", "2", "3"]


@pytest.mark.parametrize(
    "tokens, text",
    [
        ("It 's not bad , is n't it ?", "It's not bad, isn't it?"),
        ("-LRB- Really -RRB- `` good '' ...", '(Really) "good"...'),
        ("We can not say 50 % of co-writer\\/director 's $ 3", "We cannot say 50% of co-writer/director's $3"),
        ("they 'll be \\*\\*\\*\\* !", "they'll be ****!"),
    ],
)
def test_the_treebanks_tokens_become_text(tokens, text):
    assert load("sentiment/data").detokenize(tokens.split()) == text


def test_every_node_of_a_tree_is_a_span():
    spans = load("sentiment/data")._spans("(3 (2 a) (4 (2 very) (3 good)))")
    assert spans == [(2, ["a"]), (2, ["very"]), (3, ["good"]), (4, ["very", "good"]), (3, ["a", "very", "good"])]


def test_without_a_corpus_a_recipe_says_where_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_DATA", str(tmp_path))
    with pytest.raises(SystemExit, match=r"Set SEQKIT_DATA, or download https://.*aclImdb_v1.tar.gz \(sha256 c40f"):
        load("sentiment/data").imdb("train")


def test_a_changed_download_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKIT_DATA", str(tmp_path))
    (tmp_path / "text" / "sst").mkdir(parents=True)
    (tmp_path / "text" / "sst" / "trainDevTestTrees_PTB.zip").write_bytes(b"something else")
    with pytest.raises(SystemExit, match="its sha256 differs"):
        load("sentiment/data").treebank("train")
