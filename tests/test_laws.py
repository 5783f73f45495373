"""The laws that every task obeys (CONTRIBUTING.md): each test holds for each case of `cases.py`."""

import dataclasses
import itertools
import json
import os
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkit
from seqkit import lengths
from seqkit.parts import Sequence
from seqkit.serving import export


def numbers(value):
    """The real numbers of an answer, in one list."""
    if isinstance(value, float):
        return [value]
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        value = list(value.values())
    return [number for part in value for number in numbers(part)] if isinstance(value, (list, tuple)) else []


def words(value):
    """What an answer says but for its real numbers, in its order."""
    if dataclasses.is_dataclass(value):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return [(name, words(part)) for name, part in value.items()]
    if isinstance(value, (list, tuple)):
        return [words(part) for part in value]
    return "number" if isinstance(value, float) else value


def assert_same(answers, others, within=1e-5):
    """Whole answers are the same: each word and the order of all, and each number so nearly, large ones by their size."""
    assert len(answers) == len(others)
    for answer, other in zip(answers, others):
        assert words(answer) == words(other)
        for one, two in zip(numbers(answer), numbers(other)):
            assert abs(one - two) <= within * max(1, abs(one)), (answer, other)


def batch_of(pipe, inputs):
    return {name: tf.constant(value) for name, value in pipe.frontend.collate(inputs).items()}


def weights_of(pipe):
    return [weight.numpy() for weight in pipe.model.weights]


def neighbours_do_not_matter(case, pipe):
    alone = [pipe(item) for item in case.inputs]
    assert_same(alone, pipe(case.inputs, batch_size=len(case.inputs)))
    for partner in case.inputs[1:]:  # partners of odd and of even length
        assert_same(alone[:1], [pipe([case.inputs[0], partner])[0]])


def test_1_neighbours_do_not_matter(case):
    neighbours_do_not_matter(case, case.pipe)


def padding_does_not_matter(case, pipe):
    features = pipe.frontend(batch_of(pipe, case.inputs))
    present = [value for value in features if value is not None]
    forms = [tf.TensorSpec((None, None, *value.shape[2:])[: value.shape.rank], value.dtype) for value in present]

    @tf.function(input_signature=forms, autograph=False)  # traced once, as for a call
    def answer(*fields):
        return pipe.decode(pipe.model.encoder.encode(Sequence(*fields)))

    whole = answer(*present)
    for extra in (1, 2, 9):
        more = Sequence(
            tf.pad(features.values, [[0, 0], [0, extra]] + [[0, 0]] * (len(features.values.shape) - 2)),
            features.lengths,
            tf.pad(features.spans, [[0, 0], [0, extra], [0, 0]], constant_values=99.0),
            None if features.texts is None else tf.pad(features.texts, [[0, 0], [0, extra]], constant_values="padding"),
        )
        for name, value in answer(*(value for value in more if value is not None)).items():
            if value.dtype == tf.string:
                assert value.numpy().tolist() == whole[name].numpy().tolist()
            else:
                np.testing.assert_allclose(value, whole[name], rtol=1e-6, atol=1e-5)


def test_2_padding_does_not_matter(case):
    padding_does_not_matter(case, case.pipe)


SERVE = """
import json, pathlib, sys
import tensorflow as tf, tensorflow_text
for line in sys.stdin:
    model, questions = json.loads(line)
    serve = tf.saved_model.load(model).signatures["serving_default"]
    forms = serve.structured_input_signature[1]
    inputs = {n: tf.io.parse_tensor((pathlib.Path(questions) / n).read_bytes(), form.dtype) for n, form in forms.items()}
    out = {name: value.numpy().tolist() for name, value in serve(**inputs).items()}
    assert "seqkit" not in sys.modules
    print(json.dumps(out, default=lambda value: value.decode()), flush=True)
"""


@pytest.fixture(scope="module")
def server():
    """A process without seqkit that serves exports: a function of an export and of a directory with a batch of its inputs."""
    command = [sys.executable, "-I", "-W", "ignore", "-c", SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.sep) as process:

        def ask(model, questions):
            print(json.dumps([str(model), str(questions)]), file=process.stdin, flush=True)
            return json.loads(process.stdout.readline())

        yield ask


def as_numpy(value):
    """What JSON brings back of one row, as TensorFlow gives it: strings are bytes."""
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, list) and value and isinstance(value[0], str):
        return np.array([text.encode() for text in value], object)
    return np.array(value)


