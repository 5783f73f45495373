"""A forked process is refused at once; one that loads its pipeline itself is not."""

import os
import subprocess
import sys

import pytest
from cases import STROKES

from seqkit.serving import forks

FORK = """
import os, sys
import seqkit
pipe = seqkit.pipeline("strokes")
uses = [
    lambda: pipe([[[0, 0], [0, 5]]]),
    lambda: next(pipe(iter([[[0, 0], [0, 5]]]))),
    lambda: seqkit.pipeline("strokes"),
    lambda: seqkit.analyze_sentiment("good"),
    lambda: pipe.fit([([[0, 0], [0, 5]], "1")]),
    lambda: pipe.export("x"),
]
for use in uses:
    child = os.fork()
    if not child:
        try:
            use()
        except RuntimeError as error:
            os._exit(7 if "Use the spawn start method" in str(error) else 8)
        os._exit(9)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_is_refused_at_once():
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", FORK], stdout=subprocess.PIPE, text=True, timeout=300)
    assert found.stdout.split() == ["7"] * 6


def test_a_process_that_was_forked_before_may_build(monkeypatch):
    monkeypatch.setattr(forks, "_first", None)
    STROKES.build().learn(STROKES.examples)
    assert forks._first == os.getpid()
    monkeypatch.setattr(forks, "_first", os.getpid() + 1)
    with pytest.raises(RuntimeError, match=f"forked after process {os.getpid() + 1} had built a pipeline"):
        STROKES.build().learn(STROKES.examples)
