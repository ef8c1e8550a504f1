"""The next-label bandit: its prior, what it learns, and what it looks at."""

from __future__ import annotations

import json

import numpy as np
import pytest

from surco.adapters import SettingsError
from surco.adapters.next_label import ARMS, INCUMBENT, Bandit, Prior, shipped_prior
from surco.adapters.next_label.campaign import Campaign, Guess, Labelled
from surco.adapters.next_label.contexts import FEATURES, context_of
from surco.adapters.next_label.coverage import Coverage
from surco.adapters.next_label.prior_sources import Source
from surco.adapters.next_label.rewards import OBSERVABLES, observed

F, A, Z = len(FEATURES), len(ARMS), len(OBSERVABLES)
NAMES = [*ARMS]


def simulated(states: int = 400, *, tells: float = 1.0, seed: int = 0) -> tuple[Source, np.ndarray]:
    """A source whose payoffs are linear in the context; the first observable is the payoff and noise, by `tells`."""
    rng = np.random.default_rng(seed)
    contexts = np.column_stack([np.ones(states), rng.uniform(0, 1, (states, F - 1))])
    weights = np.random.default_rng(5).normal(size=(A, F)) * 0.02
    payoffs = contexts @ weights.T + 0.01 * rng.normal(size=(states, A))
    payoffs -= payoffs.mean(axis=1, keepdims=True)
    reports = rng.normal(size=(states, A, Z))
    reports[:, :, 0] = tells * payoffs / payoffs.std() + (1 - tells) * reports[:, :, 0]
    return Source.of(contexts, payoffs, reports), weights - weights.mean(axis=0)


def context(**values: float) -> np.ndarray:
    """A context of halves, but for some of its features."""
    return np.array(
        [1.0 if name == "constant" else values.get(name.replace(" ", "_"), 0.5) for name in FEATURES]
    )


def test_the_prior_finds_what_pays():
    """The regression over sources recovers the payoffs of simulated campaigns, and how well estimates tell them."""
    source, weights = simulated()
    belief = Prior({"one": source, "two": simulated(seed=1)[0]}).belief()
    here = context(entropy=0.9, coverage=0.1)
    np.testing.assert_allclose(belief.weights @ here, weights @ here, atol=0.004)
    assert belief.reliability > 0.95
    assert Prior({"deaf": simulated(tells=0.0)[0]}).belief().reliability < 0.3
    np.testing.assert_allclose(belief.noise**0.5, 0.01, rtol=0.3)


def test_sources_can_be_left_out():
    """A prior without a source is the one that never had it; an unknown name is refused with those that there are."""
    one, two = simulated()[0], simulated(seed=1)[0]
    left = Prior({"one": one, "two": two}).without("two").belief()
    np.testing.assert_array_equal(left.weights, Prior({"one": one}).belief().weights)
    with pytest.raises(SettingsError, match="one, two; got three"):
        Prior({"one": one, "two": two}).without("three")
    with pytest.raises(SettingsError, match="at least one source"):
        Prior({"one": one}).without("one").belief()


def test_priors_are_kept_as_json():
    """What is written is read back to five digits."""
    prior = Prior({"one": simulated()[0]})
    back = Prior.of_plain(json.loads(json.dumps(prior.plain())))
    np.testing.assert_allclose(back.belief().weights, prior.belief().weights, rtol=1e-2, atol=1e-4)
    assert back.sources["one"].states == 400


@pytest.mark.parametrize(
    "damage",
    [
        lambda plain: plain.update(arms=["herding"]),
        lambda plain: plain.update(sources=[]),
        lambda plain: plain["sources"]["one"].pop("payoffs"),
        lambda plain: plain["sources"]["one"].update(squares=[1.0]),
        lambda plain: plain["sources"]["one"].update(contexts="x"),
        lambda plain: plain["sources"].update(one=None),
        lambda plain: plain["sources"]["one"]["reports"][0].__setitem__(0, float("nan")),
        lambda plain: plain["sources"]["one"].update(states="many"),
    ],
)
def test_damaged_priors_are_refused(damage):
    """A prior of other arms, without sources, or with numbers of the wrong shape, is refused in a sentence."""
    plain = Prior({"one": simulated()[0]}).plain()
    damage(plain)
    with pytest.raises(SettingsError, match="expected"):
        Prior.of_plain(plain)


