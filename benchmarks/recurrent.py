"""How fast the recurrent layers are: ours, keras.layers and PyTorch, side by side in one run.

    python benchmarks/recurrent.py [--repeats 7] [--only 32,100] [--memory]

Each of the three lives in a process of its own (thread pools that spin would slow each other) and they take turns; a figure
is the median over turns. Keras is given both `jit_compile`s and the better one counts. Everything is float32, all weights
and the input have gradients, outputs are whole sequences. A ratio above 1 means ours is faster. The ragged batch holds 32
reviews of IMDB by their true word counts: Keras gets the padded batch with a mask, PyTorch packed sequences.
`--memory` prints instead the peak memory of one training step over 4,000 steps, plain, truncated and checkpointed.

Every path of ours that is timed earns its place here: "fused" all of these figures, its groups of like length the ragged ones.
"graph" is slower (1.4 times forward at batch 32, 2 times at batch 1) and pays in exports, which hold nothing but its ops.

"bound" is what the case's matrix products alone would take at the rate of one large product, measured in the same run: no
recurrent layer is faster. (At batch 1 the weights are read anew at each step, and reading them is the bound, not counting.)

Left out: GPUs, and compile time, which is printed once a case as "first call".
"""

import argparse
import json
import math
import os
import resource
import statistics
import subprocess
import sys
import time

SHAPES = [(32, 100, 128, 256), (1, 100, 128, 256), (64, 50, 256, 512)]
KINDS = ["LSTM", "GRU", "BiLSTM"]
# Words of 32 reviews drawn at random from the training part of IMDB (Maas et al. 2011).
IMDB = [
    278,
    163,
    146,
    124,
    224,
    109,
    125,
    164,
    341,
    186,
    470,
    130,
    217,
    168,
    152,
    202,
    116,
    114,
    167,
    187,
    716,
    93,
    139,
    347,
    243,
    82,
    360,
    436,
    148,
    132,
    112,
    154,
]


