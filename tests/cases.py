"""One tiny case a task, for the laws: trained in seconds on made-up examples, nothing read from outside the project."""

import dataclasses
import functools
import itertools
import operator
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

import seqkit
from seqkit.pipe import Pipeline


@dataclass(frozen=True)
class Case:
    """What the laws need to know of a task."""

    name: str
    settings: dict  # the smallest Config
    examples: list  # (input, target), learnable
    inputs: list  # inputs of many lengths, odd and even
    edges: list  # inputs at the edge of what is allowed: each gets an answer
    refused: list  # (input, what the error says)
    bad_target: str  # a target that is refused
    epochs: int = 40  # in which it learns two examples by heart
    batch_steps: int = 64
    variant: str = ""  # which of the task's cases, where it has several
    answered: Callable = operator.attrgetter("label")  # what an answer says, in the form of a target
    parts: tuple = (1, 2, 7)  # sizes of the parts that inputs come in

    @property
    def id(self):
        return self.name + self.variant

    def build(self, **settings) -> Pipeline:
        return seqkit.build(self.name, **{**self.settings, **settings})

    def train(self, **options):
        """A new pipeline, trained for a moment; the same each time."""
        pipe = self.build()
        pipe.fit(
            self.examples, verbose=False, **{"epochs": 2, "batch_steps": self.batch_steps, "learning_rate": 5e-3, **options}
        )
        return pipe

    @functools.cached_property
    def pipe(self):
        """The trained pipeline that laws which change nothing share."""
        return self.train()


WORDS = {"negative": "bad dull awful stale", "neutral": "plain square usual grey", "positive": "good warm fine great"}
SENTIMENT = Case(
    name="sentiment-analysis",
    settings={"vocabulary": 80, "width": 12, "units": 8, "ngrams": 60},
    examples=[
        (f"{start} {word} {noun}", label)
        for label, words in WORDS.items()
        for word in words.split()
        for start, noun in (("a", "film"), ("such a", "story"), ("what a very", "book, really"))
    ],
    inputs=["good", "a bad film", "so dull and grey and long a story that nobody sits through it twice", "fine, fine"],
    edges=[
        "",
        " ",
        "good " * 700,
        "😀 🎬",
        "это хороший фильм",
        "素晴らしい映画",
        "a\0b",
        b"\xff\xfe broken \xc3(",
        "\ud800",
        "<br /><br/>",
        "e\u0301" * 5,
    ],
    refused=[(3.5, "Item 0: expected a text .*float 3.5"), (None, "Item 0.*NoneType"), ({"text": "x"}, "Item 0.*dict")],
    bad_target="splendid",
)
RANDOM = np.random.default_rng(0)
SHAPES = {"L": [(0, 3), (0, 0), (2, 0)], "O": [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)], "V": [(0, 2), (1, 0), (2, 2)]}
STROKES = Case(
    name="stroke-recognition",
    settings={"labels": ("L", "O", "V"), "units": 8, "depth": 1, "members": 2, "spacing": 0.25},
    examples=[
        (np.array(points) + RANDOM.normal(0, 0.1, (len(points), 2)), label)
        for label, points in SHAPES.items()
        for _ in range(6)
    ],
    inputs=[
        np.array([(0, 3), (0, 0), (2, 0)]),
        RANDOM.normal(size=(12, 2)),
        np.array([(0, 0, 1), (5, 5, 1), (0, 5, 0), (5, 0, 1)]),
        RANDOM.normal(size=(3, 4)) * [1, 1, 0, 1],
    ],
    edges=[
        np.zeros((1, 2)),
        np.full((5, 2), 7),
        np.array([(0, 0), (0, 1)]),
        np.array([(0, 0), (1e-38, 0)]),
        np.array([(1e29, 0), (-1e29, 1)]),
        RANDOM.normal(size=(300, 2)),
        np.cumsum(RANDOM.normal(size=(5000, 2)), axis=0),
        np.zeros((4, 3), bool),
        np.array([[(0, 0), (0, 9)], [(5, 0), (5, 9)]]),
    ],
    refused=[
        (3.5, "Item 0: expected pen points .*float 3.5"),
        ("points.txt", "Item 0.*str 'points.txt'"),
        (np.zeros(4), r"Item 0.*ndarray of shape \(4,\)"),
        (np.zeros((0, 2)), "Item 0: expected at least one pen point"),
        (np.array([(0, 0), (0, np.nan)]), "Item 0: expected finite x and y .*point 1"),
    ],
    bad_target="X",
)

# Forwards only and without a box: nothing is read twice while one draws.
ONE_WAY = dataclasses.replace(
    STROKES,
    variant="-one-way",
    settings={**STROKES.settings, "box": "none", "bidirectional": False},
    edges=[item for item in STROKES.edges if np.abs(np.asarray(item)).max() < 1e29],
    refused=[*STROKES.refused, (np.array([(1e29, 0), (-1e29, 1)]), "Item 0: expected a way of at most 65536 steps of 0.25")],
)


