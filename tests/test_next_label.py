"""Which place to label next: the batch, its probability sample, the arms, and campaigns from beginning to end."""

from __future__ import annotations

import time

import numpy as np
import pytest
from sklearn.metrics import f1_score

from surco.adapters import CampaignError, LabelsError, VectorsError
from surco.adapters.next_label import ARMS, CHANCE, INCUMBENT, Ground, NextLabel, Visits, select
from surco.adapters.next_label.arms import gradient, margin, novelty, typicality, under_represented
from surco.adapters.next_label.campaign import Campaign, Guess, Labelled
from surco.adapters.next_label.coverage import Coverage, herded
from surco.adapters.next_label.learner import Learner
from surco.adapters.next_label.openings import Openings
from surco.adapters.next_label.probability_sample import chance_places, drawn_by_chance
from surco.embedstore import quantize

SHARES = (0.4, 0.3, 0.2, 0.06, 0.04)


def land(n: int = 400, seed: int = 0, noise: float = 0.35) -> tuple[np.ndarray, np.ndarray]:
    """(N, 16) unit vectors of five classes, two of them rare, and their names."""
    rng = np.random.default_rng(seed)
    centres = np.random.default_rng(99).normal(size=(len(SHARES), 16))
    codes = rng.choice(len(SHARES), n, p=SHARES)
    vectors = centres[codes] + noise * 4 * rng.normal(size=(n, 16)) * rng.uniform(0.3, 1.0, (n, 1))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), np.array(
        [*"abcde"]
    )[codes]


def visited(ground: Ground, truth: np.ndarray, rows: np.ndarray, **more: np.ndarray) -> Visits:
    """Rows of the ground with their true classes."""
    return Visits.of(ground, rows, truth[rows], **more)


def campaign(n: int = 120, labels: int = 12) -> tuple[Campaign, Openings]:
    """A campaign with some labels and a fitted guess; two regions, the second of a tenth of the land."""
    vectors, truth = land(n)
    region = (np.arange(n) % 10 == 0).astype(np.int64)
    rows = np.flatnonzero(region == 0)[:labels]
    labelled = Labelled(vectors[rows], truth[rows], region[rows])
    adapter = Learner.on(vectors).fit(labelled)
    guess = Guess(adapter.classes_, adapter.predict_proba(vectors))
    coverage = Coverage.of(vectors).labelled(labelled.vectors)
    standing = Campaign(coverage, region, np.array([0.9, 0.1]), labelled, guess)
    return standing, Openings(np.arange(n), np.isin(np.arange(n), rows))


@pytest.mark.parametrize("count", [1, 2, 5, 7, 10, 33, 100])
def test_a_fifth_of_every_batch_is_a_probability_sample(count):
    """Every batch has as many places as asked, none twice, none visited, a fifth of them with a known chance."""
    vectors, truth = land()
    ground = Ground.of(vectors)
    visits = visited(ground, truth, np.arange(20))
    chosen = select(ground, visits, count=count)
    assert len(set(chosen.row.tolist()) - set(range(20))) == len(chosen) == count
    chance = chosen.arm == CHANCE
    assert chance.sum() >= 0.2 * count
    assert chance[: chance.sum()].all()
    np.testing.assert_allclose(chosen.inclusion_probability[chance], chance.sum() / 380)
    assert np.isnan(chosen.inclusion_probability[~chance]).all()
    assert set(chosen.arm[~chance]) <= set(ARMS)
    assert all(chosen.reason)


def test_the_sample_gives_every_place_the_same_chance():
    """Over many draws every row comes in as often as said, whatever its region, and a sample is spread over regions."""
    region = np.repeat([0, 1, 2], [50, 30, 20])
    open_rows, counts = np.arange(100), np.zeros(100)
    for seed in range(4000):
        rows, chance = drawn_by_chance(region, open_rows, 10, np.random.default_rng(seed))
        counts[rows] += 1
        assert len(set(rows.tolist())) == 10
        np.testing.assert_array_equal(np.bincount(region[rows]), [5, 3, 2])
    assert chance == 0.1
    spread = (counts - 400) / np.sqrt(4000 * 0.1 * 0.9)
    assert np.abs(spread).max() < 4.5


