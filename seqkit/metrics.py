"""How good the predictions are. Each metric takes predictions and references in the same order.

Well-kept libraries count where they can; the calibration error here follows Guo et al. (2017). Texts are compared in NFC.
"""

import functools
import unicodedata

import numpy as np


def classification(labels, scores, references):
    """Scores of single-label predictions.

    Args:
        labels: sequence of `str`, the predictions.
        scores: sequence of float, the probability each answer was given.
        references: sequence of `str`.

    Returns:
        `{"accuracy", "macro_f1", "calibration_error"}`, each 0 to 1.

    Raises:
        ImportError: scikit-learn is not installed (extra `train`).
        ValueError: there is nothing to score.
    """
    try:
        from sklearn.metrics import accuracy_score, f1_score
    except ImportError as error:
        raise ImportError("Scoring needs scikit-learn: pip install 'seqkit[train]'.") from error
    if not len(references):
        raise ValueError("There is nothing to score: received 0 examples.")
    return {
        "accuracy": float(accuracy_score(references, labels)),
        "macro_f1": float(f1_score(references, labels, average="macro")),
        "calibration_error": calibration_error(scores, np.asarray(labels) == np.asarray(references)),
    }


def transcription(texts, scores, references):
    """Scores of predictions that are texts.

    Args:
        texts: sequence of `str`, the predictions.
        scores: sequence of float, the share of its characters that each answer is expected to have right.
        references: sequence of `str`.

    Returns:
        `{"accuracy", "cer", "wer", "exact", "calibration_error"}`: character and word error rate, which are edits (Levenshtein,
        1966) in all texts over characters, or words, of all references; `1 - cer`; and the share of texts without an edit.

    Raises:
        ImportError: jiwer is not installed (extra `train`).
        ValueError: there is nothing to score.
    """
    if not len(references):
        raise ValueError("There is nothing to score: received 0 examples.")
    edits, sizes = character_edits(texts, references)
    words = _jiwer().process_words([_nfc(reference) for reference in references], [_nfc(text) for text in texts])
    wrong = words.substitutions + words.deletions + words.insertions
    cer = float(edits.sum() / max(sizes.sum(), 1))
    return {
        "accuracy": 1 - cer,
        "cer": cer,
        "wer": wrong / max(words.hits + words.substitutions + words.deletions, 1),
        "exact": float(np.mean(edits == 0)),
        "calibration_error": calibration_error(scores, character_accuracy(texts, references)),
    }


def character_edits(texts, references):
    """Edits that make each reference of its text, and its characters, spaces counted: two `(texts,)` int arrays."""
    jiwer = _jiwer()
    whole = jiwer.ReduceToListOfListOfChars()  # jiwer's own way strips spaces off the ends
    alignment = jiwer.process_characters(
        [_nfc(reference) for reference in references], [_nfc(text) for text in texts], whole, whole
    )
    edits = [
        sum(
            max(part.ref_end_idx - part.ref_start_idx, part.hyp_end_idx - part.hyp_start_idx)
            for part in parts
            if part.type != "equal"
        )
        for parts in alignment.alignments
    ]
    return np.array(edits, int), np.array([len(_nfc(reference)) for reference in references], int)


def character_accuracy(texts, references):
    """Share of each text's characters that are right, `1 - edits / characters` of the reference, at least 0: `(texts,)`."""
    edits, sizes = character_edits(texts, references)
    return np.maximum(0, 1 - edits / np.maximum(sizes, 1))


def translation(texts, scores, references):
    """Scores of translations.

    Args:
        texts: sequence of `str`, the predictions.
        scores: sequence of float, the chrF that each is expected to have, 0 to 1.
        references: sequence of `str`.

    Returns:
        `{"bleu", "chrf", "calibration_error"}`: BLEU (Papineni et al., 2002) and chrF (Popović, 2015) of the corpus, 0 to 100,
        as sacreBLEU counts them by default.

    Raises:
        ImportError: sacrebleu is not installed (extra `train`).
        ValueError: there is nothing to score.
    """
    if not len(references):
        raise ValueError("There is nothing to score: received 0 examples.")
    bleu, chrf = _sacrebleu().corpus_bleu(texts, [references]), _sacrebleu().corpus_chrf(texts, [references])
    return {
        "bleu": bleu.score,
        "chrf": chrf.score,
        "calibration_error": calibration_error(scores, sentence_quality(texts, references)),
    }


def sentence_quality(texts, references):
    """The chrF of each text by itself, 0 to 1: `(texts,)`."""
    chrf = _sacrebleu().sentence_chrf
    return np.array([chrf(text, [reference]).score / 100 for text, reference in zip(texts, references)])


