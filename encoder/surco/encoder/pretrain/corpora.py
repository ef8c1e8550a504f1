"""The shipped encoder's corpora: tables of real series from a folder, and series of the synthetic country."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from surco.encoder.errors import SamplesError
from surco.encoder.pretrain.corpus import Dataset, from_samples
from surco.encoder.samples import read_samples
from surco.encoder.simulate import simulate_series

__all__ = ["CREDITS", "read_corpora", "sample_tables", "simulated_corpora"]

CREDITS = (
    "INE Chile (UN Handbook on Remote Sensing for Agricultural Statistics), WorldCereal public extractions and "
    "reference data (MIT; French RPG, Licence Ouverte), modified Copernicus Sentinel data, AgERA5; "
    "synthetic series made with PROSAIL; taught by Presto (Tseng et al. 2023, MIT) where the card names it"
)
"""Whose data the shipped weights were made from."""

_LARGE = 1000


def read_corpora(folder: Path, without: Collection[str] = ()) -> list[Dataset]:
    """Every sample table of a folder as a data set; a large one is drawn from twice as often.

    Args:
        folder: of `*.parquet` in the layout of docs/samples.md.
        without: names (of files, without ending) to leave out, for leave-one-file-out.

    Raises:
        SamplesError: no table there, a name to leave out that is none, or a table that cannot be read.
    """
    found = []
    for path in sample_tables(folder, without):
        s = read_samples(path)
        weight = 2.0 if len(s.label) > _LARGE else 1.0
        found.append(
            from_samples(
                path.stem, s.values, s.valid, s.dates, s.lonlat, s.static, s.label.tolist(), weight=weight
            )
        )
    return found


def sample_tables(folder: Path, without: Collection[str] = ()) -> list[Path]:
    """Paths of the sample tables of a folder, by name; arguments and errors as for `read_corpora`."""
    paths = sorted(folder.glob("*.parquet")) if folder.is_dir() else []
    names = [path.stem for path in paths]
    if not paths or not set(without) <= set(names):
        raise SamplesError(
            f"Expected sample tables (*.parquet) in {folder}{_among(without)}, got {names or 'none'}. "
            "Check the folder and the names."
        )
    return [path for path in paths if path.stem not in without]


def _among(without: Collection[str]) -> str:
    return f" with {', '.join(sorted(without))} among them" if without else ""


def simulated_corpora(series: int, seed: int) -> list[Dataset]:
    """Four synthetic sets of so many series: one of each climate, and one over all of them."""
    found = []
    for number, climate in enumerate(("north", "central", "south", None)):
        s = simulate_series(series, seed=seed + 1000 + number, climate=climate)
        name = f"simulated_{climate or 'all'}"
        found.append(
            from_samples(
                name,
                s.values,
                s.valid,
                s.dates,
                s.lonlat,
                s.static,
                s.label.tolist(),
                weight=1.75,
                zone=s.zone,
            )
        )
    return found