def test_the_shipped_prior_is_whole():
    """The package's prior has real and synthetic sources, a finite belief, and an estimate that tells something."""
    prior = shipped_prior()
    assert {"chile_maule_2020", "synthetic central"} <= set(prior.sources)
    belief = prior.belief()
    assert np.isfinite(belief.weights).all()
    assert 0 < belief.reliability < 1
    assert belief.weights.shape == (A, F)


def test_the_bandit_takes_what_pays_in_a_context():
    """Two contexts in which different arms pay: the bandit takes the better arm of each nearly always."""
    rng = np.random.default_rng(0)
    contexts = np.column_stack([np.ones(500), rng.uniform(0, 1, (500, F - 1))])
    payoffs = 0.002 * rng.normal(size=(500, A))
    labels = FEATURES.index("labels")
    payoffs[:, NAMES.index("margin")] += 0.1 * (contexts[:, labels] - 0.5)
    payoffs -= payoffs.mean(axis=1, keepdims=True)
    prior = Prior({"one": Source.of(contexts, payoffs, rng.normal(size=(500, A, Z)))})
    bandit, draws = Bandit(prior), np.random.default_rng(1)
    late = [bandit.choose(context(labels=1.0), draws) for _ in range(100)]
    early = [bandit.choose(context(labels=0.0), draws) for _ in range(100)]
    assert late.count("margin") > 95
    assert early.count("margin") < 5


@pytest.mark.parametrize(("elsewhere", "taken"), [(0.02, "margin"), (-0.01, INCUMBENT)])
def test_the_incumbent_gives_way_to_what_leads_everywhere(elsewhere, taken):
    """An arm that leads in all sources is taken; one that leads on average, but not in every source, is not."""
    rng = np.random.default_rng(0)
    sources = {}
    for name, lead in (("here", 0.02), ("there", elsewhere)):
        contexts = np.column_stack([np.ones(300), rng.uniform(0, 1, (300, F - 1))])
        payoffs = 0.001 * rng.normal(size=(300, A))
        payoffs[:, NAMES.index("margin")] += lead
        payoffs -= payoffs.mean(axis=1, keepdims=True)
        sources[name] = Source.of(contexts, payoffs, rng.normal(size=(300, A, Z)))
    bandit, draws = Bandit(Prior(sources)), np.random.default_rng(0)
    assert [bandit.choose(context(), draws) for _ in range(20)] == [taken] * 20


def test_a_campaign_can_overrule_the_prior():
    """Batches of an arm that do far better than expected bring the bandit to it; batches that do worse drive it off."""
    source, _ = simulated()
    here = context()
    for sign in (1.0, -1.0):
        bandit = Bandit(Prior({"one": source}), worth=5.0)
        before = bandit.expected(here)["novelty"]
        told = np.zeros(Z)
        told[0] = sign * 20
        for _ in range(20):
            estimate = bandit.learn("novelty", here, told)
        assert np.sign(estimate) == sign
        assert sign * (bandit.expected(here)["novelty"] - before) > 0.02
        draws = np.random.default_rng(0)
        share = np.mean([bandit.choose(here, draws) == "novelty" for _ in range(50)])
        assert share > 0.9 if sign > 0 else share < 0.1


def test_estimates_that_tell_nothing_teach_nothing():
    """Where observables do not go with payoffs, no report moves what is expected."""
    rng = np.random.default_rng(0)
    contexts = np.column_stack([np.ones(300), rng.uniform(0, 1, (300, F - 1))])
    payoffs = rng.normal(size=(300, A))
    payoffs -= payoffs.mean(axis=1, keepdims=True)
    bandit = Bandit(Prior({"one": Source.of(contexts, payoffs, np.zeros((300, A, Z)))}))
    before = bandit.expected(context())
    bandit.learn("margin", context(), np.full(Z, 100.0))
    assert bandit.expected(context())["margin"] == pytest.approx(before["margin"], abs=0.02)


