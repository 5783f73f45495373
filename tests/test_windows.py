"""Windows against lists of them that are made by hand, whole and in parts."""

import numpy as np
import pytest
import tensorflow as tf

from seqkit.windows import Windows

FORMS = [Windows(400, 160, 200, 200), Windows(3, 2, 1, 1), Windows(4, 4, 0, 3), Windows(7, 1, 0, 6), Windows(1)]


def by_hand(values, windows):
    """The windows over one sequence `(steps, width)`, as a list."""
    around = ((windows.before, windows.after), (0, 0))
    padded = np.pad(values, around)
    starts = range(0, len(padded) - windows.size + 1, windows.hop)
    return [padded[start : start + windows.size] for start in starts]


def framed(stretch, windows, count):
    """The first windows over what `padded` or `step` gave."""
    return [stretch[place * windows.hop : place * windows.hop + windows.size] for place in range(count)]


@pytest.mark.parametrize("windows", FORMS, ids=str)
def test_whole_sequences_have_the_windows_of_a_list(windows):
    random = np.random.default_rng(0)
    for length in (0, 1, 2, 7, 160, 161, 500):
        values = random.normal(size=(length, 2)).astype("float32")
        more = np.zeros((1, length + 5, 2), "float32")
        more[0, :length] = values
        expected = by_hand(values, windows)
        assert int(windows.count(length)) == len(expected)
        found = framed(windows.padded(more)[0].numpy(), windows, len(expected))
        np.testing.assert_array_equal(np.array(found), np.array(expected))


@pytest.mark.parametrize("windows", FORMS, ids=str)
@pytest.mark.parametrize("size", [1, 3, 170, 1000])
def test_parts_have_the_windows_of_the_whole(windows, size):
    random = np.random.default_rng(0)
    lengths = np.array([500, 333, 1, 0] if size > 100 else [41, 30, 1, 0])
    values = random.normal(size=(4, lengths.max(), 2)).astype("float32")
    state = windows.start(tf.zeros([4, 0, 2]))
    found, starts = [[], [], [], []], range(0, lengths.max(), size)
    for start in starts:
        came = np.clip(lengths - start, 0, size).astype("int32")
        last = start == starts[-1]
        stretch, new, state = windows.step(tf.constant(values[:, start : start + size]), came, state, last)
        assert stretch.shape[1] == windows.size + max(new.numpy()) * windows.hop
        for row in range(4):
            found[row] += framed(stretch[row].numpy(), windows, int(new[row]))
    for row, length in enumerate(lengths):
        expected = by_hand(values[row, :length], windows)
        assert len(found[row]) == len(expected)
        assert all(np.array_equal(one, other) for one, other in zip(found[row], expected))


def test_a_state_has_a_shape_whatever_came():
    windows = Windows(7, 2, 3, 3)
    state = windows.start(tf.zeros([1, 0, 1]))
    assert state["kept"].shape == (1, 6, 1) and state["rest"].numpy().tolist() == [3]
    for size in (5, 100, 1):
        _, _, state = windows.step(tf.ones([1, size, 1]), tf.constant([size]), state, False)
        assert state["kept"].shape == (1, 6, 1) and 0 <= int(state["rest"][0]) <= 6
