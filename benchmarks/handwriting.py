"""How fast handwriting is read and learnt: ours, and the same network written directly in PyTorch, side by side in one run.

    python benchmarks/handwriting.py [--repeats 7]

Each lives in a process of its own and they take turns; a figure is the median over turns, a ratio the median of a turn's. The
network is that of `handwriting-fr`: five convolutions, three bidirectional LSTMs, a softmax over 134 symbols. Lines are 704
columns wide, the mean of Copiste's; a training step includes the CTC loss, clipping and AdamW. Ours is traced as a pipeline
traces it, for batches of any size and width; images lie in memory as is fastest for each. Last, the whole of ours: from PNG
bytes to texts, language model included.
"""

import argparse
import json
import os
import sys
import time

import turns

FILTERS, UNITS, DEPTH, SYMBOLS, HEIGHT, STEPS, CHARACTERS = (16, 32, 64, 96, 96), 192, 3, 134, 48, 704, 46
POOLS = ((2, 2), (2, 2), (1, 2), (1, 1), (1, 2))
CASES = [("forward", 1), ("forward", 16), ("training step", 16)]


def ours():
    """A function of a case that makes a function to time."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import keras
    import numpy as np
    import tensorflow as tf

    from seqkit.encoders.image import LineEncoder
    from seqkit.heads.ctc import CTCHead
    from seqkit.language.tokenizers import CharacterTokenizer, learn_alphabet
    from seqkit.training.model import SequenceModel

    tokenizer = CharacterTokenizer(learn_alphabet(["".join(chr(33 + place) for place in range(SYMBOLS - 1))]))
    model = SequenceModel(LineEncoder(FILTERS, UNITS, DEPTH, 0.3), CTCHead(tokenizer, dropout=0.3))
    features = np.random.default_rng(0).random((16, STEPS, HEIGHT)).astype("float32")
    lengths = np.full(16, STEPS, "int32")
    targets = {"ids": np.random.default_rng(0).integers(4, SYMBOLS, (16, CHARACTERS)).astype("int32")}
    targets["lengths"] = np.full(16, CHARACTERS, "int32")
    model({"features": features[:1], "lengths": lengths[:1]})
    variables = model.trainable_variables
    optimizer = keras.optimizers.AdamW(1e-3, global_clipnorm=1.0)
    optimizer.build(variables)
    form = [tf.TensorSpec((None, None, HEIGHT)), tf.TensorSpec((None,), tf.int32)]

    @tf.function(input_signature=form, autograph=False)
    def forward(features, lengths):
        return model({"features": features, "lengths": lengths})["log_probs"]

    @tf.function(autograph=False)
    def step(features, lengths):
        with tf.GradientTape() as tape:
            outputs = model({"features": features, "lengths": lengths}, training=True)
            loss = model.compute_loss(y=targets, y_pred=outputs)
        optimizer.apply(tape.gradient(loss, [v.value for v in variables]), variables)
        return loss

    def case(name, batch):
        function = forward if name == "forward" else step
        given = tf.constant(features[:batch]), tf.constant(lengths[:batch])
        return lambda: function(*given).numpy()

    return case


def pytorch():
    """The same for PyTorch."""
    import torch

    class Network(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions, self.norms, height, channels = torch.nn.ModuleList(), torch.nn.ModuleList(), HEIGHT, 1
            for count, (_, lower) in zip(FILTERS, POOLS):
                height //= lower
                self.convolutions.append(torch.nn.Conv2d(channels, count, 3, padding=1, bias=False))
                self.norms.append(torch.nn.LayerNorm([height, count]))
                channels = count
            self.drop = torch.nn.Dropout1d(0.3)
            self.recurrent = torch.nn.LSTM(height * channels, UNITS, DEPTH, batch_first=True, bidirectional=True, dropout=0.3)
            self.last = torch.nn.Linear(2 * UNITS, SYMBOLS)

        def forward(self, features):
            image = features[:, None]
            for convolution, norm, pool in zip(self.convolutions, self.norms, POOLS):
                image = torch.nn.functional.max_pool2d(convolution(image), pool)
                image = torch.relu(norm(image.permute(0, 2, 3, 1)).permute(0, 3, 1, 2))
            states = image.permute(0, 2, 3, 1).flatten(2)
            states = self.drop(states.transpose(1, 2)).transpose(1, 2)
            return torch.log_softmax(self.last(self.recurrent(states)[0]), -1)

    network = Network()
    optimizer = torch.optim.AdamW(network.parameters(), 1e-3)
    features, ids = torch.rand(16, STEPS, HEIGHT), torch.randint(1, SYMBOLS, (16, CHARACTERS))
    frames, counts = torch.full((16,), STEPS // 4), torch.full((16,), CHARACTERS)

    def step():
        network.train()
        optimizer.zero_grad()
        loss = torch.nn.functional.ctc_loss(network(features).transpose(0, 1), ids, frames, counts)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    def case(name, batch):
        def forward():
            network.eval()
            with torch.no_grad():
                return network(features[:batch])

        return forward if name == "forward" else step

    return case


def whole():
    """Lines a second of the bundled pipeline, from PNG bytes to texts, on printed lines of about the mean width."""
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    import io

    from PIL import Image, ImageDraw, ImageFont

    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    import seqkit

    pipe, lines = seqkit.pipeline("handwriting-recognition"), []
    for place in range(64):
        picture, stream = Image.new("L", (1000, 64), 255), io.BytesIO()
        text = f"Ligne {place} du texte, longue de quarante-six signes"
        ImageDraw.Draw(picture).text((20, 12), text, 0, ImageFont.load_default(size=36))
        picture.save(stream, "PNG")
        lines.append(stream.getvalue())
    found = {}
    for batch in (1, 16):
        pipe(lines[:16], batch_size=batch)
        start = time.perf_counter()
        pipe(lines, batch_size=batch)
        found[batch] = len(lines) / (time.perf_counter() - start)
    return found


def worker(library):
    out = turns.answers()
    if library == "whole":
        print(json.dumps(whole()), file=out, flush=True)
    else:
        turns.work({"ours": ours, "torch": pytorch}[library](), out)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.worker:
        worker(arguments.worker)
        return
    processes = {library: turns.start(__file__, library) for library in ("ours", "torch")}
    print("| case | batch | ours, lines a second | PyTorch | ratio |")
    print("|---|---|---|---|---|")
    for name, batch in CASES:
        ours_, theirs, ratio = turns.compare(processes, [name, batch], 5, arguments.repeats)
        print(f"| {name} | {batch} | {batch / ours_:.1f} | {batch / theirs:.1f} | {ratio:.2f} |", flush=True)
    turns.stop(processes)
    found = json.loads(turns.start(__file__, "whole").communicate()[0])
    for batch, speed in found.items():
        print(f"| bytes to text, language model included | {batch} | {speed:.1f} | | |")


if __name__ == "__main__":
    main()