def test_3_what_is_exported_is_what_is_called(case, exported, server, tmp_path):
    # A second route to what `export` checks by itself: another program, other inputs, each field against the call.
    inputs = [*case.inputs, *case.edges]
    for name, value in case.pipe.frontend.collate(inputs).items():
        (tmp_path / name).write_bytes(tf.io.serialize_tensor(tf.constant(value)).numpy())
    served = server(exported(case), tmp_path)
    assert set(served) == set(case.pipe.answer(batch_of(case.pipe, inputs)))
    head = case.pipe.model.head
    for row, answer in enumerate(case.pipe(inputs)):
        more = {"source": case.pipe.frontend.read(inputs[row], "Item")} if head.cites else {}
        found = head.typed(**{name: as_numpy(value[row]) for name, value in served.items()}, **more)
        assert_same([found], [answer])
        assert case.answered(found) == case.answered(answer)


def test_3_an_export_holds_only_what_a_plain_server_runs(case, exported):
    found = [node.op for node in export.operations(exported(case))]
    assert len(found) > 100  # it did look inside the functions
    assert not [op for op in found if "Cudnn" in op or "PyFunc" in op or "Xla" in op]
    graph = (exported(case) / "saved_model.pb").read_bytes()
    for path in (os.path.dirname(seqkit.__file__), os.path.expanduser("~"), sys.prefix):
        assert path.encode() not in graph


def test_4_saved_and_loaded_it_answers_the_same_to_the_bit(case, tmp_path):
    case.pipe.save(tmp_path / "saved")
    loaded = seqkit.pipeline(tmp_path / "saved")
    for one, other in zip(weights_of(case.pipe), weights_of(loaded)):
        np.testing.assert_array_equal(one, other)
    assert loaded(case.inputs) == case.pipe(case.inputs)
    assert loaded.config == case.pipe.config


def test_5_it_learns(case):
    (first, one), (second, other) = case.examples[0], case.examples[-1]
    assert one != other
    pipe = case.build()
    pipe.fit(
        [(first, one), (second, other)], epochs=case.epochs, batch_steps=case.batch_steps, learning_rate=2e-2, verbose=False
    )
    if getattr(pipe.model.head, "votes", 0):
        pipe.model.head.votes = 1e-9  # what the network has learnt, without what was counted
    assert [case.answered(answer) for answer in pipe([first, second])] == [one, other]


def test_6_the_same_seed_gives_the_same_weights(case):
    first = case.pipe
    keras.utils.set_random_seed(1234)  # whatever else the program has drawn
    second = case.train()
    for one, other in zip(weights_of(first), weights_of(second)):
        np.testing.assert_array_equal(one, other)
    other_seed = case.build(seed=1)
    other_seed.fit(case.examples, verbose=False, epochs=2, batch_steps=case.batch_steps, learning_rate=5e-3)
    assert not all(np.array_equal(a, b) for a, b in zip(weights_of(first), weights_of(other_seed)))


def test_7_edges_get_an_answer(case):
    for item in case.edges:
        answer = case.pipe(item)
        assert np.isfinite(numbers(answer)).all() and 0 <= answer.score <= 1 + 1e-6
    assert_same(case.pipe(case.edges), [case.pipe(item) for item in case.edges])


def test_7_none_and_one(case):
    assert case.pipe([]) == []
    assert list(case.pipe(iter([]))) == []
    (only,) = case.pipe(case.inputs[:1])
    assert only == case.pipe(case.inputs[0])


def test_7_a_stream_answers_in_order_as_a_list_does(case):
    inputs = case.inputs * 5
    stream = case.pipe((item for item in inputs), batch_size=3)
    assert iter(stream) is stream
    assert_same(list(stream), case.pipe(inputs))


def test_8_bad_input_is_refused_by_name(case):
    for item, message in case.refused:
        with pytest.raises(ValueError, match=message):
            case.pipe(item)
        with pytest.raises(ValueError, match=message.replace("Item 0", "Item 1")):
            case.pipe([case.inputs[0], item])


def test_8_a_bad_target_is_refused_before_training(case):
    pipe = case.build()
    bad = [*case.examples, (case.inputs[0], case.bad_target)]
    with pytest.raises(ValueError, match=f"Example {len(case.examples)}.*{case.bad_target}"):
        pipe.fit(bad)
    with pytest.raises(ValueError, match=case.bad_target):
        case.pipe.evaluate(bad)


def test_8_an_untrained_pipeline_says_so(case):
    for use in (lambda pipe: pipe(case.inputs), lambda pipe: pipe.save("x"), lambda pipe: pipe.export("x")):
        with pytest.raises(RuntimeError, match="not trained yet: call fit"):
            use(case.build())


