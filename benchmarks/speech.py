"""How fast speech is heard: real-time factors, the wait for a partial text, memory over an hour, and PyTorch beside it.

    python benchmarks/speech.py [--repeats 7] [--offline NAME] [--live NAME] [--hours 1]

All on one core. A real-time factor is seconds of work a second of speech: from the bytes of a WAVE file to the text, language
model included, one recording at a time; live, in chunks of 100 ms, each from its coming to its partial text, of which the
median and the 99th percentile are shown. The recordings are made up, ten seconds each, but as loud and as varied as speech:
noise that swells and fades four times a second; a search takes longest where a network is unsure, as it is of these. Memory is
the largest that the process ever had, after a minute and after the hours of one stream. The networks are those of the
pipelines, without their search, ours and one written directly in PyTorch that take turns, each in a process of its own; a ratio
above 1 means that ours is faster.
"""

import argparse
import json
import os
import resource
import statistics
import sys
import time

import turns

RATE, SECONDS, CHUNK = 16000, 10, 1600
FRAMES = 1 + SECONDS * RATE // 160
BATCHES = (1, 16)


def sounds(count, seconds=SECONDS):
    """`(samples,)` float32 each."""
    import numpy as np

    for seed in range(count):
        random, time_ = np.random.default_rng(seed), np.arange(seconds * RATE) / RATE
        swell = 0.5 + 0.5 * np.sin(2 * np.pi * 4 * time_ + seed)
        smooth = np.convolve(random.normal(0, 1, len(time_)), np.ones(4) / 4, "same")
        yield (0.1 * swell * smooth).astype(np.float32)


def loaded(name):
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import seqkit

    return seqkit.pipeline(name)


def offline(name):
    """The real-time factor of whole recordings."""
    pipe = loaded(name)
    from seqkit.media.sounds import write_wave

    files = [write_wave(sound, RATE) for sound in sounds(12)]
    pipe(files[0])
    start = time.perf_counter()
    for file in files:
        pipe(file)
    return (time.perf_counter() - start) / (len(files) * SECONDS)


def chunks(seconds):
    """Chunks of speech without end, but for so many seconds, of which one is made at a time."""
    (sound,) = sounds(1)
    parts = [sound[start : start + CHUNK] for start in range(0, len(sound), CHUNK)]
    for place in range(int(seconds * RATE / CHUNK)):
        yield parts[place % len(parts)]


def live(name, hours):
    """The real-time factor of a stream, its chunks' times, and the largest memory in MiB, early and late."""
    pipe = loaded(name)

    def heard(seconds):
        times, start = [], time.perf_counter()
        for _ in pipe.stream(chunks(seconds), endpoint=0.8):
            times.append(time.perf_counter() - start)
            start = time.perf_counter()
        return times

    heard(5)
    times = heard(60)
    after_a_minute = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    heard(hours * 3600)
    after_hours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    ranked = sorted(times)
    return {
        "factor": sum(times) / 60,
        "median": statistics.median(times),
        "slowest of 100": ranked[int(len(ranked) * 0.99)],
        "memory": [after_a_minute, after_hours],
    }


def ours(name):
    """A function of a batch's size that makes a function to time: the network of a pipeline."""
    pipe = loaded(name)
    import numpy as np
    import tensorflow as tf

    form = [tf.TensorSpec((None, None, pipe.config.bands)), tf.TensorSpec((None,), tf.int32)]

    @tf.function(input_signature=form, autograph=False)
    def forward(features, lengths):
        return pipe.model({"features": features, "lengths": lengths})["log_probs"]

    def case(batch):
        features = np.random.default_rng(0).normal(size=(batch, FRAMES, pipe.config.bands)).astype("float32")
        given = tf.constant(features), tf.fill([batch], FRAMES)
        return lambda: forward(*given).numpy()

    return case


def pytorch(name):
    """The same network for PyTorch."""
    pipe = loaded(name)
    import torch

    torch.set_num_threads(1)
    config, symbols = pipe.config, pipe.model.head.dense.kernel.shape[-1]

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            bands, channels = config.bands, 1
            self.convolutions, self.norms = torch.nn.ModuleList(), torch.nn.ModuleList()
            for _ in range(2):
                bands = -(-bands // 2)
                self.convolutions.append(torch.nn.Conv2d(channels, config.filters, 3, 2, 1, bias=False))
                self.norms.append(torch.nn.LayerNorm([bands, config.filters]))
                channels = config.filters
            both = config.bidirectional
            width = config.units * (1 + both)
            self.recurrent = torch.nn.LSTM(bands * channels, config.units, config.depth, batch_first=True, bidirectional=both)
            ahead = config.lookahead
            self.row = None if both or not ahead else torch.nn.Conv1d(width, width, 1 + ahead, groups=width, bias=False)
            self.last = torch.nn.Linear(width, symbols)

        def forward(self, features):
            image = features[:, None]
            for convolution, norm in zip(self.convolutions, self.norms):
                image = torch.relu(norm(convolution(image).permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
            states = self.recurrent(image.permute(0, 2, 3, 1).flatten(2))[0]
            if self.row is not None:
                states = torch.nn.functional.pad(states.transpose(1, 2), (0, config.lookahead))
                states = self.row(states).transpose(1, 2)
            return torch.log_softmax(self.last(states), -1)

    network = Network().eval()

    def case(batch):
        features = torch.randn(batch, FRAMES, config.bands)

        def forward():
            with torch.no_grad():
                return network(features)

        return forward

    return case


def worker(what, name, hours):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # before TensorFlow counts them
    out = turns.answers()
    if what in ("offline", "live"):
        print(json.dumps(offline(name) if what == "offline" else live(name, hours)), file=out, flush=True)
    else:
        turns.work({"ours": ours, "torch": pytorch}[what](name), out)


def start(what, name, hours=0):
    return turns.start(__file__, what, "--offline", name, "--hours", hours)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--offline", default="speech-en", help="a pipeline's name or directory")
    parser.add_argument("--live", default="speech-en-live", help="a pipeline that streams")
    parser.add_argument("--hours", type=float, default=1.0, help="of the stream whose memory is measured")
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker, arguments.offline, arguments.hours)
        return
    print("| on one core | |\n|---|---|")
    print(f"| real-time factor, offline | {float(start('offline', arguments.offline).communicate()[0]):.3f} |", flush=True)
    found = json.loads(start("live", arguments.live, arguments.hours).communicate()[0])
    print(f"| real-time factor, live in chunks of 100 ms | {found['factor']:.3f} |")
    print(f"| from a chunk to its partial text, median | {found['median'] * 1000:.1f} ms |")
    print(f"| 99th percentile | {found['slowest of 100'] * 1000:.1f} ms |")
    early, late = found["memory"]
    print(f"| largest memory after a minute, after {arguments.hours:g} hours | {early:.0f}, {late:.0f} MiB |\n", flush=True)
    print("| network, one core | batch | ours, seconds a second | PyTorch | ratio |\n|---|---|---|---|---|")
    for name in (arguments.offline, arguments.live):
        processes = {library: start(library, name) for library in ("ours", "torch")}
        label = os.path.basename(name.rstrip("/"))
        for batch in BATCHES:
            *seconds, ratio = turns.compare(processes, [batch], 3, arguments.repeats)
            speeds = [batch * SECONDS / each for each in seconds]
            print(f"| {label} | {batch} | {speeds[0]:.0f} | {speeds[1]:.0f} | {ratio:.2f} |", flush=True)
        turns.stop(processes)


if __name__ == "__main__":
    main()
