"""Metrics against counts made by hand."""

import numpy as np
import pytest

from seqkit import metrics


def test_calibration_error_counted_by_hand():
    # Two answers at 0.9 of which one is right, two at 0.3 of which none is: gaps 0.4 and 0.3, half of the answers each.
    assert metrics.calibration_error([0.9, 0.9, 0.3, 0.3], [1, 0, 0, 0]) == pytest.approx(0.35)


def test_scores_that_are_kept_have_no_calibration_error():
    assert metrics.calibration_error([0.75] * 4 + [1.0], [1, 1, 1, 0, 1]) == pytest.approx(0)


def test_classification_counted_by_hand():
    found = metrics.classification(["a", "a", "b", "b"], [1.0] * 4, ["a", "a", "b", "a"])
    assert found["accuracy"] == 0.75
    assert found["macro_f1"] == pytest.approx((0.8 + 2 / 3) / 2)  # a: precision 1, recall 2/3; b: 1/2 and 1


def test_nothing_to_score_is_refused():
    with pytest.raises(ValueError, match="received 0 examples"):
        metrics.classification([], [], [])


def test_temperature_undoes_the_scale_of_logits():
    # Three of four right at logits (s, 0) is most probable where the softmax says 3/4: s / t = log 3.
    logits = np.array([[6.0, 0.0]] * 4)
    assert metrics.fit_temperature(logits, [0, 0, 0, 1]) == pytest.approx(6 / np.log(3), rel=1e-3)


def test_equal_error_rate_counted_by_hand():
    # At 0.5 one of four that are genuine is below, and one of four others above.
    rate, threshold = metrics.equal_error_rate([0.9, 0.8, 0.7, 0.4], [0.6, 0.3, 0.2, 0.1])
    assert rate == 0.25 and threshold == pytest.approx(0.5)
    rate, threshold = metrics.equal_error_rate([0.9, 0.7], [0.3, 0.1, 0.2])
    assert rate == 0 and threshold == pytest.approx(0.5)
    assert metrics.equal_error_rate([0.1], [0.9])[0] == 1
    # Between 0.3 and 0.35 none of two is below, and one of four above: they do not meet, so it is the mean of both kinds.
    assert metrics.equal_error_rate([0.35, 0.9], [0.1, 0.2, 0.3, 0.5])[0] == pytest.approx((0 + 0.25) / 2)


def test_transcription_counted_by_hand():
    # Edits: one character replaced; one left out, one added; all of an empty truth added. Characters: 3 + 5 + 0.
    found = metrics.transcription(["cut", "a do g", "x"], [2 / 3, 0.6, 0.0], ["cat", "a dog", ""])
    assert found["cer"] == pytest.approx(3 / 8) and found["accuracy"] == pytest.approx(5 / 8)
    assert found["wer"] == pytest.approx((1 + 2 + 1) / 3)
    assert found["exact"] == 0
    assert found["calibration_error"] == pytest.approx((0 + 0.2 + 0) / 3)


def test_texts_are_compared_composed_and_with_the_spaces_at_their_ends():
    edits, sizes = metrics.character_edits(["e\u0301t\u00e9", "a "], ["\u00e9te\u0301", "a"])
    assert edits.tolist() == [0, 1] and sizes.tolist() == [3, 1]


def distance(first, second):
    """Levenshtein's, by its recursion."""
    row = list(range(len(second) + 1))
    for place, one in enumerate(first, 1):
        corner, row[0] = row[0], place
        for column, other in enumerate(second, 1):
            corner, row[column] = row[column], min(row[column] + 1, row[column - 1] + 1, corner + (one != other))
    return row[-1]


def test_edits_are_those_of_the_recursion():
    random = np.random.default_rng(0)
    texts, truths = (["".join(random.choice(list("ab "), random.integers(0, 9))) for _ in range(200)] for _ in range(2))
    edits, _ = metrics.character_edits(texts, truths)
    assert edits.tolist() == [distance(*pair) for pair in zip(texts, truths)]


def test_a_line_without_a_right_character_has_accuracy_0_and_an_empty_one_read_as_empty_1():
    assert metrics.character_accuracy(["xyz", "", "", "a"], ["a", "", "a", ""]).tolist() == [0, 1, 0, 0]


def test_no_transcripts_are_refused():
    with pytest.raises(ValueError, match="received 0 examples"):
        metrics.transcription([], [], [])


def test_the_bootstrap_interval_is_that_of_the_normal_approximation():
    errors = np.random.default_rng(0).binomial(50, 0.1, 400)
    low, high = metrics.bootstrap(errors, np.full(400, 50))
    middle, spread = errors.mean() / 50, errors.std() / 50 / np.sqrt(400)
    assert low == pytest.approx(middle - 1.96 * spread, abs=5e-4) and high == pytest.approx(middle + 1.96 * spread, abs=5e-4)
    assert metrics.bootstrap(errors, np.full(400, 50)) == (low, high)


def test_a_sigmoid_is_found_again():
    values = np.random.default_rng(0).normal(size=(20000, 2)) * [3, 1]
    found = metrics.fit_sigmoid(values, 1 / (1 + np.exp(-(values @ [0.6, -0.2] - 1.5))))
    assert found == pytest.approx([0.6, -0.2, -1.5], abs=1e-3)


def test_one_perfect_line_does_not_make_all_scores_one():
    slope, offset = metrics.fit_sigmoid([[2.0]], [1.0])
    assert 1 < slope < 2 and 0 < offset < 1
