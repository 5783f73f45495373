"""Strokes and CTC fit together: lines of several glyphs are read, by a task that is made here of the library's parts."""

import functools

import numpy as np

from seqkit.encoders.recurrent import RecurrentEncoder
from seqkit.frontends.strokes import StrokesFrontend
from seqkit.heads.ctc import CTCHead
from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
from seqkit.parts import Task
from seqkit.pipe import Pipeline
from seqkit.tasks import strokes
from seqkit.tasks.spelling import check_text

SHAPES = {"L": [(0, 3), (0, 0), (2, 0)], "O": [(0, 0), (0, 2), (2, 2), (2, 0), (0, 0)], "V": [(0, 2), (1, 0), (2, 2)]}


def written(word, random):
    """A word, glyph beside glyph, the pen lifted between them."""
    return [np.array(SHAPES[letter]) + random.normal(0, 0.08, (1, 2)) + (3 * place, 0) for place, letter in enumerate(word)]


def build(config, assets):
    encoder = RecurrentEncoder(config.units, config.depth)
    return StrokesFrontend(config.spacing, config.box), encoder, CTCHead(CharacterTokenizer(assets["alphabet.json"]), beam=1)


LINES = Task(
    name="stroke-lines",
    inputs=("points",),
    target="text",
    samples=strokes.SAMPLES,
    Config=strokes.Config,
    check=check_text,
    learn=lambda config, examples: {"alphabet.json": learn_alphabet([text for _, text in examples])},
    build=build,
    augment=lambda config: functools.partial(strokes.deform, shear=0.1, rotation=3.0, box=config.box),
)


def test_lines_of_strokes_are_read_longer_ones_than_were_learnt_too(tmp_path):
    random = np.random.default_rng(0)
    words = ["".join(random.choice(list(SHAPES), size)) for size in (1, 2, 3, 4) for _ in range(24)]
    pipe = Pipeline(LINES, LINES.Config(box="height", spacing=0.3, units=24, depth=1))
    pipe.fit([(written(word, random), word) for word in words], epochs=40, batch_steps=512, learning_rate=2e-2, verbose=False)
    unseen = ["LOVO", "VLO", "OOVVLL", "LVOLVOLVO"]
    assert [answer.text for answer in pipe([written(word, random) for word in unseen])] == unseen
    assert pipe.export(tmp_path / "1").is_dir()  # which compares it with the call
