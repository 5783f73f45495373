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
