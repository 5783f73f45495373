"""Batches: which examples are in them, what they are padded to, and what they hold."""

import itertools

import numpy as np
import pytest

from seqkit.data.batches import Corpus, order, sizes_of


def test_batches_are_padded_to_the_sizes_that_pad_least():
    assert sizes_of([24, 24, 24, 32, 72, 80], 2).tolist() == [32, 80]  # 24 + 8 steps of padding; [24, 80] adds 48 + 8
    assert sizes_of([5, 5, 3], 8).tolist() == [8]
    assert sizes_of([1, 17, 9], 3).tolist() == [8, 16, 24]
    # A second route: every choice of sizes.
    lengths = np.random.default_rng(0).integers(1, 40, 12) * 8
    choices = [sorted({*some, lengths.max()}) for some in itertools.combinations(lengths.tolist(), 3)]
    padded = [sum(sizes[np.searchsorted(sizes, length)] for length in lengths) for sizes in choices]
    found = sizes_of(lengths, 4)
    assert found[np.searchsorted(found, lengths)].sum() == min(padded)


def test_a_run_compiles_at_most_a_dozen_programs():
    lengths = np.random.default_rng(0).lognormal(5, 1, 9000).astype(int) + 1
    assert lengths.max() > 3000 and lengths.max() <= sizes_of(lengths)[-1] < 1.01 * lengths.max()
    assert len({(steps, len(places)) for steps, places in order(lengths, 8192, 0, 0)}) <= 12


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_every_example_is_in_one_batch_that_it_fits(count):
    lengths = np.random.default_rng(count).integers(1, 70, count)
    plan = order(lengths, 256, seed=0, epoch=3)
    assert sorted(np.concatenate([places for _, places in plan]).tolist()) == list(range(count))
    for steps, places in plan:
        assert lengths[places].max() <= steps
        assert len(places) * steps <= 256 or len(places) == 1


def test_epochs_have_their_own_order_but_the_same_shapes():
    lengths = np.random.default_rng(0).integers(1, 70, 90)
    first, again, second = (order(lengths, 256, 0, epoch) for epoch in (0, 0, 1))
    assert [places.tolist() for _, places in first] == [places.tolist() for _, places in again]
    assert [places.tolist() for _, places in first] != [places.tolist() for _, places in second]
    assert sorted((s, len(p)) for s, p in first) == sorted((s, len(p)) for s, p in second)


def test_a_batch_is_padded_with_zeros_and_knows_its_lengths():
    rows = [np.array([5, 6]), np.array([7, 8, 9]), np.arange(30)]
    targets = [{"ids": np.array(ids), "lengths": np.int32(len(ids))} for ids in ([1], [4, 4, 4], [2] * 9)]
    batch = Corpus(rows, targets).batch([1, 0], 8, None)
    assert batch["features"].tolist() == [[7, 8, 9, 0, 0, 0, 0, 0], [5, 6, 0, 0, 0, 0, 0, 0]]
    assert batch["lengths"].tolist() == [3, 2]
    # As long as any target that may be in a batch of so many steps: there is one shape for each.
    assert batch["targets"]["ids"].tolist() == [[4, 4, 4], [1, 0, 0]]
    assert Corpus(rows, targets).batch([0], 32, None)["targets"]["ids"].shape == (1, 9)
    assert batch["targets"]["lengths"].tolist() == [3, 1]
    labels = [{"ids": np.int32(1)}, {"ids": np.int32(0)}, {"ids": np.int32(2)}]
    assert Corpus(rows, labels).batch([2, 0], 32, None)["targets"]["ids"].tolist() == [2, 1]


def test_a_crop_is_a_stretch_of_the_input_and_its_own_target():
    corpus = Corpus([np.arange(100), np.arange(3)], None, crop=5)
    assert corpus.lengths.tolist() == [5, 3]
    batch = corpus.batch([0, 1], 8, np.random.default_rng(0))
    start = batch["features"][0, 0]
    assert batch["features"][0].tolist() == [*range(start, start + 5), 0, 0, 0]
    assert batch["lengths"].tolist() == batch["targets"]["lengths"].tolist() == [5, 3]
    assert batch["targets"]["ids"] is batch["features"]
    starts = {int(Corpus([np.arange(7)], None, 5).batch([0], 8, np.random.default_rng(s))["features"][0, 0]) for s in range(50)}
    assert starts == {0, 1, 2}


def test_a_digest_tells_examples_apart():
    rows, targets = [np.arange(3), np.arange(2)], [{"ids": np.int32(1)}, {"ids": np.int32(0)}]
    one = Corpus(rows, targets).digest
    assert one == Corpus([row.copy() for row in rows], [dict(target) for target in targets]).digest
    others = [Corpus(rows[::-1], targets), Corpus(rows, targets[::-1]), Corpus(rows[:1], targets[:1]), Corpus(rows, None)]
    assert len({one, *(other.digest for other in others)}) == 5