def test_shares_stay_unbiased_whatever_the_arms_prefer():
    """Known places plus the sample's share of the rest is unbiased for a rare class; the batch as a whole is not."""
    vectors, truth = land(200, noise=0.15)
    ground = Ground.of(vectors)
    first = visited(ground, truth, np.arange(0, 200, 20))
    guide, rare = NextLabel(), np.isin(truth, ["d", "e"])
    fair, plain = [], []
    for seed in range(150):
        chosen = NextLabel(guide.policy, seed=seed).propose(ground, first, 20)
        drawn, rest = chosen.row[chosen.arm == CHANCE], np.setdiff1d(np.arange(200), first.row)
        fair.append((rare[first.row].sum() + len(rest) * rare[drawn].mean()) / 200)
        plain.append(rare[chosen.row].mean())
    error = np.std(fair) / np.sqrt(len(fair))
    assert abs(np.mean(fair) - rare.mean()) < 4 * error
    assert abs(np.mean(plain) - rare.mean()) > 4 * np.std(plain) / np.sqrt(len(plain))


def test_the_same_arguments_give_the_same_places():
    """Choosing is deterministic by seed, and another seed draws others by chance."""
    vectors, truth = land()
    ground = Ground.of(vectors)
    visits = visited(ground, truth, np.arange(30))
    first, again = select(ground, visits, seed=3), select(Ground.of(vectors), visits, seed=3)
    np.testing.assert_array_equal(first.row, again.row)
    assert first.reason == again.reason
    other = select(ground, visits, seed=4)
    assert set(first.row[:2].tolist()) != set(other.row[:2].tolist())


def test_a_campaign_begins_by_coverage():
    """Without labels, or with one class, herding chooses, nothing is predicted, and coverage beats a random batch."""
    vectors, truth = land()
    ground = Ground.of(vectors)
    for visits in (None, visited(ground, truth, np.flatnonzero(truth == "a")[:3])):
        chosen = select(ground, visits, count=20)
        assert set(chosen.arm) == {CHANCE, INCUMBENT}
        assert chosen.predicted == [None] * 20
        assert np.isnan(chosen.probability).all()
    coverage, rng = Coverage.of(vectors), np.random.default_rng(0)
    random = [coverage.taken(rng.permutation(400)[:20].tolist()).mean() for _ in range(50)]
    assert coverage.taken(chosen.row.tolist()).mean() > max(random)


def test_quantised_tables_give_the_same_places():
    """int8 rows with their scale choose what the same rows as floats choose."""
    vectors, truth = land()
    embedding, scale = quantize(vectors)
    quantised, plain = Ground.of(embedding, scale), Ground.of(embedding * scale[:, None])
    rows = np.arange(25)
    np.testing.assert_array_equal(
        select(quantised, visited(quantised, truth, rows)).row, select(plain, visited(plain, truth, rows)).row
    )


def test_places_without_data_are_never_chosen():
    """Rows of zeros, and rows of scale 0, are no candidates and in no sample."""
    vectors, _ = land(60)
    vectors[:40] = 0
    embedding, scale = quantize(vectors)
    for ground in (Ground.of(vectors), Ground.of(embedding, scale)):
        assert select(ground, count=20).row.min() >= 40
        with pytest.raises(CampaignError, match="at least 21 places with data"):
            select(ground, count=21)


def test_groups_take_turns():
    """A batch has one place a group while there are groups left; then groups may come again."""
    vectors, truth = land(200)
    groups = np.arange(200) // 10
    ground = Ground.of(vectors, groups=groups)
    chosen = select(ground, visited(ground, truth, np.arange(0, 200, 13)), count=15)
    by_arm = groups[chosen.row[chosen.arm != CHANCE]]
    assert len(set(by_arm.tolist())) == len(by_arm)
    assert len(set(select(ground, count=60).row.tolist())) == 60


def test_lazy_herding_is_greedy_herding():
    """The lazy choice is the plain greedy one, place for place."""
    vectors, _ = land(150, seed=5)
    coverage = Coverage.of(vectors).labelled(vectors[:4])
    covered, plain = coverage.covered.copy(), []
    for _ in range(20):
        gains = np.maximum(coverage.kernel - covered, 0).sum(axis=1)
        gains[[*plain, *range(4)]] = -1
        plain.append(int(np.argmax(gains)))
        covered = np.maximum(covered, coverage.kernel[plain[-1]])
    assert herded(coverage, Openings(np.arange(150), np.arange(150) < 4), 20) == plain


@pytest.mark.parametrize("arm", ARMS)
def test_every_arm_takes_open_places_once(arm):
    """An arm takes as many as asked, none twice, none closed, the same by the same draws, up to the last one."""
    taken = []
    for _ in range(2):
        standing, openings = campaign()
        taken.append(ARMS[arm](standing, openings, 100, np.random.default_rng(1)))
    assert taken[0] == taken[1]
    assert len(set(taken[0])) == 100
    closed = np.flatnonzero(~campaign()[1].open)
    assert not set(taken[0]) & set(closed.tolist())
    assert openings.left() == 120 - 12 - 100


