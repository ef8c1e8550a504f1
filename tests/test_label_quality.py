"""What is reported of a set of labels, and how well wrong labels are found."""

from __future__ import annotations

import numpy as np
import pytest
from adapter_contract import labelled_vectors

from surco.adapters import CropTypeAdapter, LabelsError
from surco.adapters.checks import MOST_CLASSES
from surco.adapters.label_quality import LabelReport, inspect_labels
from surco.adapters.legends import load_legend
from surco.adapters.suspects import rank_suspects


def kinds(report: LabelReport) -> set[str]:
    """Which kinds of trouble a report names."""
    return {finding.kind for finding in report.findings}


def flipped(
    rate: float, n: int = 180, seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Vectors, labels of which a share was changed, groups, and which were changed."""
    X, y, groups = labelled_vectors(n=n, seed=seed, noise=1.0)
    rng = np.random.default_rng(seed)
    bad = np.zeros(n, bool)
    bad[rng.permutation(n)[: int(rate * n)]] = True
    names = np.unique(y)
    y = y.copy()
    y[bad] = [rng.choice(names[names != given]) for given in y[bad]]
    return X, y, groups, bad


@pytest.mark.parametrize("rate", [0.05, 0.2])
def test_wrong_labels_are_the_first_suspects(rate: float) -> None:
    """Most of the first suspects are the labels that were changed, and the likely class is the true one."""
    X, y, groups, bad = flipped(rate)
    truth = labelled_vectors(n=180, seed=0, noise=1.0)[1]
    found = rank_suspects(X, y, groups=groups)
    first = [int(one.feature) for one in found.ranked[: bad.sum()]]
    assert bad[first].mean() > 0.85
    hit = [one for one in found.ranked[: bad.sum()] if bad[int(one.feature)]]
    assert np.mean([one.likely == truth[int(one.feature)] for one in hit]) > 0.9
    assert abs(found.flagged - bad.sum()) <= 0.5 * bad.sum() + 3


def test_good_labels_raise_little_suspicion() -> None:
    """Of labels that are all right few are flagged, and scores come in order."""
    X, y, groups, _ = flipped(0.0)
    found = rank_suspects(X, y, groups=groups)
    assert found.flagged <= 9
    scores = [one.score for one in found.ranked]
    assert scores == sorted(scores) and len(scores) == 180


def test_rows_of_one_label_are_judged_together() -> None:
    """A polygon of eight cells is one suspect, called by its name, and its own cells do not defend it."""
    features = np.arange(240) // 8
    rng = np.random.default_rng(2)
    centres, y = rng.normal(size=(4, 64)), np.array(list("abcd"))[features % 4]
    X = (centres[features % 4] + rng.normal(size=(240, 64))).astype(np.float32)
    y[features == 7] = "a"  # it is a "d"
    names = np.array([f"field {f}" for f in features])
    found = rank_suspects(X, y, features=names)
    assert len(found.ranked) == 30
    assert found.ranked[0].feature == "field 7" and found.ranked[0].flagged


def test_suspects_are_the_same_twice() -> None:
    """The same labels give the same list."""
    X, y, groups, _ = flipped(0.1)
    first, second = (rank_suspects(X, y, groups=groups) for _ in range(2))
    assert first == second


def test_what_no_other_place_has_is_not_judged() -> None:
    """A class of one block is not called wrong for being the only one: it is named as not judged."""
    X, y, groups, _ = flipped(0.0)
    y = y.astype(object)
    y[groups == 3] = "only here"
    found = rank_suspects(X, y.astype(str), groups=groups)
    assert set(found.unjudged) == set(np.flatnonzero(groups == 3).tolist())
    assert "could not be judged" in found.note
    assert all(one.given != "only here" for one in found.ranked)


def test_too_few_places_or_too_many_classes_are_not_judged() -> None:
    """Two blocks, or a thousand and one classes, are a sentence and no list."""
    X, y, _, _ = flipped(0.0)
    found = rank_suspects(X, y, groups=np.arange(180) % 2)
    assert found.ranked == () and "at least 3 are needed" in found.note
    many = np.array([f"class {i}" for i in range(MOST_CLASSES + 1)])
    found = rank_suspects(np.ones((len(many), 4), np.float32), many)
    assert found.ranked == () and f"{MOST_CLASSES + 1} classes" in found.note


def test_every_kind_of_trouble_is_told() -> None:
    """Missing classes, places without data, contradictions, repeats, spellings, slips, thin classes."""
    X, y, _, _ = flipped(0.0)
    y = y.astype(object)
    ids = np.arange(180)
    groups = np.arange(180) % 12
    y[0], y[1], y[2] = None, "  ", float("nan")
    X[3], X[4] = np.nan, 0.0
    X[11], ids[11], y[10], y[11] = X[10], 10, "maíz", "trigo"
    X[13], ids[13], y[12], y[13] = X[12], 12, "trigo", "trigo"
    y[14], y[15], y[16] = "Trigo ", "tirgo", "rare"
    y[[24, 36]] = "here only"
    X[30] = X[31]
    before = (X.copy(), y.copy())
    report = inspect_labels(X, y, groups=groups, ids=ids)
    assert {
        "empty",
        "no data",
        "contradiction: place",
        "contradiction: vector",
        "duplicate",
        "spelling",
        "near miss",
        "single",
        "one block",
    } <= kinds(report)
    told = {finding.kind: finding for finding in report.findings}
    assert told["empty"].labels == (0, 1, 2)
    assert told["no data"].labels == (3, 4)
    assert told["contradiction: place"].labels == (10, 11)
    assert 13 in told["duplicate"].labels and 12 not in told["duplicate"].labels
    text = report.text()
    for words in (
        "'Trigo' and 'trigo' are one name",
        "'tirgo' and 'Trigo'",
        "rare",
        "here only",
        "maíz and trigo",
    ):
        assert words in text, words
    np.testing.assert_array_equal(X, before[0])
    assert all(a is b or a == b for a, b in zip(y, before[1], strict=True))


def test_sound_labels_are_said_to_be_sound() -> None:
    """No trouble, no findings; names in another script are no trouble."""
    X, y, groups, _ = flipped(0.0)
    written = dict(zip(np.unique(y), ["小麦", "ячмень", "ذرة", "ñame"], strict=True))
    report = inspect_labels(X, [written[name] for name in y], groups=groups, suspects=False)
    assert report.findings == () and set(report.counts) == set(written.values())
    assert report.text() == ""


def test_names_outside_a_legend_are_told() -> None:
    """Names that the legend does not have are named; two names that it has are no slip of each other."""
    X, y, groups, _ = flipped(0.0)
    written = dict(zip(np.unique(y), ["pears", "peas", "unheard of", "beans"], strict=True))
    report = inspect_labels(
        X, [written[n] for n in y], groups=groups, legend=load_legend("worldcereal"), suspects=False
    )
    assert kinds(report) == {"not in the legend"}
    assert (
        "1 classes are not in legend 'worldcereal' and stay roots of their own: unheard of" in report.text()
    )
    assert "near miss" in kinds(inspect_labels(X, [written[n] for n in y], suspects=False))


def test_inexact_labels_are_not_judged_by_exact_ones() -> None:
    """With a legend "temporary crops" beside crops is no wrong crop: it is left out of the suspects."""
    X, y, groups, _ = flipped(0.0, n=120)
    written = dict(zip(np.unique(y), ["trigo", "maíz", "cerezo", "palto"], strict=True))
    named = np.array([written[name] for name in y], object)
    named[:9] = [("Temporary_crops" if name in ("trigo", "maíz") else name) for name in named[:9]]
    inexact = set(np.flatnonzero(named == "Temporary_crops").tolist())
    report = inspect_labels(X, named, groups=groups, legend=load_legend("ine"))
    assert report.suspects is not None and inexact
    assert not inexact & {one.feature for one in report.suspects.ranked}
    assert report.counts["Temporary_crops"] == len(inexact)


def test_lengths_that_differ_are_refused() -> None:
    """One class a vector, or a sentence."""
    with pytest.raises(LabelsError, match="one class, label and place a vector"):
        inspect_labels(np.ones((3, 4)), ["a", "b"])


def test_the_report_is_plain_json() -> None:
    """The report can be written as JSON, suspects and all."""
    import json

    X, y, groups, _ = flipped(0.1, n=120)
    written = json.loads(json.dumps(inspect_labels(X, y, groups=groups).as_dict()))
    assert len(written["suspects"]["ranked"]) == 120


def test_another_classifier_may_judge() -> None:
    """Whatever keeps scikit-learn's contract may be the judge; what its fit takes is handed on."""
    X, y, groups, bad = flipped(0.1)
    found = rank_suspects(X, y, groups=groups, adapter=CropTypeAdapter(C=1.0), pool=X)
    assert bad[[int(one.feature) for one in found.ranked[:20]]].mean() > 0.8
