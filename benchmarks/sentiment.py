"""Sentiment: what a user would pick instead, trained here and now, beside the bundled `sentiment-en`.

`SEQKIT_DATA=... python benchmarks/sentiment.py` reads the test splits of IMDB and SST-2 and prints one table. The
baseline is TF-IDF of uni- and bigrams with logistic regression, on the reviews alone and with the treebank's phrases.
"""

import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import seqkit

sys.path.insert(0, str(Path(__file__).parent.parent / "pipelines" / "sentiment"))
import data


def polar(pairs):
    return [(text, label) for text, label in pairs if label != "neutral"]


def baseline(train):
    """Fits the baseline; returns a function from texts to labels."""
    texts, labels = zip(*train)
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2), LogisticRegression(C=10, max_iter=1000)
    )
    model.fit(texts, labels)
    return model.predict


def bundled():
    pipe = seqkit.pipeline("sentiment-en")

    def predict(texts):
        answers = pipe(texts, batch_size=64)
        return ["positive" if a.scores["positive"] > a.scores["negative"] else "negative" for a in answers]

    return predict


def main():
    tests = {"IMDB": data.imdb("test"), "SST-2": polar(data.treebank("test"))}
    reviews = data.imdb("train") + data.imdb("dev")
    phrases = polar(data.treebank("train", phrases=True))
    table = Table("model", "training, s", *[f"{name}, %" for name in tests], "test texts a second")
    for name, make in (
        ("TF-IDF + logistic regression, IMDB", lambda: baseline(reviews)),
        ("TF-IDF + logistic regression, IMDB + treebank phrases", lambda: baseline(reviews + phrases)),
        ("seqkit sentiment-en", bundled),
    ):
        began = time.monotonic()
        predict = make()
        trained = "" if make is bundled else f"{time.monotonic() - began:.0f}"
        began = time.monotonic()
        found = {test: list(predict([text for text, _ in pairs])) for test, pairs in tests.items()}
        rate = sum(map(len, tests.values())) / (time.monotonic() - began)
        right = [100 * sum(a == b for a, (_, b) in zip(found[test], pairs)) / len(pairs) for test, pairs in tests.items()]
        table.add_row(name, trained, *[f"{value:.2f}" for value in right], f"{rate:.0f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
