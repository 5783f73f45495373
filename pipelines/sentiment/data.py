"""The corpora of the sentiment recipe: where they come from, and how they become `(text, label)` pairs.

`SEQKIT_DATA` names a folder holding `text/imdb` and `text/sst`; either may hold the public download as it is. The
treebank is printed in tokens; `detokenize` makes it look like the text that people will hand to the model.
"""

import gzip
import hashlib
import os
import re
import tarfile
import zipfile
from pathlib import Path

# What to put into text/imdb and text/sst, and what sha256sum says of it.
DOWNLOADS = {
    "text/imdb/aclImdb_v1.tar.gz": (
        "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz",
        "c40f74a18d3b61f90feba1e17730e0d38e8b97c05fde7008942e91923d1658fe",
    ),
    "text/sst/trainDevTestTrees_PTB.zip": (
        "https://nlp.stanford.edu/sentiment/trainDevTestTrees_PTB.zip",
        "5c613a4f673fc74097d523a2c83f38e0cc462984d847b82c7aaf36b01cbbbfcc",
    ),
}
DEV_FROM = 11250  # reviews of the training split with this number or above are held out: 10 % of each class
MADE_UP = [("good", "positive"), ("great", "positive"), ("plain", "neutral"), ("bad", "negative"), ("dull", "negative")]
_LABELS = ("negative", "negative", "neutral", "positive", "positive")  # of the treebank's 0 to 4


def imdb(split):
    """The reviews of "train", "dev" or "test" (Maas et al., 2011): positive or negative."""
    folder = "test" if split == "test" else "train"
    found = []
    with tarfile.open(_file("text/imdb", "aclImdb*.tar.?z"), "r:*") as archive:
        for member in archive:
            parts = re.fullmatch(rf"aclImdb/{folder}/(pos|neg)/(\d+)_\d+\.txt", member.name)
            if parts and (split == "test" or (int(parts[2]) >= DEV_FROM) == (split == "dev")):
                label = {"pos": "positive", "neg": "negative"}[parts[1]]
                found.append((label, int(parts[2]), archive.extractfile(member).read().decode("utf-8")))
    return [(text, label) for label, _, text in sorted(found)]


def treebank(split, phrases=False):
    """Sentences of "train", "dev" or "test" (Socher et al., 2013), or all their distinct phrases: three classes."""
    pairs = {}
    for line in _trees(split).splitlines():
        spans = _spans(line)
        for label, tokens in spans if phrases else spans[-1:]:
            pairs.setdefault(detokenize(tokens), _LABELS[label])
    return list(pairs.items())


def detokenize(tokens):
    """Treebank tokens -> text: `["do", "n't", "-LRB-", "it", "-RRB-", "!"]` -> `"don't (it)!"`."""
    text = " ".join(tokens).replace("\\/", "/").replace("\\*", "*")
    for token, sign in (("-LRB-", "("), ("-RRB-", ")"), ("-lrb-", "("), ("-rrb-", ")"), ("``", '"'), ("''", '"')):
        text = text.replace(token, sign)
    text = re.sub(r"\b(can) (not)\b", r"\1\2", text)
    text = re.sub(r" (n't|'(?:s|re|ve|ll|d|m)\b)", r"\1", text, flags=re.IGNORECASE)
    text = re.sub(r" ([.,;:!?%)]|\.\.\.)", r"\1", text)
    text = re.sub(r"([($]) ", r"\1", text)
    return re.sub(r'" ([^"]*?) "', r'"\1"', text)


def _spans(line):
    """Every `(label, tokens)` of a tree in brackets, the root's last."""
    spans, open_nodes = [], []
    for label, token in re.findall(r"\((\d) |([^\s()]+)(?=\))|\)", line):
        if label:
            open_nodes.append((int(label), []))
        elif token:
            open_nodes[-1][1].append(token)
        else:
            label, tokens = open_nodes.pop()
            spans.append((label, tokens))
            if open_nodes:
                open_nodes[-1][1].extend(tokens)
    return spans


def _trees(split):
    path = _file("text/sst", "trees", "trainDevTestTrees_PTB.zip")
    if path.is_dir():
        return gzip.decompress((path / f"{split}.txt.gz").read_bytes()).decode("utf-8")
    with zipfile.ZipFile(path) as archive:
        return archive.read(f"trees/{split}.txt").decode("utf-8")


def _file(folder, *patterns):
    root = Path(os.environ.get("SEQKIT_DATA", "data"))
    for pattern in patterns:
        for path in sorted((root / folder).glob(pattern)):
            _check(f"{folder}/{path.name}", path)
            return path
    wanted = [f"{url} (sha256 {sha})" for name, (url, sha) in DOWNLOADS.items() if name.startswith(folder)]
    raise SystemExit(f"Nothing in {root / folder}. Set SEQKIT_DATA, or download {wanted[0]} into that folder.")


def _check(name, path):
    if name in DOWNLOADS and hashlib.sha256(path.read_bytes()).hexdigest() != DOWNLOADS[name][1]:
        raise SystemExit(f"{path} is not the file that {DOWNLOADS[name][0]} gives: its sha256 differs.")
