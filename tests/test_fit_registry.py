"""Whose adapters are, on both databases; and rows of large areas by evenly spaced ones."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import shapely
from label_builders import caller, nobody, opened
from postgres_server import postgres_server
from store_builders import LAT, LON, small_store, squares

from surco.api.fits.next_places import cells_inside
from surco.api.fits.parcel_rows import ParcelRows
from surco.api.fits.registry import claim, owners, release, require_owner, settle
from surco.api.refusals import ConflictError, NotAllowedError, QuotaError
from surco.api.state.database import Database
from surco.embedstore.vector_sources import source_of
from surco.embedstore.vectors import table_vectors


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    """A PostgreSQL for all tests here."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    url = request.getfixturevalue("server") if request.param == "postgresql" else None
    with opened(tmp_path, url) as found:
        yield found


def test_a_name_is_somebodys_until_it_is_given_back(database: Database) -> None:
    """The first to claim it owns it; the owner and administrators may go on; what is given back is free."""
    ana, ben = (caller(database, name, "train") for name in ("Ana", "Ben"))
    admin = caller(database, "admin", "admin")
    with database.writing() as connection:
        assert claim(connection, ana, "crops", 2) is True
        assert claim(connection, ana, "crops", 2) is False
        assert claim(connection, admin, "crops", 2) is False
        with pytest.raises(ConflictError, match="somebody else's"):
            claim(connection, ben, "crops", 2)
        with pytest.raises(NotAllowedError, match="Ask its owner"):
            require_owner(connection, ben, "crops")
        require_owner(connection, admin, "crops")
        require_owner(connection, ben, "of-the-command-line")
    with database.writing() as connection:
        settle(connection, ana, "crops", 7, "s_1")
        settle(connection, ana, "crops", 5, "s_0")  # an earlier fit that was noted later
        release(connection, "crops", unwritten=True)
        assert owners(connection) == {"crops": (ana.key_id, "s_1")}
        release(connection, "crops")
        assert claim(connection, ben, "crops", 2) is True
        settle(connection, ana, "gone-meanwhile", 8, None)
        assert owners(connection)["gone-meanwhile"] == (ana.key_id, None)


def test_a_quota_counts_the_owners_names(database: Database) -> None:
    """Of callers without a key together."""
    for who in (caller(database, "Ana", "train"), nobody("train")):
        with database.writing() as connection:
            claim(connection, who, f"one-{who.name}", 1)
        with pytest.raises(QuotaError, match="at most 1 adapters"), database.writing() as connection:
            claim(connection, who, f"two-{who.name}", 1)
    with database.reading() as connection:
        assert set(owners(connection)) == {"one-Ana", "one-anonymous"}


def test_large_areas_are_evenly_spaced_rows(tmp_path: Path) -> None:
    """Every so manieth row of the table stands for those between, and all lie in the box."""
    source = source_of(small_store(tmp_path / "s", 200), "cells")
    box = shapely.box(LON - 0.02, LAT - 0.02, LON + 0.02, LAT + 0.02)
    every, one = cells_inside(source, box)
    some, step = cells_inside(source, box, 40)
    assert one == 1 and step == 5 and set(some) == set(every[np.isin(every, np.arange(0, 200, 5))])
    assert len(table_vectors(source).keys) == 200 and 0 < len(some) < len(every) < 200


def test_parcels_are_found_by_point_and_by_box(tmp_path: Path) -> None:
    """The parcel that holds a point, the first of two that share an edge; outlines by row."""
    parcels = ParcelRows.of(source_of(small_store(tmp_path / "s"), "parcels"))
    keys = [str(key) for key in table_vectors(parcels.source).keys.to_pylist()]
    shapes = squares(40)
    points = np.array([*shapely.centroid(shapes[[7, 20]]), shapely.Point(0, 0), shapely.Point(LON, LAT)])
    found = parcels.at(points)
    assert [keys[row] if row >= 0 else None for row in found] == ["p7", "p20", None, "p0"]
    whole = parcels.shapes(np.arange(40))
    assert all(whole[row].equals(shapes[int(key[1:])]) for row, key in enumerate(keys))
    inside = parcels.inside(shapely.box(LON, LAT, LON + 0.0045, LAT + 0.0045))
    assert {keys[row] for row in inside} == {"p0", "p1", "p10", "p11"}
    assert len(parcels.shapes(np.empty(0, np.int64))) == 0
