"""Batches: which examples are in them, what they are padded to, and what they hold."""

import itertools

import numpy as np
import pytest

from seqkit.data.batches import collate, order, sizes_of


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
    examples = [(np.array([5, 6]), {"ids": np.int32(1)}), (np.array([7, 8, 9]), {"ids": np.int32(0)})]
    batch = collate(examples, 4, np.random.default_rng(0))
    assert batch["features"].tolist() == [[5, 6, 0, 0], [7, 8, 9, 0]]
    assert batch["lengths"].tolist() == [2, 3]
    assert batch["targets"]["ids"].tolist() == [1, 0]


def test_a_crop_is_a_stretch_of_the_input():
    batch = collate([(np.arange(100), None), (np.arange(3), None)], 8, np.random.default_rng(0), crop=5)
    start = batch["features"][0, 0]
    assert batch["features"][0].tolist() == [*range(start, start + 5), 0, 0, 0]
    assert batch["lengths"].tolist() == [5, 3]
    starts = {int(collate([(np.arange(7), None)], 8, np.random.default_rng(s), 5)["features"][0, 0]) for s in range(50)}
    assert starts == {0, 1, 2}