def printed(text, height=24, ink=0, paper=255):
    """A line in print, `(height, width)` uint8."""
    picture = Image.new("L", (20 + 7 * len(text), height), paper)
    ImageDraw.Draw(picture).text((10, height // 2 - 6), text, ink)
    return np.asarray(picture)


HANDWRITING = Case(
    name="handwriting-recognition",
    settings={"height": 16, "filters": (4, 6, 6, 6, 6), "units": 12, "depth": 1, "dropout": 0.0, "order": 2, "beam": 4},
    examples=[(printed(text), text) for text in ("one film", "a street", "two rows", "last one") * 4],
    inputs=[printed("one"), printed("a longer line of a film"), printed("two tower"), printed("to", paper=40, ink=230)],
    edges=[
        np.zeros((1, 1)),
        np.full((8, 300), 255, np.uint8),
        printed("up")[::-1, ::-1],
        np.tile(printed("one two "), (1, 60)),
        printed("tiny")[8:16],
        np.zeros((30, 90, 4), np.uint8),
        np.random.default_rng(0).integers(0, 256, (40, 200, 3), np.uint8),
        (printed("one") * 257.0).astype("uint16"),
    ],
    refused=[
        (3.5, "Item 0: expected a picture .*float 3.5"),
        ("nowhere.png", r"Item 0 \(nowhere.png\): expected the path of a picture"),
        (b"no picture", "Item 0: expected a whole picture"),
        (np.zeros((2, 3, 4, 5)), r"Item 0: expected an array .*\(2, 3, 4, 5\)"),
    ],
    bad_target=" ",
    epochs=150,
    batch_steps=512,
    answered=operator.attrgetter("text"),
)
TONES = {"a": 300, "b": 900, "c": 2700, " ": 0}  # hertz of what stands for a letter


def spoken(text, rate=16000, seed=0):
    """A tenth of a second of its tone for each letter, in a little noise: `(samples,)` float32."""
    time = np.arange(rate // 10) / rate
    tones = [0.3 * np.sin(2 * np.pi * TONES[letter] * time) for letter in text]
    samples = np.concatenate([*tones, np.zeros(rate // 20)])
    return (samples + np.random.default_rng(seed).normal(0, 0.003, len(samples))).astype(np.float32)


SPEECH = Case(
    name="speech-to-text",
    settings={"bands": 12, "filters": 4, "units": 12, "depth": 1, "dropout": 0.0, "order": 2, "beam": 4},
    examples=[(spoken(text, seed=seed), text) for seed, text in enumerate(("abc", "ca b", "bac", "cb") * 3)],
    inputs=[spoken("ab"), spoken("cab a"), spoken("b", seed=4)[:777], spoken("bac b", seed=3)],
    edges=[
        np.zeros(0),
        np.ones(1),
        spoken("a")[:80],
        np.zeros(16000),
        np.sign(spoken("abc")),
        (spoken("ab") * 30000).astype(np.int16),
        np.stack([spoken("ab"), spoken("ab")]),
        {"array": spoken("abc", rate=8000), "sampling_rate": 8000},
        np.random.default_rng(0).uniform(-1, 1, 20000).astype(np.float32),
    ],
    refused=[
        (3.5, "Item 0: expected a recording .*float 3.5"),
        ("nowhere.wav", r"Item 0 \(nowhere.wav\): expected the path of a recording"),
        (b"no sound", "Item 0: expected"),
        (np.array([0.0, np.nan]), "Item 0.*finite"),
        (np.zeros((2, 2, 2)), r"Item 0.*\(2, 2, 2\)"),
    ],
    bad_target=" ",
    epochs=150,
    batch_steps=256,
    answered=operator.attrgetter("text"),
    parts=(500, 1600, 16001),
)

# Forwards only, with a normalisation by what was heard so far: one reads on while somebody speaks.
LIVE = dataclasses.replace(
    SPEECH, variant="-live", settings={**SPEECH.settings, "bidirectional": False, "lookahead": 2}, parts=(160, 1600, 16001)
)


def voiced(hertz, samples=4000, seed=0):
    """A voice: a tone and its octave, in a little noise: `(samples,)` float32."""
    time = np.arange(samples) / 16000
    tone = 0.2 * np.sin(2 * np.pi * hertz * time) + 0.1 * np.sin(4 * np.pi * hertz * time)
    return (tone + np.random.default_rng(seed).normal(0, 0.01, samples)).astype(np.float32)


VOICES = {"Ann": 200, "Bob": 500, "unknown": 3000}  # hertz
SPEAKERS = Case(
    name="speaker-identification",
    settings={"labels": ("Ann", "Bob"), "bands": 12, "filters": 4, "units": 8, "depth": 1, "size": 8, "dropout": 0.0},
    examples=[
        (voiced(hertz * (1 + 0.02 * seed), 3000 + 500 * seed, seed), name)
        for name, hertz in VOICES.items()
        for seed in range(5)
    ],
    inputs=[voiced(205), voiced(480, 9000), voiced(3100, 777), voiced(1000)],
    edges=SPEECH.edges,
    refused=SPEECH.refused,
    bad_target="Cid",
    batch_steps=256,
    parts=SPEECH.parts,
)

GERMAN = {"one": "eins", "two": "zwei", "red": "rot", "dog": "Hund"}
TRANSLATION = Case(
    name="translation",
    settings={"vocabulary": 320, "width": 16, "units": 12, "depth": 1, "decoder_units": 24, "dropout": 0.0, "beam": 3},
    examples=[(" ".join(words), " ".join(GERMAN[word] for word in words) + ".") for words in itertools.permutations(GERMAN, 3)],
    inputs=["red dog", "two red and one dog", "one", "dog https://a.org/?b=1 two 😀, 1978"],
    edges=[item for item in SENTIMENT.edges if item != "good " * 700] + ["one\tdog ", "red two " * 60],
    refused=SENTIMENT.refused,
    bad_target=" ",
    epochs=120,
    batch_steps=64,
    answered=operator.attrgetter("text"),
)
CASES = [SENTIMENT, STROKES, ONE_WAY, HANDWRITING, SPEECH, LIVE, SPEAKERS, TRANSLATION]
