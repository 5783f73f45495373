"""A pipeline: frontend, encoder and head together, with one path from raw input to typed answer.

Convention: `answer` is that path. Calling runs it, `evaluate` and early stopping measure it, `export` saves it. A
pipeline is its task, its config, its assets (what was learnt from text: a vocabulary) and its weights; `save` writes
these four and nothing else, so loading a stranger's directory runs nothing of theirs.
"""

import collections
import contextlib
import dataclasses
import functools
import hashlib
import itertools
import random

import keras
import tensorflow as tf

from seqkit.data.batches import prepare
from seqkit.data.manifests import read_examples
from seqkit.heads.alignment import margins
from seqkit.layers import portable
from seqkit.results import explain_words
from seqkit.serving import export, saved
from seqkit.serving.forks import check_process
from seqkit.serving.streaming import Streaming
from seqkit.serving.utterances import utterances
from seqkit.training import loop, objectives
from seqkit.training.model import SequenceModel

_TRACED = ("_answer", "_answer_asked", "_explain", "_embed", "_write", "_step", "_finish", "_streaming")  # for one model
_AHEAD = 256  # inputs of a list that are read before they are put into batches of like length


class Pipeline:
    """Args:
    task: `parts.Task`.
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
        features, lengths, *_ = self.frontend(self.frontend.collate(self.task.samples[:1]))
        with portable():
            model({"features": features, "lengths": lengths})

    def answer(self, batch, asked=None):
        """The answering path, in graph: dict of `frontend.signature` -> dict of the answer's fields, batched.

        `asked` is a dict of the head's `asks`, where something is asked for.
        """
        return self.decode(self._states(batch), asked)

    def _states(self, batch):
        return self.model.encoder.encode(self.frontend(batch))

    def decode(self, states, asked=None):
        """The last part of the answering path, in graph: a `Sequence` of states -> as `answer`."""
        more = {} if asked is None else {"asked": asked}
        if self.model.head.cites:
            more["texts"] = states.texts
        return self.model.head.decode(*states[:3], **more)

    def _explanation(self, batch):
        """The answering path again, with what the head says of each step, and the pieces of the text."""
        features = self.frontend(batch)
        states = self.model.encoder.encode(features)
        return {**self.model.head.explain(*states[:3]), "pieces": self.frontend.tokenizer.pieces(features.values)}

    @property
    def streams(self):
        """Whether its parts look only backwards, so that `stream` reads nothing twice."""
        self._check_built()
        return self.frontend.streams and self.model.encoder.streams and self.model.head.streams

    @functools.cached_property
    def _streaming(self):
        return Streaming(self.frontend, self.model.encoder, self.model.head)

    @functools.cached_property
    def _answer(self):
        return self._traced(self.answer)

    @functools.cached_property
    def _answer_asked(self):
        return self._traced(self.answer, self.model.head.asks)

    @functools.cached_property
    def _explain(self):
        return self._traced(self._explanation)

    @functools.cached_property
    def _embed(self):
        return self._traced(lambda batch: self.model.head.embed(*self._states(batch)[:3]))

    @functools.cached_property
    def _write(self):
        return tf.function(self.model.head.write, autograph=False, reduce_retracing=True)

    @functools.cached_property
    def _step(self):
        streaming = self._streaming
        step = tf.function(streaming.step, input_signature=[streaming.chunks, streaming.signature], autograph=False)
        return step.get_concrete_function()  # which looks at its many inputs once

    @functools.cached_property
    def _finish(self):
        streaming = self._streaming
        return tf.function(streaming.finish, input_signature=[streaming.signature], autograph=False)

    def _traced(self, function, *more):
        """A function of a batch, traced once for batches of any size."""
        return tf.function(function, input_signature=[self.frontend.signature, *more], autograph=False)

    @staticmethod
    def _run(program, *inputs):
        """Runs a traced function on collated batches: dicts of NumPy arrays."""
        return _arrays(program(*_tensors(inputs)))

    def __call__(self, inputs, batch_size=32, **wishes):
        """Answers one input, many of them, or a stream.

        Args:
            inputs: one raw input -> one answer; a list, a tuple, a deque or an array of texts -> a list; an iterator or
                generator -> a generator that reads `batch_size` inputs at a time.
            batch_size: int, inputs answered at once. Very long ones are answered in smaller batches. However long a list is,
                some hundred inputs are read at a time.
            **wishes: what the task's head may be asked for: `hot_words`, a dict of word -> boost, of one that spells.

        Returns:
            The task's answers, in the order of the inputs.

        Raises:
            ValueError: an input, or a wish, is of the wrong kind; the message says which.
            TypeError: the task has no such wish.
            RuntimeError: the pipeline has not been trained.
        """
        self._check_built()
        asked = self.model.head.asked(**wishes)
        if batch_size < 1:
            raise ValueError(f"batch_size must be at least 1; received {batch_size}.")
        if hasattr(inputs, "__next__"):
            return self._answers(inputs, batch_size, batch_size, asked)
        one = isinstance(inputs, tuple) and self.frontend.is_one(inputs)
        many = (isinstance(inputs, (list, tuple, collections.deque)) and not one) or _holds_texts(inputs)
        answers = list(self._answers(inputs if many else [inputs], batch_size, _AHEAD, asked))
        return answers if many else answers[0]

    def _answers(self, inputs, batch_size, ahead, asked):
        named = ((x, f"Item {place}") for place, x in enumerate(inputs))
        return self._answered((self.frontend.read(x, name) for x, name in named), batch_size, ahead, asked)

    def _answered(self, items, batch_size=32, ahead=_AHEAD, asked=None):
        """Yields the answers to inputs that were read, in their order; those to pieces of one are stitched."""
        begins, sources = collections.deque(), collections.deque()

        def pieces():
            for item in items:
                inputs, places = zip(*self.frontend.pieces(item))
                begins.append(places)
                sources.extend(inputs if self.model.head.cites else ())
                yield from inputs

        program, more = (self._answer, ()) if asked is None else (self._answer_asked, (asked,))
        rows = self._rows(
            pieces(),
            lambda batch: self._run(program, batch, *more),
            batch_size,
            ahead,
            watched=lambda: any(len(places) > 1 for places in begins),
        )
        if self.model.head.cites:
            rows = ({**row, "source": sources.popleft()} for row in rows)
        answers = (self.model.head.typed(**row) for row in rows)
        for first in answers:
            places = begins.popleft()
            several = [first, *itertools.islice(answers, len(places) - 1)]
            yield first if len(several) == 1 else self.model.head.stitched(several, places)

    def _rows(self, items, columns_of, batch_size=32, ahead=_AHEAD, watched=lambda: False):
        """Yields what a function of a batch gives for inputs that were read, in their order, as dicts of one row; so many are
        put into batches of like length. Where that takes long, by what `watched()` says, a terminal shows how far it is."""
        items = iter(items)
        while window := list(itertools.islice(items, ahead)):
            rows = [None] * len(window)
            batches = list(_by_length([self.frontend.size(item) for item in window], batch_size, self.frontend.largest))
            for places in _shown(batches) if watched() else batches:
                columns = columns_of(self.frontend.batch([window[place] for place in places]))
                for row, place in enumerate(places):
                    rows[place] = {name: column[row] for name, column in columns.items()}
            yield from rows

    def stream(self, chunks, endpoint=None):
        """Answers while the input is still arriving, such as a glyph while it is drawn.

        Args:
            chunks: iterable of parts of one input, in order.
            endpoint: seconds of silence that end an utterance, of speech to which parts are added for ever; see
                `serving.utterances`. None takes all for one.

        Returns:
            A generator: after each chunk, the answer to what has been read so far; and once they end, the whole input's answer.
            Where `streams` is true a chunk costs the same however much came before it, and what waits for more, such as a look
            ahead, is not read yet; elsewhere all that has come is read anew each time, for what comes may change how it is
            read. With an `endpoint` an answer is to the utterance that goes on, and once it is over, the final one comes.

        Raises:
            TypeError: inputs of this task do not come in parts, or it cannot tell utterances apart.
            ValueError: a chunk is of the wrong kind; the message says which.
        """
        self._check_built()
        self.task.needs(self.frontend.join, "inputs that come in parts: call it with the whole input")
        if endpoint is None:
            return self._carried(chunks) if self.streams else self._read_anew(chunks)
        self.task.needs(self.streams and self.frontend.rate, "utterances to tell apart: leave endpoint at None")
        parts = (self.frontend.part(chunk, f"Chunk {place}") for place, chunk in enumerate(chunks))
        return utterances(self._reading, parts, self.frontend.rate, endpoint)

    def _carried(self, chunks):
        read, finish = self._reading()
        place = -1
        for place, chunk in enumerate(chunks):
            yield read(self.frontend.part(chunk, f"Chunk {place}"))
        if place >= 0:
            yield finish()

    def _reading(self):
        """Two functions: of a part, which answers to what was read so far, and of nothing, which answers to all in the end."""
        state, before, row = self._streaming.start(1), None, None

        def read(part):
            nonlocal state, before, row
            columns, state = self._step(_tensors(self.frontend.gather([part])), state)
            before, row = row, self.model.head.joined(row, _first(_arrays(columns)))
            return self.model.head.unfinished(self.model.head.typed(**row))

        def finish():
            return self.model.head.typed(**self.model.head.joined(before, _first(_arrays(self._finish(state)))))

        return read, finish

    def _read_anew(self, chunks):
        come, answer = [], None
        for chunk in chunks:
            come.append(chunk)
            answer = self(self.frontend.join(come))
            yield self.model.head.unfinished(answer)
        if come:
            yield answer

    def stream_text(self, text):
        """Answers one input while the answer is being written, such as a translation.

        Args:
            text: a raw input.

        Returns:
            A generator of the answer's pieces, `str`, spaces included: together they are the answer of a beam of 1.

        Raises:
            ValueError: the input is of the wrong kind.
            TypeError: the task's answer is not written piece by piece.
        """
        self._check_built()
        self.task.needs(self.model.head.write, "answer that is written piece by piece: call it")
        return self._written(self.frontend.pieces(self.frontend.read(text, "Item 0")))

    def _written(self, pieces):
        for source, _ in pieces:
            states = self._states(_tensors(self.frontend.batch([source])))
            carried, first = self.model.head.begin(states.values, states.lengths, states.texts), True
            before, after = margins(source.decode()) if len(pieces) > 1 else ("", "")  # around sentences it stays
            yield from filter(None, [before])
            while True:
                piece, over, carried = self._write(carried, states.texts)
                if over.numpy()[0]:
                    break
                piece = piece.numpy()[0].decode()
                yield piece.removeprefix(" ") if first else piece
                first = False
            yield from filter(None, [after])

    def explain(self, text):
        """What the answer to one text rests on, word by word.

        Args:
            text: `str`.

        Returns:
            An `Explanation`; its `plot()` draws it.

        Raises:
            TypeError: the task's inputs have no words, or its head explains nothing.
        """
        self._check_built()
        self.task.needs(self.frontend.tokenizer and self.model.head.explain, "words to explain")
        columns = self._run(self._explain, self.frontend.collate([text]))
        pieces = [piece.decode() for piece in columns.pop("pieces")[0]]
        weights, evidence = columns.pop("weights")[0], columns.pop("evidence")[0]
        return explain_words(self.model.head.typed(**_first(columns)), pieces, weights, evidence)

    def score(self, examples, batch_size=32, columns=None):
        """How probable the model finds given answers.

        Args:
            examples, columns: `(input, target)` pairs, or as in `evaluate`.
            batch_size: int, pairs scored at once.

        Returns:
            List of float, the log probability of each target, in nats.

        Raises:
            ValueError: an example does not fit.
            TypeError: the task's head gives no probabilities.
        """
        self._check_built()
        self.task.needs(self.model.head.log_prob, "probabilities of given answers")
        examples = self._read(examples, columns)
        inputs, targets = self._held_out(examples)
        scores = [0.0] * len(inputs)
        for places in _by_length([self.frontend.size(item) for item in inputs], batch_size, self.frontend.largest):
            states = self._states(self.frontend.batch([inputs[place] for place in places]))
            batch = self.model.head.targets([targets[place] for place in places])
            outputs = self.model.head(states.values, states.lengths, targets=batch)
            for place, value in zip(places, self.model.head.log_prob(batch, outputs).numpy().tolist()):
                scores[place] = value
        return scores

    def learn(self, examples, columns=None):
        """Learns what must be known before there are weights, such as a vocabulary, and creates the weights.

        `fit` does so first; calling it before is of use to `pretrain`. A pipeline that has its assets keeps them.

        Args:
            examples, columns: as in `fit`.
        """
        if self.assets is None:
            self._become(self._learnt(self._read(examples, columns)))

    def _learnt(self, examples):
        """This pipeline with the assets that examples teach, as another one."""
        checked = [(x, y) for _, x, y in self._checked(examples)]
        return Pipeline(self.task, self.config, self.task.learn(self.config, checked))

    def _adapted(self, examples, vocabulary):
        """This pipeline for other labels or characters, as another one: the encoder as it is, of the head what both have."""
        self.task.needs(self.task.relearn, "labels or characters to go on with: leave vocabulary at 'keep'")
        other = Pipeline(self.task, *self.task.relearn(self.config, self.assets, examples, vocabulary))
        other.model.encoder.inherit(self.model.encoder)
        other.model.head.inherit(self.model.head)
        return other

    def enroll(self, label, inputs):
        """Learns a label by a few examples, without training: a voice, a sound. It is kept by `save`, and exported.

        Args:
            label: a new one; or a known one, which is learnt anew.
            inputs: list of raw inputs, its examples.

        Raises:
            ValueError: there are no inputs, one is of the wrong kind, or it is no label; the pipeline is as it was then.
            TypeError: the task learns no labels by examples alone.
        """
        self._check_built()
        self.task.needs(self.model.head.embed, "labels to enroll: call fit")
        if not isinstance(inputs, (list, tuple)) or not inputs:
            raise ValueError(f"Expected a list of examples of {label!r}; received {type(inputs).__name__} {inputs!r:.80}.")
        items = [self.frontend.read(x, f"Item {place}") for place, x in enumerate(inputs)]
        pieces = [piece for item in items for piece, _ in self.frontend.pieces(item)]
        embeddings = [row["embedding"] for row in self._rows(pieces, functools.partial(self._run, self._embed))]
        other = self._adapted([(None, label)], "union")
        other.model.head.enroll(self.task.check(other.config, label, "Label"), embeddings)
        self._become(other)

    def _become(self, other):
        self.config, self.assets, self.frontend, self.model = other.config, other.assets, other.frontend, other.model
        for name in _TRACED:
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
        self.task.needs(self.task.pretraining_head, "pretraining: call fit")
        options = self._options(options)
        with _seeded(options.seed):
            model = SequenceModel(self.model.encoder, self.task.pretraining_head(self.config, self.model.encoder))
            self._create(model)
        items = (self.frontend.read(x, f"Input {place}") for place, x in enumerate(inputs))
        corpus = prepare(self.frontend.learning(), ((item, None) for item in items), crop=options.crop)
        return loop.fit(
            model, corpus, options, objectives.one_view(model), directory=directory, identity=self._identity(), verbose=verbose
        )[0]

    def fit(self, examples, validation=None, directory=None, verbose=True, vocabulary="keep", columns=None, **options):
        """Trains on labelled examples.

        Args:
            examples: a manifest's path, `(input, target)` pairs, or a `tf.data.Dataset` of such pairs; see
                `manifests.read_examples`.
            validation: the like, held out. It is measured after each epoch, the best epoch's weights are kept, and
                the head is calibrated on it.
            directory: where checkpoints and logs go. The same call again goes on from the last checkpoint.
            verbose: show a progress bar.
            vocabulary: for a trained pipeline: "keep" its labels or characters, and refuse examples with others; "union"
                adds those of the examples; "new" has only theirs. What it has learnt of those that stay, and its encoder, stay.
            columns: dict of a column's name here -> its name in the manifest, such as `{"text": "review"}`.
            **options: `epochs`, `batch_steps`, `learning_rate` and the other fields of `loop.Options`. With
                `watch_gradients`, `self.gradients` is a list of `Gradients` afterwards, which `plot()`.

        Returns:
            The history: a list with one dict an epoch.

        Raises:
            ValueError: an example, an option or the directory does not fit; nothing has been trained then, and the pipeline is
                as it was.
        """
        check_process()
        options = self._options(options)
        if vocabulary not in ("keep", "union", "new"):
            raise ValueError(f"vocabulary must be 'keep', 'union' or 'new'; received {vocabulary!r}.")
        examples = self._read(examples, columns)
        validation = None if validation is None else self._read(validation, columns)
        pipe = self  # another one takes its place once all examples are found to fit
        if self.assets is None:
            pipe = self._learnt(examples)
        elif vocabulary != "keep":
            pipe = self._adapted(examples, vocabulary)
        objective = pipe._objective(options)
        corpus = pipe._prepared(examples, options)
        held_out = None if validation is None else pipe._held_out(validation)
        if pipe is not self:
            self._become(pipe)
        history, self.gradients = loop.fit(
            self.model,
            corpus,
            options,
            objective,
            evaluate=None if held_out is None else lambda: self._evaluated(*held_out),
            directory=directory,
            identity=self._identity(),
            verbose=verbose,
        )
        if held_out is not None:
            inputs, references = held_out
            self.model.head.calibrate(list(self._answered(inputs)), references)
        return history

    def _objective(self, options):
        if options.watch_gradients and self.frontend.plain:
            raise ValueError(f"watch_gradients is not for {self.task.name} yet, whose features are made while training.")
        augment = self.task.augment(self.config) if self.task.augment else self.frontend.plain
        if not options.agreement:
            return objectives.one_view(self.model, augment)
        if self.model.head.disagreement is None:
            raise ValueError(
                f"agreement is for readers of text; {self.task.name} has a {type(self.model.head).__name__}. Leave it at 0."
            )
        return objectives.two_views(self.model, augment, options.agreement)

    def _prepared(self, examples, options):
        """Examples as a `batches.Corpus`, each of them checked."""
        targets, names = [], []

        def read():
            for name, x, y in self._checked(examples):
                names.append(name)
                targets.append(y)
                yield self.frontend.read(x, name), y

        corpus = prepare(self.frontend.learning(), read(), self.model.head, options.crop)
        for name, target, row in zip(names, targets, corpus.rows):
            self.model.head.check(target, name, self.model.encoder.frames(len(row)))
        return corpus

    def _held_out(self, examples):
        """Labelled examples -> list of inputs that were read, list of references."""
        pairs = [(self.frontend.read(x, name), y) for name, x, y in self._checked(examples)]
        return [x for x, _ in pairs], [y for _, y in pairs]

    def _evaluated(self, inputs, references, batch_size=32):
        return self.model.head.evaluate(list(self._answered(inputs, batch_size)), references)

    def evaluate(self, examples, batch_size=32, columns=None):
        """Answers labelled examples and scores the answers: a dict of the task's metrics, by name."""
        examples = self._read(examples, columns)
        self._check_built()
        names = map(examples.name_of, range(len(examples)))
        references = [self.task.check(self.config, y, name) for y, name in zip(examples.targets, names)]
        inputs = (self.frontend.read(x, examples.name_of(place)) for place, (x, _) in enumerate(examples))
        return self._evaluated(inputs, references, batch_size)

    def export(self, directory):
        """Writes a SavedModel that answers as this pipeline does, and checks that it does: see `export.export`.

        Where the pipeline `streams`, it has three signatures more, with which a client streams and the server keeps nothing:
        `stream_start(count)` gives the state of so many streams, `stream_step` takes a batch of what came, with the state, and
        gives the answer so far, with the next state, and `stream_finish` takes the state alone and gives the answer to all.
        """
        signatures = self.signatures(self.answer)
        if self.streams:
            parts = [self.frontend.part(sample, "Sample") for sample in self.task.samples]
            signatures |= self._streaming.signatures(self.frontend.gather(parts))
        return export.export(self.model, self.frontend, signatures, directory)

    def signatures(self, answer):
        """An answer to its inputs, in each of the ways in, as `export.export` takes them: a function of a batch, in graph."""
        self._check_built()
        batch = self.frontend.collate(self.task.samples)
        batches = {"serving_default": batch, **self.frontend.otherwise(batch)}
        forms = {"serving_default": self.frontend.signature, **self.frontend.more}
        return {name: (answer, form, batches[name]) for name, form in forms.items()}

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
        saved.write(directory, self.task.name, config, self.assets, self.model.save_weights, card, half, room)

    def _read(self, examples, columns=None):
        """Examples of any form as `Examples`."""
        (name,) = self.task.inputs
        usual = self.task.usual(self.config) if self.task.usual else None
        return read_examples(examples, name, self.task.target, columns, usual)

    def _checked(self, examples):
        """Yields `(name, input, target)`, the target as the head learns it, or refuses the example by its name."""
        for place, (x, y) in enumerate(examples):
            name = examples.name_of(place)
            yield name, x, self.task.check(self.config, y, name)

    def _options(self, options):
        known = [field.name for field in dataclasses.fields(loop.Options)]
        unknown = sorted(set(options) - set(known))
        if unknown:
            raise ValueError(f"There is no option {unknown[0]!r}; expected some of {known}.")
        return loop.Options(**{"seed": self.config.seed, **options})

    def _identity(self):
        assets = {name: hashlib.sha256(content).hexdigest() for name, content in self.assets.items()}
        return {"task": self.task.name, "config": dataclasses.asdict(self.config), "assets": assets}

    def _check_built(self, first="fit(examples)"):
        check_process()
        if self.assets is None:
            raise RuntimeError(f"This {self.task.name} pipeline is not trained yet: call {first} first.")


def _holds_texts(inputs):
    """Whether it is an array, or a column of a table, of strings or other objects: one of numbers is one input."""
    return getattr(getattr(inputs, "dtype", None), "kind", None) in ("O", "S", "U", "T") and getattr(inputs, "ndim", 0) == 1


def _shown(batches):
    """The batches, and a progress bar while they are gone through, on a terminal."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    return track(batches, "Reading", console=console, transient=True, disable=not console.is_terminal)


def _tensors(arrays):
    return tf.nest.map_structure(tf.constant, arrays)


def _arrays(tensors):
    return tf.nest.map_structure(lambda tensor: tensor.numpy(), tensors)


def _first(columns):
    return {name: column[0] for name, column in columns.items()}


def _by_length(sizes, batch_size, largest):
    """Groups places into batches of like size, none of which is larger when padded, unless it is one item."""
    batch = []
    for place in sorted(range(len(sizes)), key=sizes.__getitem__):
        # Sizes grow, so the newcomer's is the one that all of the batch is padded to.
        if batch and (len(batch) == batch_size or (len(batch) + 1) * sizes[place] > largest):
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