def test_margin_takes_the_least_sure():
    """Margin takes the open places whose two likeliest classes are closest, in order."""
    standing, openings = campaign()
    closed = ~openings.open
    expected = np.argsort(np.where(closed, 9.0, standing.guess.margin()), kind="stable")[:7]
    assert margin(standing, openings, 7, np.random.default_rng(0)) == expected.tolist()


def test_novelty_takes_what_nothing_resembles():
    """A vector far from all others is the first that novelty takes."""
    vectors, truth = land(80)
    vectors[50] = -vectors.mean(axis=0) * 10
    labelled = Labelled(vectors[:10], truth[:10], np.zeros(10, np.int64))
    standing = Campaign(
        Coverage.of(vectors).labelled(labelled.vectors), np.zeros(80, np.int64), np.ones(1), labelled, None
    )
    assert novelty(standing, Openings(np.arange(80)), 3, np.random.default_rng(0))[0] == 50


def test_typicality_takes_dense_places_without_labels():
    """Of three tight clusters of which one is labelled, typicality takes a place in each of the others first."""
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8)
    vectors = np.concatenate([c + 0.01 * rng.normal(size=(40, 8)) for c in centres]).astype(np.float32)
    labelled = Labelled(vectors[:1], np.array(["a"]), np.zeros(1, np.int64))
    standing = Campaign(Coverage.of(vectors), np.zeros(120, np.int64), np.ones(1), labelled, None)
    taken = typicality(standing, Openings(np.arange(120)), 2, np.random.default_rng(0))
    assert {row // 40 for row in taken} == {1, 2}


def test_gradient_leaves_what_is_certain():
    """Places of which the head is certain have no gradient, and are taken last."""
    standing, openings = campaign()
    certain = np.zeros_like(standing.guess.probability)
    certain[:, 0] = 1.0
    certain[40:60] = 1.0 / certain.shape[1]
    guessed = Campaign(
        standing.coverage, standing.region, standing.region_share, standing.labelled,
        Guess(standing.guess.classes, certain),
    )  # fmt: skip
    taken = gradient(guessed, openings, 20, np.random.default_rng(0))
    assert set(taken) == set(range(40, 60))


def test_under_representation_goes_to_rare_classes_and_regions():
    """Of places alike in all else it takes the one of the class with few labels, and of the region without any."""
    standing, _ = campaign()
    chances = np.full((120, 2), 0.5, np.float32)
    chances[[7, 9]] = [0.1, 0.9]
    labelled = Labelled(standing.candidates[:12], np.array(["many"] * 11 + ["rare"]), np.zeros(12, np.int64))
    names = np.array(["many", "rare"])
    rare = Campaign(standing.coverage, np.zeros(120, np.int64), np.ones(1), labelled, Guess(names, chances))
    assert set(under_represented(rare, Openings(np.arange(120)), 2, np.random.default_rng(0))) == {7, 9}
    even = Guess(names, np.full((120, 2), 0.5, np.float32))
    regional = Campaign(standing.coverage, standing.region, standing.region_share, labelled, even)
    first = under_represented(regional, Openings(np.arange(120)), 1, np.random.default_rng(0))[0]
    assert standing.region[first] == 1


def test_a_campaign_needs_fewer_labels_than_chance():
    """Over five campaigns of 40 labels the guide's macro-F1 on other land is well above that of random places."""
    pool, truth = land(500, seed=1)
    test, answers = land(1000, seed=2)
    guided, random = [], []
    for seed in range(5):
        ground, guide = Ground.of(pool), NextLabel(seed=seed)
        visits = Visits.none(ground)
        while len(visits) < 40:
            chosen = guide.propose(ground, visits, 10)
            visits = visited(
                ground, truth, np.concatenate([visits.row, chosen.row]),
                arm=np.concatenate([visits.arm, chosen.arm]),
                round=np.concatenate([visits.round, np.full(10, chosen.round)]),
            )  # fmt: skip
            guide.learn(ground, visits, chosen.round)
        by_chance = np.random.default_rng(seed).permutation(500)[:40]
        for rows, scores in ((visits.row, guided), (by_chance, random)):
            adapter = Learner.on(pool).fit(visited(ground, truth, rows).labelled)
            guess = adapter.classes_[adapter.predict_proba(test).argmax(axis=1)]
            scores.append(f1_score(answers, guess, labels=[*"abcde"], average="macro", zero_division=0))
    assert np.mean(guided) > np.mean(random) + 0.03


def test_a_campaign_can_be_taken_up_from_its_labels():
    """`select` with the arms and rounds of the labels chooses what the guide that was there all along chooses."""
    vectors, truth = land()
    ground, guide = Ground.of(vectors), NextLabel(seed=2)
    visits = Visits.none(ground)
    for _ in range(4):
        chosen = guide.propose(ground, visits, 10)
        np.testing.assert_array_equal(select(ground, visits, seed=2).row, chosen.row)
        visits = visited(
            ground, truth, np.concatenate([visits.row, chosen.row]),
            arm=np.concatenate([visits.arm, chosen.arm]),
            round=np.concatenate([visits.round, np.full(10, chosen.round)]),
        )  # fmt: skip
        guide.learn(ground, visits, chosen.round)
    assert chosen.round == 4


def test_labels_outside_the_table_teach_too():
    """Labels of the same model from elsewhere are learned from, and stand in no place's way."""
    vectors, _ = land()
    elsewhere, classes = land(30, seed=8)
    ground = Ground.of(vectors)
    visits = Visits.of(ground, np.full(30, -1), classes, vectors=elsewhere)
    chosen = select(ground, visits, count=10)
    assert None not in chosen.predicted
    assert (chosen.probability > 0).all()


def test_a_country_takes_seconds():
    """Half a million int8 rows: few candidates are compared, the sample comes from all rows, progress is told."""
    rng = np.random.default_rng(0)
    table = rng.integers(-127, 128, (500_000, 64), np.int8)
    ground = Ground.of(table, np.full(500_000, 0.01, np.float32), regions=np.arange(500_000) // 50_000)
    told: list[tuple[int, int, str]] = []
    began = time.process_time()
    chosen = select(ground, count=50, progress=lambda *words: told.append(words))
    assert time.process_time() - began < 20
    assert len(chosen) == 50
    assert np.bincount(chosen.row[:10] // 50_000).max() == 1
    assert told[-1][0] == told[-1][1]


@pytest.mark.parametrize("count", [0, -1, 101])
def test_counts_out_of_range(count):
    """A count that is no batch is refused with the range."""
    with pytest.raises(CampaignError, match="1 to 100 places"):
        select(Ground.of(land(200)[0]), count=count)


def test_no_place_left():
    """A table that is all visited, and one with fewer places than asked, say what is left."""
    vectors, truth = land(20)
    ground = Ground.of(vectors)
    with pytest.raises(
        CampaignError, match="at least 30 places with data that were not visited; got 20 of 20"
    ):
        select(ground, count=30)
    with pytest.raises(CampaignError, match="got 0 of 20"):
        select(ground, visited(ground, truth, np.arange(20)), count=1)
    assert len(select(ground, count=20)) == 20


def test_vectors_that_are_none():
    """NaN, another shape, integers without a scale and scales that are not finite are refused, naming the row."""
    vectors, _ = land(60)
    vectors[7, 3] = np.nan
    with pytest.raises(VectorsError, match="first in row 7"):
        Ground.of(vectors)
    for wrong in (np.zeros((0, 4)), np.zeros(4), np.zeros((4, 4), np.int16), np.array([["a"]])):
        with pytest.raises(VectorsError, match="expected vectors of shape"):
            Ground.of(wrong)
    table = np.ones((3, 4), np.int8)
    for scale in ([1.0, np.inf, 1.0], [1.0]):
        with pytest.raises(VectorsError):
            Ground.of(table, scale)


def test_labels_that_are_none():
    """Rows outside the table, empty classes, lengths that differ and regions of another length are refused."""
    ground = Ground.of(land(60)[0])
    with pytest.raises(LabelsError, match="0 to 59; got row 60"):
        Visits.of(ground, [60], ["a"])
    with pytest.raises(LabelsError, match="got row -1"):
        Visits.of(ground, [-1], ["a"])
    with pytest.raises(LabelsError, match="empty one in place 1"):
        Visits.of(ground, [0, 1], ["a", " "])
    with pytest.raises(LabelsError, match="got 2, 1, 2 and 2"):
        Visits.of(ground, [0, 1], ["a"])
    with pytest.raises(VectorsError, match="of the same model"):
        Visits.of(ground, [-1], ["a"], vectors=np.ones((1, 3)))
    with pytest.raises(LabelsError, match="regions of shape"):
        Ground.of(land(60)[0], regions=[1, 2])


def test_shares_of_a_batch():
    """A fifth, rounded up, never more than the batch."""
    assert [chance_places(n) for n in (1, 5, 6, 10, 11, 100)] == [1, 1, 2, 2, 3, 20]