def parts_of(item, size):
    return [item[start : start + size] for start in range(0, len(item), size)]


@pytest.mark.parametrize("place", [0, 1, 2])
def test_9_a_stream_of_parts_ends_with_the_answer_to_the_whole(case, place):
    size = case.parts[place]
    if not case.pipe.frontend.join:
        with pytest.raises(TypeError, match=f"{case.name} pipeline has no inputs that come in parts"):
            case.pipe.stream([])
        return
    for item in case.inputs:
        parts = parts_of(item, size)
        *so_far, answer = case.pipe.stream(iter(parts))
        assert len(so_far) == len(parts)
        assert_same([answer], [case.pipe(item)])
        if not case.pipe.streams:  # nothing waits for what comes
            assert case.answered(so_far[0]) == case.answered(case.pipe(parts[0]))


def test_9_streams_do_not_touch_each_other(case):
    if not case.pipe.frontend.join:
        return
    inputs = case.inputs[:3]
    streams = [case.pipe.stream(parts_of(item, case.parts[1])) for item in inputs]
    lasts = [None] * len(inputs)
    for answers in itertools.zip_longest(*streams):
        lasts = [answer or last for answer, last in zip(answers, lasts)]
    assert_same(lasts, case.pipe(inputs))


@pytest.fixture(scope="module")
def after_an_epoch():
    """Each case after one epoch, trained once: a function of the case. Laws that use it change nothing."""
    made = {}

    def pipe(case):
        if case.id not in made:
            made[case.id] = case.train(epochs=1)
        return made[case.id]

    return pipe


def same(weights, others):
    return all(np.array_equal(one, other) for one, other in zip(weights, others))


def test_10_fit_varies_what_it_shows_where_the_task_says_so(case, after_an_epoch):
    task = case.pipe.task
    if task.augment is None:
        return  # it shows examples as they are, to the same weights each time: law 6
    pipe = case.build()
    pipe.task = dataclasses.replace(task, augment=None)
    pipe.fit(case.examples, verbose=False, epochs=1, batch_steps=case.batch_steps, learning_rate=5e-3)
    assert not same(weights_of(pipe), weights_of(after_an_epoch(case)))


def test_10_fit_measures_and_calibrates_on_what_is_held_out(case, after_an_epoch):
    turned = case.examples[1:] + case.examples[:1]
    wrong = [(x, y) for (x, own), (_, y) in zip(case.examples, turned) if own != y]
    pipe = case.build()
    plain = after_an_epoch(case)
    options = {"epochs": 1, "batch_steps": case.batch_steps, "learning_rate": 5e-3, "verbose": False}
    (line,) = pipe.fit(case.examples, validation=wrong, **options)
    metric = pipe.model.head.monitor
    assert line[metric] == pipe.evaluate(wrong)[metric]
    other = pipe.evaluate([pair for pair in case.examples if pair[1] == wrong[0][1]])
    assert any(line[name] != other[name] for name in other if name != "calibration_error")  # which calibrating has changed
    # The same weights, but for those that say what a score means.
    held, not_held = pipe.model.head.non_trainable_variables, plain.model.head.non_trainable_variables
    for one, other in zip(pipe.model.trainable_variables, plain.model.trainable_variables):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    assert not same([v.numpy() for v in held], [v.numpy() for v in not_held])


def test_10_a_label_has_its_own_score(case):
    if not hasattr(case.pipe(case.inputs[0]), "scores"):
        return
    pipe, config = case.pipe, case.pipe.config
    labels = (*config.labels, "unknown") if getattr(config, "unknown", False) else config.labels
    features, lengths, *_ = pipe.frontend(batch_of(pipe, case.inputs))
    logits = tf.nn.log_softmax(pipe.model({"features": features, "lengths": lengths})["logits"]).numpy()
    for row, answer in zip(logits, pipe(case.inputs)):
        by_logits = [labels[place] for place in row.reshape(-1, len(labels)).mean(0).argsort()]
        assert list(answer.scores) == list(labels)
        assert sorted(labels, key=answer.scores.get) == by_logits and answer.label == by_logits[-1]
        assert answer.score == max(answer.scores.values())


def blind(wanted, steps):
    return tf.ones([tf.shape(wanted)[0], steps], tf.bool)


def test_the_laws_of_padding_can_fail(case, copied, monkeypatch):
    # Without the mask padding counts as input, and both laws must notice. A pipeline of its own, traced while broken.
    broken = copied(case)
    monkeypatch.setattr(lengths, "mask", blind)
    for law in (neighbours_do_not_matter, padding_does_not_matter):
        with pytest.raises(AssertionError):
            law(case, broken)