def tensorflow_case(kind, shape, ragged, library, jit):
    """Two functions without arguments, forward and forward+backward, that wait for their result."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import keras
    import numpy as np
    import tensorflow as tf

    if library == "ours":
        sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        from seqkit import layers
    else:
        layers = keras.layers
    batch, steps, width, units = shape
    bidirectional = kind.startswith("Bi")
    layer = getattr(layers, kind.removeprefix("Bi"))(units, return_sequences=True)
    if bidirectional:
        layer = layers.Bidirectional(layer)
    layer.build((batch, steps, width))
    x = tf.constant(np.random.default_rng(0).normal(size=(batch, steps, width)).astype("float32"))
    call = {}
    if ragged:
        call = {"lengths": tf.constant(IMDB)} if library == "ours" else {"mask": tf.sequence_mask(IMDB, steps)}
    weights = [v.value for v in layer.trainable_variables]

    @tf.function(jit_compile=jit)
    def forward(x, call):
        return layer(x, **call)

    @tf.function(jit_compile=jit)
    def train(x, call):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = layer(x, training=True, **call)
            loss = tf.reduce_mean(y * y)
        return tape.gradient(loss, [x, *weights])

    return lambda: forward(x, call).numpy(), lambda: [tf.convert_to_tensor(g).numpy() for g in train(x, call)]


def peak():
    """Floating-point operations a second in one large matrix product."""
    import tensorflow as tf

    size = 2048
    a = tf.random.normal((size, size))
    times = []
    for _ in range(20):
        start = time.perf_counter()
        tf.matmul(a, a).numpy()
        times.append(time.perf_counter() - start)
    return 2 * size**3 / statistics.median(times)


def operations(kind, shape, ragged):
    """Floating-point operations of the products of one forward pass; with the backward pass it is three times as many."""
    batch, steps, width, units = shape
    rows = sum(IMDB) if ragged else batch * steps
    gates = 3 if kind.endswith("GRU") else 4
    return 2 * rows * gates * units * (width + units) * (2 if kind.startswith("Bi") else 1)


def torch_case(kind, shape, ragged):
    import torch

    batch, steps, width, units = shape
    bidirectional = kind.startswith("Bi")
    layer = getattr(torch.nn, kind.removeprefix("Bi"))(width, units, batch_first=True, bidirectional=bidirectional)
    x = torch.randn(batch, steps, width)
    lengths = torch.tensor(IMDB)

    def run(x):
        if not ragged:
            return layer(x)[0]
        packed = torch.nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return torch.nn.utils.rnn.pad_packed_sequence(layer(packed)[0], batch_first=True)[0]

    def forward():
        with torch.no_grad():
            return run(x)

    def train():
        layer.zero_grad()
        leaf = x.detach().requires_grad_()
        y = run(leaf)
        (y * y).mean().backward()
        return leaf.grad

    return forward, train


def worker():
    """Read one case or one timing order a line, answer one line."""
    out = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    pair = None
    for line in sys.stdin:
        order = json.loads(line)
        if "case" in order:
            pair = torch_case(*order["case"]) if order["library"] == "torch" else tensorflow_case(*order["case"])
            start = time.perf_counter()
            for f in pair:
                f()
            answer = time.perf_counter() - start
            for f in pair:
                f()
        elif "peak" in order:
            answer = peak()
        else:
            answer = []
            for _ in range(order["times"]):
                start = time.perf_counter()
                pair[order["which"]]()
                answer.append(time.perf_counter() - start)
        print(json.dumps(answer), file=out, flush=True)


class Process:
    def __init__(self, library, jit=False):
        self.library, self.jit = library, jit
        command = [sys.executable, os.path.abspath(__file__), "--worker"]
        quiet = subprocess.DEVNULL
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=quiet, text=True)

    def ask(self, **order):
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def case(self, kind, shape, ragged):
        rest = [] if self.library == "torch" else [self.library, self.jit]
        return self.ask(library=self.library, case=[kind, shape, ragged, *rest])


def compare(repeats, only):
    processes = {
        "ours": Process("ours"),
        "keras": Process("keras"),
        "keras jit": Process("keras", jit=True),
        "torch": Process("torch"),
    }
    cases = [(kind, shape, False) for shape in SHAPES for kind in KINDS]
    cases += [(kind, (len(IMDB), max(IMDB), 128, 256), True) for kind in ("LSTM", "BiLSTM")]
    cases = [c for c in cases if only in f"{c[0]},{','.join(map(str, c[1]))}"]
    ratios = {}
    rate = processes["keras"].ask(peak=True)
    print(f"one large product: {rate / 1e9:.0f} GFLOP/s\n")
    print("| case | | ours ms | keras ms | torch ms | bound ms | keras/ours | torch/ours | first call s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for kind, shape, ragged in cases:
        first = {name: p.case(kind, shape, ragged) for name, p in processes.items()}
        for which, label in enumerate(["forward", "forward+backward"]):
            times = {name: [] for name in processes}
            for _ in range(repeats):
                for name, process in processes.items():
                    long = shape[0] * shape[1] > 2000
                    found = process.ask(which=which, times=2 if long else 10)
                    times[name].append(statistics.median(found) if not long else min(found))
            middle = {name: statistics.median(t) for name, t in times.items()}
            best = "keras" if middle["keras"] <= middle["keras jit"] else "keras jit"
            keras_ratio = statistics.median(k / o for k, o in zip(times[best], times["ours"]))
            torch_ratio = statistics.median(t / o for t, o in zip(times["torch"], times["ours"]))
            group = ("ragged" if ragged else "one item" if shape[0] == 1 else "batch", label)
            bound = operations(kind, shape, ragged) * (1 + 2 * which) / rate
            ratios.setdefault(group, []).append((keras_ratio, torch_ratio, middle[best] / bound))
            name = f"{kind} {'x'.join(map(str, shape))}{' ragged' if ragged else ''}"
            middle["bound"] = bound
            shown = " | ".join(f"{middle[column] * 1e3:.1f}" for column in ("ours", best, "torch", "bound"))
            print(f"| {name} | {label} | {shown} | {keras_ratio:.2f} | {torch_ratio:.2f} | {first['ours']:.1f} |", flush=True)
    for label in ("forward", "forward+backward"):
        whole = [r for (group, which), rs in ratios.items() if which == label and group != "ragged" for r in rs]
        if whole:
            mean = [math.exp(statistics.mean(math.log(r[i]) for r in whole)) for i in (0, 1)]
            print(
                f"{label}, padded: geometric mean keras/ours {mean[0]:.2f}, torch/ours {mean[1]:.2f}; "
                f"lowest {min(r[0] for r in whole):.2f}, {min(r[1] for r in whole):.2f}"
            )
        batches = [r[2] for r in ratios.get(("batch", label), [])]
        if batches:
            most = math.exp(statistics.mean(map(math.log, batches)))
            print(f"{label}, padded, batch above 1: keras/bound {most:.2f}, the most that keras/ours can be")
        for group in ("one item", "ragged"):
            found = [r[0] for r in ratios.get((group, label), [])]
            if found:
                print(f"{label}, {group}: keras/ours {', '.join(f'{r:.1f}' for r in found)}")


def memory(options):
    """Print by how much one training step over 4,000 steps raises the peak memory of this process over that of 200 steps."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import tensorflow as tf

    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    from seqkit import layers

    layer = layers.LSTM(256, return_sequences=True, **options)
    layer.build((32, None, 128))

    @tf.function
    def train(x):
        with tf.GradientTape() as tape:
            y = layer(x, training=True)
            loss = tf.reduce_mean(y * y)
        return tape.gradient(loss, [v.value for v in layer.trainable_variables])

    peaks, start = [], 0
    for steps in (200, 4000):
        x = tf.random.normal((32, steps, 128))
        start = time.perf_counter()
        train(x)[0].numpy()
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
    seconds = time.perf_counter() - start
    print(f"| {options or 'plain'} | {peaks[1] - peaks[0]:.0f} | {seconds:.1f} |", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--only", default="", help="cases whose name holds this, such as LSTM,32")
    parser.add_argument("--memory", nargs="?", const="all", help="peak memory over 4,000 steps instead")
    arguments = parser.parse_args()
    if arguments.worker:
        worker()
    elif arguments.memory == "all":
        print("| LSTM 32x4000x128x256, one training step | peak memory MB | seconds, with compiling |")
        print("|---|---|---|", flush=True)
        for options in ({}, {"truncate": 100}, {"checkpoint_every": 64}):
            subprocess.run([sys.executable, os.path.abspath(__file__), "--memory", json.dumps(options)], check=True)
    elif arguments.memory:
        memory(json.loads(arguments.memory))
    else:
        compare(arguments.repeats, arguments.only)


if __name__ == "__main__":
    main()
