"""The README's Python runs as it stands, on the manifests that it names."""

import re
import shutil
from pathlib import Path

import matplotlib
from PIL import Image

import seqkit

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def test_the_code_of_the_readme_runs(tmp_path, monkeypatch):
    matplotlib.use("agg")
    monkeypatch.chdir(tmp_path)
    rows = "".join(f"{text} {n}\t{label}\n" for n in range(9) for text, label in (("win cash now", "spam"), ("see you", "ham")))
    for name in ("train", "dev", "test"):
        Path(f"{name}.tsv").write_text("text\tlabel\n" + rows)
    Path("more.csv").write_text("review,label\n" + "your parcel waits here,phishing\nsee you soon,ham\n" * 9)
    line = Path(__file__).with_name("line.jpg")
    shutil.copy(Path(__file__).with_name("spoken.flac"), "erase.flac")
    Path("my-lines").mkdir()
    for picture in ("line.png", "page.png", "my-lines/one.png"):
        Image.open(line).save(picture)
    Path("my-lines/one.gt.txt").write_text("William Steinway est né à Seesen en Allemagne,", encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    assert len(blocks) == 4
    names, answers = {}, []
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
        answers.append(names.get("answer"))
    assert names["why"].answer.label and answers[2].text.startswith("William") and answers[3].words[0].text == "erase"
    for name in ("sentiment", "handwriting", "speech"):
        assert Path(f"exports/{name}/1/saved_model.pb").exists()
    assert set(seqkit.pipeline("models/mine")("win cash now 3").scores) == {"spam", "ham", "phishing"}
