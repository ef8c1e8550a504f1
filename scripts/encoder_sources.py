"""Which encoder serves which table: one by name for all, or those of a folder that have not seen the table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from surco.encoder import Encoder, EncoderError, ModelError, SampleSeries, load_encoder


def encoders(model: str, tables: Sequence[str]) -> dict[str, Encoder]:
    """An encoder for each table.

    Args:
        model: a name that `load_encoder` knows, or a folder that `leave_files_out.py` wrote.
        tables: names of tables.

    Raises:
        ModelError: no such model, or the folder has none that was trained without one of the tables.
    """
    folder = Path(model)
    if not folder.is_dir():
        encoder = load_encoder(model)
        return dict.fromkeys(tables, encoder)
    found = _left_out(folder)
    if missing := sorted(set(tables) - set(found)):
        raise ModelError(
            f"Expected in {folder} models trained without {', '.join(missing)}, found models without "
            f"{', '.join(sorted(found)) or 'nothing'}. Train them with leave_files_out.py, or name fewer tables."
        )
    return {name: load_encoder(str(found[name])) for name in tables}


def _left_out(folder: Path) -> dict[str, Path]:
    """The weights of the model that has not seen a table, by the table's name."""
    found: dict[str, Path] = {}
    for card in sorted(folder.glob("*.json")):
        weights = card.with_suffix(".safetensors")
        for name in json.loads(card.read_text()).get("left_out", ()):
            if name in found:
                raise ModelError(
                    f"Expected in {folder} one model trained without {name}, got {found[name].name} and "
                    f"{weights.name}. Keep each way of leaving files out in a folder of its own."
                )
            found[name] = weights
    return found


def seen_in_training(by_table: Mapping[str, Encoder], tables: Sequence[str]) -> list[str]:
    """Tables that the encoder which serves them was trained on, as far as its card tells."""
    return [name for name in tables if name in getattr(by_table[name], "card", {}).get("data", ())]


def encode(encoder: Encoder, series: SampleSeries) -> np.ndarray:
    """(N, D) vectors of a table; NaN rows where the encoder can make nothing of a row."""
    if not series.valid.any():
        raise EncoderError("Expected a series with a valid value, got none. Drop fewer channels.")
    return encoder.encode(series.values, series.valid, series.dates, series.lonlat, series.static)