def test_arms_that_are_equal_go_to_the_incumbent():
    """Where nothing speaks for any arm and nothing is uncertain, herding is taken."""
    contexts = np.column_stack([np.ones(50), np.random.default_rng(0).uniform(0, 1, (50, F - 1))])
    prior = Prior({"one": Source.of(contexts, np.zeros((50, A)), np.zeros((50, A, Z)))})
    assert Bandit(prior).choose(context(), np.random.default_rng(0)) == INCUMBENT


@pytest.mark.parametrize(
    "wrong", [{"worth": 0.0}, {"worth": float("nan")}, {"discount": 1.5}, {"discount": -0.1}]
)
def test_settings_out_of_range(wrong):
    """A worth or a discount out of range is refused."""
    with pytest.raises(SettingsError, match="worth more than 0"):
        Bandit(Prior({"one": simulated()[0]}), **wrong)


def test_an_arm_that_there_is_not():
    """Learning of an unknown arm is refused with the names of those that there are."""
    with pytest.raises(SettingsError, match="herding"):
        Bandit(Prior({"one": simulated()[0]})).learn("guessing", context(), np.zeros(Z))


def standing(labels: list[str], regions: list[int]) -> Campaign:
    """Forty candidates in two clusters and two equal regions, some labelled; class a is expected in the first."""
    rng = np.random.default_rng(0)
    vectors = np.repeat(np.eye(2, 8), 20, axis=0) + 0.02 * rng.normal(size=(40, 8))
    vectors = vectors.astype(np.float32)
    rows = np.array([0 if name == "a" else 20 for name in labels]) + np.arange(len(labels))
    chances = np.repeat(np.array([[0.9, 0.1], [0.2, 0.8]], np.float32), 20, axis=0)
    labelled = Labelled(vectors[rows], np.array(labels), np.array(regions, np.int64))
    coverage = Coverage.of(vectors).labelled(labelled.vectors)
    guess = Guess(np.array(["a", "b"]), chances)
    return Campaign(coverage, np.tile([0, 1], 20), np.array([0.5, 0.5]), labelled, guess)


def test_contexts_say_what_they_are_named_after():
    """Balanced labels in both regions have no imbalance and agree with the guess; one-sided ones do not."""
    even = dict(zip(FEATURES, context_of(standing(["a", "b"], [0, 1])), strict=True))
    assert even["class imbalance"] == pytest.approx(0.0)
    assert even["region imbalance"] == pytest.approx(0.0)
    assert even["disagreement"] == 0.0
    assert even["labels"] == pytest.approx(np.log10(3) / 2)
    assert 0 < even["entropy"] < 1
    odd = dict(zip(FEATURES, context_of(standing(["a", "a", "a"], [1, 1, -1])), strict=True))
    assert odd["class imbalance"] == pytest.approx(1.0)
    assert odd["region imbalance"] == pytest.approx(0.5)
    assert odd["disagreement"] == pytest.approx(0.5)
    assert odd["coverage"] < even["coverage"]


def test_observables_say_what_a_batch_did():
    """A surprising label of a new class in the uncovered cluster, which mends the held-out loss, shows in each."""
    before = standing(["a", "a"], [0, 0])
    vectors = before.candidates
    batch = Labelled(vectors[[25]], np.array(["c"]), np.array([1]))
    names = np.array(["a", "b", "c"])
    after = Guess(names, np.repeat(np.array([[0.9, 0.1, 0.0], [0.1, 0.1, 0.8]], np.float32), 20, axis=0))
    old = Guess(np.array(["a", "b"]), np.array([[0.2, 0.8]], np.float32))
    new = Guess(names, np.array([[0.1, 0.1, 0.8]], np.float32))
    held_out = Labelled(vectors[[30]], np.array(["c"]), np.array([1]))
    told = dict(zip(OBSERVABLES, observed(before, after, batch, old, held_out, (old, new)), strict=True))
    assert told["surprise"] == pytest.approx(np.log(5))
    assert told["new classes"] == 1.0
    assert told["coverage gain"] > 0.2
    assert told["prediction change"] == pytest.approx(0.5 * 0.8)
    assert told["held-out gain"] == pytest.approx(np.log(5) + np.log(0.8))
    none = Labelled(vectors[:0], np.array([], np.str_), np.array([], np.int64))
    without = observed(before, after, batch, old, none, (old, new))
    assert without[OBSERVABLES.index("held-out gain")] == 0.0
