"""`surco meta-train`: labelled series in, the prior that few-label fits start from out."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from surco.adapters import LabelledTable, Rotation, clustered_table, meta_train
from surco.api.errors import ApiError
from surco.api.whole_file import whole_file
from surco.embedstore import dequantize, quantize

if TYPE_CHECKING:
    from surco.encoder import Encoder

__all__ = ["train_prior"]

_SYNTHETIC_WEIGHT = 0.5
_CLUSTER_ROWS = 20  # fewer vectors a cluster say little of its shape
_MOST_CLUSTERS = 24
_CLIMATES = ("north", "central", "south")


def train_prior(
    samples: Path,
    out: Path,
    *,
    model: str = "surco-nano",
    without: tuple[str, ...] = (),
    simulated: int = 3000,
    pseudo: bool = True,
    tasks: int = 12,
    seed: int = 0,
    left_out: Path | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> str:
    """Learn a prior for one encoder's vectors and write its files into the folder `out`.

    Tasks are drawn from the real tables of `samples`, from `simulated` series of each climate of the synthetic
    country, and, where `pseudo`, from clusters of the real tables taken as unlabelled. Vectors are those a store would
    hold, quantised. `left_out` is a folder of the same recipe's models that were trained without some of the tables
    (`scripts/leave_files_out.py`): tasks then come from tables as models see them that have not seen those.

    Returns:
        What was done, for people.

    Raises:
        ApiError: `out` exists, or `left_out` holds no such models.
        EncoderError: tables or a model that cannot be used.
        AdapterError: tables that no task can be drawn from.
    """
    if out.exists():
        raise ApiError(
            f"Expected --out to be a new folder, got {out}, which is there. Name another, or remove it."
        )
    from surco.encoder import load_encoder  # torch: seconds to import

    encoder = load_encoder(model)
    tables = [*_real(encoder, samples, without, pseudo), *_synthetic(encoder, simulated, seed)]
    rotations = [] if left_out is None else list(_rotations(left_out, samples, without, pseudo))

    def told(what: str, done: int, total: int) -> None:
        if progress is not None:
            progress(done, total, what)

    prior = meta_train(
        tables, model_id=encoder.model_id, rotations=rotations, tasks=tasks, seed=seed, progress=told
    )
    _write(out, prior.as_files())
    drawn = sum(t["tasks"] for t in prior.record["tables"])
    return (
        f"Prior for {encoder.model_id} from {drawn} tasks of {len(tables)} tables: local scatter "
        f"{(1 - prior.identity_share) * (1 - prior.learned_share):.0%}, learned covariance "
        f"{(1 - prior.identity_share) * prior.learned_share:.0%}, identity {prior.identity_share:.0%} -> {out}"
    )


def _write(out: Path, contents: Mapping[str, bytes]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(out) as draft:
        draft.mkdir()
        for name, data in contents.items():
            (draft / name).write_bytes(data)


def _real(encoder: Encoder, samples: Path, without: tuple[str, ...], pseudo: bool) -> Iterator[LabelledTable]:
    from surco.encoder.pretrain import sample_tables
    from surco.encoder.samples import read_samples

    for path in sample_tables(samples, without):
        series = read_samples(path)
        vectors, seen = _vectors(encoder, series)
        groups = np.unique(np.asarray(series.group, str)[seen], return_inverse=True)[1]
        labels = np.asarray(series.label, str)[seen]
        yield LabelledTable(path.stem, vectors, labels, groups, origin=path.stem)
        clusters = min(_MOST_CLUSTERS, len(vectors) // _CLUSTER_ROWS)
        if pseudo and clusters > 2:
            yield clustered_table(
                f"clusters of {path.stem}", vectors, groups, clusters=clusters, origin=path.stem
            )


def _rotations(folder: Path, samples: Path, without: tuple[str, ...], pseudo: bool) -> Iterator[Rotation]:
    """The real tables as each model of a folder sees them, with the tables that it has not seen."""
    from surco.encoder import load_encoder

    cards = sorted(folder.glob("*.json")) if folder.is_dir() else []
    unseen = {card: _left_out(card) for card in cards}
    if not any(unseen.values()):
        raise ApiError(
            f"Expected in {folder} models with cards that name the tables they were trained without (`left_out`), got "
            f"{len(cards)} cards and no such name. Make them with scripts/leave_files_out.py, or leave --left-out out."
        )
    for card, names in unseen.items():
        if names - set(without):
            encoder = load_encoder(str(card.with_suffix(".safetensors")))
            yield Rotation(list(_real(encoder, samples, without, pseudo)), names)


def _left_out(card: Path) -> frozenset[str]:
    """The tables that a model's card says it was trained without."""
    try:
        content = json.loads(card.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise ApiError(
            f"Expected a model's card in {card}, got {error}. Copy the folder again, or leave --left-out out."
        ) from error
    names = content.get("left_out", ()) if isinstance(content, dict) else ()
    return frozenset(str(name) for name in names) if isinstance(names, list) else frozenset()


def _synthetic(encoder: Encoder, count: int, seed: int) -> Iterator[LabelledTable]:
    from surco.encoder.simulate import simulate_series

    for number, climate in enumerate(_CLIMATES if count else ()):
        series = simulate_series(count, seed=77_000 + 10 * seed + number, climate=climate)
        vectors, seen = _vectors(encoder, series)
        yield LabelledTable(
            f"synthetic {climate}",
            vectors,
            np.asarray(series.label, str)[seen],
            series.zone[seen],
            _SYNTHETIC_WEIGHT,
            "synthetic",
        )


def _vectors(encoder: Encoder, series: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Vectors as a store gives them back (M, D), and which of the rows (N,) have one."""
    made = encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
    seen = np.asarray(np.isfinite(made).all(axis=1))
    return dequantize(*quantize(made[seen])), seen
