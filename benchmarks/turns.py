"""Libraries that take turns, each in a process of its own, so that the thread pools of one do not slow the others."""

import json
import os
import statistics
import subprocess
import sys
import time


def start(script, *arguments):
    """A process of a script, told what it is to do."""
    command = [sys.executable, os.path.abspath(script), "--worker", *map(str, arguments)]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, text=True)


def answers():
    """In such a process: the file that answers go to, whatever else is printed."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    return out


def work(make, out):
    """In such a process: reads a case, a list of which `make` makes a function to time, or a number of repeats a line; answers
    each."""
    for line in sys.stdin:
        order = json.loads(line)
        if isinstance(order, list):
            function = make(*order)
            for _ in range(3):
                function()
            answer = None
        else:
            times = []
            for _ in range(order):
                start = time.perf_counter()
                function()
                times.append(time.perf_counter() - start)
            answer = statistics.median(times)
        print(json.dumps(answer), file=out, flush=True)


def compare(processes, case, times, repeats):
    """The median seconds of a case for "ours" and for "torch", and the median over turns of their ratio, above 1 where ours is
    faster."""
    for process in processes.values():
        _ask(process, case)
    turns = [{library: _ask(process, times) for library, process in processes.items()} for _ in range(repeats)]
    medians = [statistics.median(turn[library] for turn in turns) for library in processes]
    return *medians, statistics.median(turn["torch"] / turn["ours"] for turn in turns)


def stop(processes):
    for process in processes.values():
        process.stdin.close()
        process.wait()


def _ask(process, order):
    process.stdin.write(json.dumps(order) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())
