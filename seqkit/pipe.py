"""A pipeline: frontend, encoder and head together, with one path from raw input to typed answer.

Convention: `answer` is that path. Calling runs it, `evaluate` and early stopping measure it, `export` saves it. A
pipeline is its task, its config, its assets (what was learnt from text: a vocabulary) and its weights; `save` writes
these four and nothing else, so loading a stranger's directory runs nothing of theirs.
"""

import contextlib
import dataclasses
import functools
import hashlib
import random

import keras
import tensorflow as tf

from seqkit.data.manifests import read_examples
from seqkit.layers import portable
from seqkit.results import explain_words
from seqkit.serving import export, saved
from seqkit.serving.forks import check_process
from seqkit.training import loop
from seqkit.training.model import SequenceModel

_LARGEST_BATCH = 1 << 19  # size of a padded batch, in the frontend's units: bounds the memory a call takes


class Pipeline:
    """Args:
    task: a module of `seqkit.tasks`.
    config: its `Config`.
    assets: dict of file name -> bytes that the task learnt from examples; None for a pipeline yet to be fitted.
    """

    def __init__(self, task, config, assets=None):
        if keras.backend.backend() != "tensorflow":
            raise RuntimeError(
                f"Pipelines run on TensorFlow; Keras is set to {keras.backend.backend()!r}. "
                "Set the environment variable KERAS_BACKEND=tensorflow before importing keras."
            )
        self.task, self.config, self.assets, self.gradients = task, config, None, None
        if assets is not None:
            self._build(assets)

    def _build(self, assets):
        check_process()
        with _seeded(self.config.seed):
            self.frontend, encoder, head = self.task.build(self.config, assets)
            self.model = SequenceModel(encoder, head)
            self._create(self.model)
        self.assets = assets

    def _create(self, model):
        """Creates the weights of a model by calling it once, without compiling anything for it."""
        features, lengths = self.frontend(self.frontend.collate(self.task.SAMPLES[:1]))
        with portable():
            model({"features": features, "lengths": lengths})

    def answer(self, batch):
        """The answering path, in graph: dict of `frontend.signature` -> dict of the answer's fields, batched."""
        if not hasattr(self.frontend, "placed"):
            return self._decoded(*self.frontend(batch))
        features, lengths, starts, widths = self.frontend.placed(batch)
        answer = self._decoded(features, lengths)
        for side in {"left", "right"} & set(answer):  # from steps to where they lie on the input
            answer[side] = starts[:, None] + widths[:, None] * answer[side]
        return answer

    def _decoded(self, features, lengths):
        states, lengths = self.model.encoder(features, lengths, training=False)
        return self.model.head.decode(states, lengths)

    def _explanation(self, batch):
        """The answering path again, with what the head says of each step, and the pieces of the text."""
        features, lengths = self.frontend(batch)
        states, lengths = self.model.encoder(features, lengths, training=False)
        return {**self.model.head.explain(states, lengths), "pieces": self.frontend.tokenizer.pieces(features)}

    @functools.cached_property
    def _answer(self):
        return self._traced(self.answer)

    @functools.cached_property
    def _explain(self):
        return self._traced(self._explanation)

    def _traced(self, function):
        """A function of a batch, traced once for batches of any size."""
        traced = tf.function(function, input_signature=[self.frontend.signature], autograph=False)
        return traced.get_concrete_function()

    @staticmethod
    def _run(program, batch):
        """Runs a traced function on a collated batch: dict of NumPy arrays."""
        found = program({name: tf.constant(value) for name, value in batch.items()})
        return {name: value.numpy() for name, value in found.items()}

    def __call__(self, inputs, batch_size=32):
        """Answers one input, a list of them, or a stream.

        Args:
            inputs: one raw input -> one answer; a list or tuple -> a list; an iterator or generator -> a generator
                that reads `batch_size` inputs at a time.
            batch_size: int, inputs answered at once. Very long ones are answered in smaller batches.

        Returns:
            The task's answers, in the order of the inputs.

        Raises:
            ValueError: an input is of the wrong kind; the message says which.
            RuntimeError: the pipeline has not been trained.
        """
        self._check_built()
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; received {batch_size}.")
        if hasattr(inputs, "__next__"):
            return self._stream_of(inputs, batch_size)
        if isinstance(inputs, (list, tuple)):
            return self._many(inputs, batch_size)
        return self._many([inputs], 1)[0]

    def stream(self, chunks):
        """Answers while the input is still arriving, such as a glyph while it is drawn.

        Args:
            chunks: iterable of parts of one input, in order.

        Returns:
            A generator: after each chunk, the answer to all that has come. The last is the whole input's answer. What
            has come is read anew each time, for what comes may change how it is read.

        Raises:
            TypeError: inputs of this task do not come in parts.
            ValueError: a chunk is of the wrong kind; the message says which.
        """
        self._check_built()
        self._check_has(self.frontend, "join", "inputs that come in parts: call it with the whole input")
        return self._as_it_comes(chunks)

    def _as_it_comes(self, chunks):
        come = []
        for chunk in chunks:
            come.append(chunk)
            yield self(self.frontend.join(come))

    def explain(self, text):
        """What the answer to one text rests on, word by word.

        Args:
            text: `str`.

        Returns:
            An `Explanation`; its `plot()` draws it.

        Raises:
            TypeError: the task's inputs have no words.
        """
        self._check_built()
        self._check_has(self.frontend, "tokenizer", "words to explain")
        found = {name: value[0] for name, value in self._run(self._explain, self.frontend.collate([text])).items()}
        pieces = [piece.decode() for piece in found.pop("pieces")]
        weights, evidence = found.pop("weights"), found.pop("evidence")
        return explain_words(self.model.head.typed(**found), pieces, weights, evidence)

    def _stream_of(self, inputs, batch_size):
        waiting = []
        for item in inputs:
            waiting.append(item)
            if len(waiting) == batch_size:
                yield from self._many(waiting, batch_size)
                waiting = []
        yield from self._many(waiting, batch_size)

    def _many(self, items, batch_size):
        batch = self.frontend.collate(items)  # all at once: bad ones are refused by their place in what the caller gave
        answers = [None] * len(items)
        for places in _by_length(self.frontend.sizes(batch), batch_size):
            columns = self._run(self._answer, {name: value[places] for name, value in batch.items()})
            for row, place in enumerate(places):
                answers[place] = self.model.head.typed(**{name: column[row] for name, column in columns.items()})
        return answers

    def learn(self, examples):
        """Learns what must be known before there are weights, such as a vocabulary, and creates the weights.

        `fit` does so first; calling it before is of use to `pretrain`. A pipeline that has its assets keeps them.

        Args:
            examples: as in `fit`.
        """
        if self.assets is None:
            examples = self._read(examples)
            self.task.check(self.config, [y for _, y in examples])
            self._build(self.task.learn(self.config, examples))

    def _adapt(self, assets):
        """Goes on with other assets: the encoder stays as it is, and of the head what both have."""
        before = self.model
        self._build(assets)
        for weight, source in zip(self.model.encoder.weights, before.encoder.weights):
            weight.assign(source)
        self.model.head.inherit(before.head)
        for name in ("_answer", "_explain"):  # traced with what was there before
            self.__dict__.pop(name, None)

    def pretrain(self, inputs, directory=None, verbose=True, **options):
        """Teaches the encoder the language of unlabelled inputs, before `fit`.

        Args:
            inputs: iterable of raw inputs; all are held in memory.
            directory, verbose, **options: as in `fit`.

        Returns:
            The history: a list with one dict an epoch.
        """
        self._check_built("learn(examples)")
        self._check_has(self.task, "pretraining_head", "pretraining: call fit")
        options = self._options(options)
        with _seeded(options.seed):
            model = SequenceModel(self.model.encoder, self.task.pretraining_head(self.config, self.model.encoder))
            self._create(model)
        examples = [(x, None) for x in inputs]
        return loop.fit(
            model, self.frontend, examples, options, directory=directory, identity=self._identity(), verbose=verbose
        )

    def fit(
        self,
        examples,
        validation=None,
        directory=None,
        verbose=True,
        watch_gradients=False,
        alphabet="keep",
        freeze=None,
        **options,
    ):
        """Trains on labelled examples.

        Args:
            examples: a manifest's path, `(input, target)` pairs, or a `tf.data.Dataset` of such pairs; see
                `manifests.read_examples`.
            validation: the like, held out. It is measured after each epoch, the best epoch's weights are kept, and
                the head is calibrated on it.
            directory: where checkpoints and logs go. The same call again goes on from the last checkpoint.
            verbose: show a progress bar.
            watch_gradients: measure gradients on the first batch of each epoch, and warn where they vanish or explode:
                afterwards `self.gradients` is a list of `Gradients`, which `plot()`. The training stays the same.
            alphabet: for a trained pipeline that spells its answers: "keep" its characters, and refuse examples with
                others; "union" adds those of the examples; "new" has only theirs. What it has learnt of a character stays.
            freeze: "encoder" trains the head alone.
            **options: `epochs`, `batch_steps`, `learning_rate` and the other fields of `loop.Options`.

        Returns:
            The history: a list with one dict an epoch.

        Raises:
            ValueError: an example, an option or the directory does not fit; nothing has been trained then.
        """
        check_process()
        options = self._options(options)
        examples = self._read(examples)
        validation = None if validation is None else self._read(validation)
        if freeze not in (None, "encoder"):
            raise ValueError(f"freeze must be 'encoder' or None; received {freeze!r}.")
        if alphabet not in ("keep", "union", "new"):
            raise ValueError(f"alphabet must be 'keep', 'union' or 'new'; received {alphabet!r}.")
        if self.assets is None or alphabet == "keep":
            self.learn(examples)
        else:
            self._check_has(self.task, "adapt", "alphabet")
            self.task.check(self.config, [y for _, y in examples])
            self._adapt(self.task.adapt(self.config, self.assets, examples, alphabet))
        for pairs in (examples, validation or ()):
            self.frontend.collate([x for x, _ in pairs])
            self.task.check(self.config, [y for _, y in pairs])
        if hasattr(self.model.head, "check"):
            self.model.head.check([y for _, y in examples])
        self.gradients = [] if watch_gradients else None
        self.model.encoder.trainable = freeze is None
        try:
            history = loop.fit(
                self.model,
                self.frontend,
                examples,
                options,
                evaluate=None if validation is None else lambda: self.evaluate(validation),
                augment=self.task.augmentation(self.config) if hasattr(self.task, "augmentation") else None,
                directory=directory,
                identity={**self._identity(), "freeze": freeze},
                verbose=verbose,
                watch=self.gradients,
            )
        finally:
            self.model.encoder.trainable = True
        if validation is not None:
            self.model.head.calibrate(self([x for x, _ in validation]), [y for _, y in validation])
        return history

    def evaluate(self, examples, batch_size=32):
        """Answers labelled examples and scores the answers: a dict of the task's metrics, by name."""
        pairs = self._read(examples)
        truths = [y for _, y in pairs]
        self._check_built()
        self.task.check(self.config, truths)
        return self.model.head.evaluate(self([x for x, _ in pairs], batch_size), truths)

    def export(self, directory):
        """Writes a SavedModel that answers as this pipeline does, and checks that it does: see `export.export`."""
        self._check_built()
        forms = getattr(self.frontend, "signatures", {"serving_default": self.frontend.signature})
        batches = {"serving_default": self.frontend.collate(list(self.task.SAMPLES))}
        if hasattr(self.frontend, "otherwise"):
            batches |= self.frontend.otherwise(batches["serving_default"])
        signatures = {name: (self.answer, form, batches[name]) for name, form in forms.items()}
        return export.export(self.model, self.frontend, signatures, directory)

    def save(self, directory, card="", half=False):
        """Writes the pipeline as a directory that `seqkit.pipeline(directory)` loads.

        Args:
            directory: replaced if it holds a pipeline already; anything else there is refused.
            card: text of `CARD.md`: what the model was trained on, and how well it does.
            half: store weights in half the space, rounded to float16. Load it again to answer with what was stored.
        """
        self._check_built()
        config = dataclasses.asdict(self.config)
        room = sum(weight.numpy().nbytes + 4096 for weight in self.model.weights)
        saved.write(directory, self.task.NAME, config, self.assets, self.model.save_weights, card, half, room)

    def _read(self, examples):
        (name,) = self.task.INPUTS
        return read_examples(examples, name, self.task.TARGET)

    def _options(self, options):
        known = [field.name for field in dataclasses.fields(loop.Options)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"There is no option {unknown[0]!r}; expected some of {known}.")
        return loop.Options(**{"seed": self.config.seed, **options})

    def _identity(self):
        assets = {name: hashlib.sha256(content).hexdigest() for name, content in self.assets.items()}
        return {"task": self.task.NAME, "config": dataclasses.asdict(self.config), "assets": assets}

    def _check_has(self, part, name, what):
        if not hasattr(part, name):
            raise TypeError(f"A {self.task.NAME} pipeline has no {what}.")

    def _check_built(self, first="fit(examples)"):
        check_process()
        if self.assets is None:
            raise RuntimeError(f"This {self.task.NAME} pipeline is not trained yet: call {first} first.")


def _by_length(sizes, batch_size):
    """Groups places into batches of like size, none larger than the memory bound allows unless it is one item."""
    batch = []
    for place in sorted(range(len(sizes)), key=sizes.__getitem__):
        # Sizes grow, so the newcomer's is the one that all of the batch is padded to.
        if batch and (len(batch) == batch_size or (len(batch) + 1) * sizes[place] > _LARGEST_BATCH):
            yield batch
            batch = []
        batch.append(place)
    if batch:
        yield batch


@contextlib.contextmanager
def _seeded(seed):
    """Makes weights follow from `seed`. Keras draws the seeds of its initializers from Python's generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
