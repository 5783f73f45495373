"""The README's Python runs as it stands, on the manifests that it names."""

import re
from pathlib import Path

import matplotlib

import seqkit

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{text} {n}\t{label}\n" for n in range(9) for text, label in (("win cash now", "spam"), ("see you", "ham")))
    for name in ("train", "dev", "test"):
        Path(f"{name}.tsv").write_text("text\tlabel\n" + rows)
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 2
    names = {}
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert names["why"].answer.label and Path("exports/sentiment/1/saved_model.pb").exists()
    assert seqkit.pipeline("models/mine")("win cash now 3").label == "spam"
