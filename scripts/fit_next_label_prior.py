"""Write the prior of the next-label bandit: payoffs of all arms in campaigns whose truth is known.

    python scripts/fit_next_label_prior.py ../shared/data/samples --models scratch/lo/n4b --campaigns 10

Every campaign begins with eight places by herding and two by chance. In each of its states, 10 to 90 labels, every arm
takes eight places from the same labels, and its gain of macro-F1 on held-out groups is measured; then one arm, drawn at
random, goes on, with two places by chance. The splits are others than those of `evaluate_next_label.py`.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from next_label_tables import Field, LabelledTable, read_tables, splits

from surco.adapters.next_label import ARMS, INCUMBENT, Prior
from surco.adapters.next_label.campaign import Campaign
from surco.adapters.next_label.contexts import context_of
from surco.adapters.next_label.learner import Classifier
from surco.adapters.next_label.openings import Openings
from surco.adapters.next_label.prior_sources import Source
from surco.adapters.next_label.probability_sample import chance_places, drawn_by_chance
from surco.adapters.next_label.standing import campaign_at, tried

OUT = Path(__file__).parents[1] / "adapters/surco/adapters/next_label/prior.json"
BATCH = 10
BY_CHANCE = chance_places(BATCH)
LABELS = 100
SEED = 1_000_003
State = tuple[np.ndarray, np.ndarray, np.ndarray]


def campaign(field: Field, rng: np.random.Generator) -> list[State]:
    """Context (F,), gains (A,) and observables (A, Z) of each state of one campaign."""
    visited = np.empty(0, np.int64)
    states: list[State] = []
    while len(visited) < LABELS:
        chance, left = drawn(field, visited, rng)
        labelled = field.labelled(visited)
        adapter = field.frame.learner.fit(labelled)
        before = campaign_at(field.ground, field.frame, labelled, adapter)
        if adapter is None:
            took = by_arm(field, before, INCUMBENT, left, rng)
        else:
            batches = {arm: by_arm(field, before, arm, left, rng) for arm in ARMS}
            states.append(state(field, before, adapter, batches, chance))
            took = batches[str(rng.choice([*ARMS, INCUMBENT, INCUMBENT]))]
        visited = np.concatenate([visited, chance, took])
    return states


def drawn(field: Field, visited: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The places of a batch that are drawn by chance, and those that are left to the arms."""
    free = np.setdiff1d(np.arange(len(field.ground)), visited)
    chance, _ = drawn_by_chance(field.ground.region, free, BY_CHANCE, rng)
    return chance, np.setdiff1d(free, chance)


def by_arm(
    field: Field, before: Campaign, arm: str, left: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Rows that an arm takes."""
    openings = Openings(field.ground.group[field.frame.row], ~np.isin(field.frame.row, left))
    return field.frame.row[ARMS[arm](before, openings, BATCH - BY_CHANCE, rng)]


def state(
    field: Field, before: Campaign, adapter: Classifier, batches: Mapping[str, np.ndarray], chance: np.ndarray
) -> State:
    """What every arm did from the same labels; its gain without the places drawn by chance."""
    held_out, base = field.labelled(chance), field.score(adapter)
    gains, told = [], []
    for rows in batches.values():
        observables, grown = tried(field.frame.learner, before, adapter, field.labelled(rows), held_out)
        told.append(observables)
        gains.append(field.score(grown) - base)
    return context_of(before), np.array(gains), np.array(told)


def source(table: LabelledTable, campaigns: int) -> Source:
    """The states of a table's campaigns, summed up."""
    states: list[State] = []
    for number, split in enumerate(splits(table, campaigns, SEED)):
        states += campaign(Field.of(table, split), np.random.default_rng([SEED, number]))
    contexts, gains, observables = (np.array(part) for part in zip(*states, strict=True))
    return Source.of(contexts, gains - gains.mean(axis=1, keepdims=True), observables)


def main(argv: Sequence[str] | None = None) -> None:
    """Write the prior, source by source."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("samples", type=Path, help="folder of sample tables")
    parser.add_argument("--models", type=Path, help="folder of leave_files_out.py; surco-nano if left out")
    parser.add_argument("--cache", type=Path, default=Path("scratch/next_label"), help="folder for vectors")
    parser.add_argument("--campaigns", type=int, default=10, help="of each table")
    parser.add_argument("--out", type=Path, default=OUT)
    args = parser.parse_args(argv)
    sources = {}
    for table in read_tables(args.samples, args.models, args.cache):
        sources[table.name] = source(table, args.campaigns)
        print(f"{table.name}: {sources[table.name].states} states", flush=True)
    prior = Prior(sources)
    args.out.write_text(json.dumps(prior.plain(), separators=(",", ":")) + "\n")
    belief = prior.belief()
    print(f"payoff deviation {belief.noise**0.5:.4f}, reliability of estimates {belief.reliability:.3f}")


if __name__ == "__main__":
    main()