def bootstrap(errors, sizes, samples=2000, confidence=0.95, seed=0):
    """Confidence interval of an error rate, by drawing the items anew with replacement (Efron and Tibshirani, 1993).

    Args:
        errors: `(items,)` number of errors in each.
        sizes: `(items,)` what they are counted in, such as the characters of each.
        samples: int, how often to draw.
        confidence: share of the draws that lie inside.
        seed: int.

    Returns:
        The lower and the upper end of `sum(errors) / sum(sizes)`.
    """
    errors, sizes, random = np.asarray(errors, float), np.asarray(sizes, float), np.random.default_rng(seed)
    rates = []
    for _ in range(samples):
        drawn = random.integers(len(errors), size=len(errors))
        rates.append(errors[drawn].sum() / max(sizes[drawn].sum(), 1))
    return tuple(float(end) for end in np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2]))


_nfc = functools.partial(unicodedata.normalize, "NFC")


def _jiwer():
    try:
        import jiwer
    except ImportError as error:
        raise ImportError("Scoring texts needs jiwer: pip install 'seqkit[train]'.") from error
    return jiwer


def _sacrebleu():
    try:
        import sacrebleu
    except ImportError as error:
        raise ImportError("Scoring translations needs sacrebleu: pip install 'seqkit[train]'.") from error
    return sacrebleu


def calibration_error(scores, correct, bins=15):
    """Expected calibration error (Guo et al., 2017): how far a score is from the share of predictions that are right.

    Args:
        scores: `(items,)` probabilities of the predictions given.
        correct: `(items,)` bool, or the share of each that is right.
        bins: number of equal bins over 0 to 1.

    Returns:
        The mean of |accuracy - mean score| over the bins, weighted by how many predictions fall in each: 0 to 1.
    """
    scores, correct = np.asarray(scores, float), np.asarray(correct, float)
    places = np.minimum((scores * bins).astype(int), bins - 1)
    gaps = [abs(correct[places == b].sum() - scores[places == b].sum()) for b in range(bins)]
    return float(sum(gaps) / len(scores))


def equal_error_rate(genuine, impostor):
    """How often claims are judged wrongly, at the threshold where both kinds of errors are as frequent.

    Args:
        genuine: `(claims,)` float, how well what is what it claims to be resembles it.
        impostor: `(claims,)` float, how well what is not does.

    Returns:
        The rate, 0 to 1, the mean of both kinds where they do not meet; and the threshold, amid its neighbours: a claim is
        accepted above it.
    """
    genuine, impostor = np.sort(np.asarray(genuine, float)), np.sort(np.asarray(impostor, float))
    scores = np.unique(np.concatenate([genuine, impostor]))
    cuts = np.concatenate([[scores[0] - 1], (scores[:-1] + scores[1:]) / 2, [scores[-1] + 1]])
    rejected = np.searchsorted(genuine, cuts) / len(genuine)
    accepted = 1 - np.searchsorted(impostor, cuts) / len(impostor)
    best = np.argmin(np.abs(rejected - accepted))
    return float(rejected[best] + accepted[best]) / 2, float(cuts[best])


def fit_temperature(logits, references):
    """The temperature that makes `softmax(logits / temperature)` most probable (Guo et al., 2017).

    Args:
        logits: `(items, classes)` float.
        references: `(items,)` int, the right class of each.

    Returns:
        Float between 0.05 and 20. A golden-section search: the loss is unimodal in the temperature's inverse.
    """
    logits, references = np.asarray(logits, float), np.asarray(references, int)

    def loss(log_temperature):
        scaled = logits / np.exp(log_temperature)
        scaled -= scaled.max(1, keepdims=True)
        return np.mean(np.log(np.exp(scaled).sum(1)) - scaled[np.arange(len(references)), references])

    low, high, golden = np.log(0.05), np.log(20.0), (5**0.5 - 1) / 2
    while high - low > 1e-5:
        left, right = high - golden * (high - low), low + golden * (high - low)
        low, high = (low, right) if loss(left) < loss(right) else (left, high)
    return float(np.exp((low + high) / 2))


def fit_sigmoid(values, references):
    """The slopes and offset that make `sigmoid(values @ slopes + offset)` most probable (Platt, 1999).

    Args:
        values: `(items, n)` float, a logit first, then whatever else tells how it errs.
        references: `(items,)` float, 0 to 1.

    Returns:
        `(n + 1,)` float, the offset last; near 1, 0, ... 0, which leave a logit as it is, where there is little to learn from.
    """
    inputs = np.column_stack([values, np.ones(len(values))])
    references, start = np.asarray(references, float), np.eye(inputs.shape[1])[0]
    coefficients, prior = start, 0.1
    # No curvature of the loss is above this one, so each step lowers it (Böhning, 1992).
    curvature = inputs.T @ inputs / 4 + prior * np.eye(len(start))
    for _ in range(2000):
        chances = 1 / (1 + np.exp(-np.clip(inputs @ coefficients, -30, 30)))
        coefficients = coefficients - np.linalg.solve(
            curvature, inputs.T @ (chances - references) + prior * (coefficients - start)
        )
    return coefficients
