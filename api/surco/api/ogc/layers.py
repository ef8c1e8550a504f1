"""From a collection and what a request chooses of it to the layer that its pages are cut from."""

from __future__ import annotations

from collections.abc import Mapping

from surco.api.kept import Kept
from surco.api.ogc.collections import Chosen, Collection
from surco.api.ogc.cql2_sql import cells_queryables, parcels_queryables
from surco.api.ogc.mirrors import comuna_mirror, mirror_of
from surco.api.ogc.predictors import predictor_of
from surco.api.ogc.queryables import Queryable
from surco.api.ogc.scanning import Layer
from surco.api.ogc.tokens import belongs
from surco.api.refusals import InvalidError
from surco.embedstore import Store, Table, TableInfo
from surco.embedstore.vector_sources import Source, source_of
from surco.embedstore.versions import read_version

__all__ = ["check_token", "layer_of", "queryables_of", "store_at"]

_OLDER: Kept[Store] = Kept(8)
_SOURCES: Kept[Source] = Kept(64)
_COMUNAS: Mapping[str, Queryable] = {
    "geometry": Queryable("geometry", '"geometry"', "Outline of the comuna"),
    "id": Queryable("text", '"id"', "Official code (CUT), as text"),
    "comuna": Queryable("integer", '"comuna"', "Official code (CUT)"),
    "comuna_name": Queryable("text", '"comuna_name"', "Name"),
    "provincia": Queryable("text", '"provincia"', "Name of the province"),
    "region": Queryable("text", '"region"', "Name of the region"),
}


def store_at(latest: Store, version: int) -> Store:
    """The store at a version, as long as it is kept.

    Raises:
        InvalidError: it is not.
    """
    if version == latest.version:
        return latest
    return _OLDER.get((latest.path, version), lambda: _older(latest, version))


def layer_of(store: Store, collection: Collection, wanted: Chosen) -> Layer | None:
    """The layer that a request means; None where no season of it has the days asked for.

    Raises:
        UnknownError: no table of that season, resolution, model or unit.
        StoreError: a damaged file.
    """
    if collection.kind == "comunas":
        return Layer(comuna_mirror(), {})
    info = collection.chosen(wanted)
    return None if info is None else _of_table(store, collection, info)


def queryables_of(store: Store, collection: Collection, wanted: Chosen) -> Mapping[str, Queryable]:
    """What filters of a collection may name.

    Raises:
        UnknownError: as `layer_of`.
    """
    if collection.kind == "comunas":
        return _COMUNAS
    info = collection.chosen(wanted) or collection.tables[0]
    make = cells_queryables if info.table == "cells" else parcels_queryables
    own = make(store.start_month)
    if collection.adapter is None:
        return own
    return {**own, **predictor_of(store, collection.adapter).queryables}


def _of_table(store: Store, collection: Collection, info: TableInfo) -> Layer:
    table: Table = "cells" if info.table == "cells" else "parcels"

    def find() -> Source:
        return source_of(store, table, season=info.season, resolution=info.resolution, model_id=info.model_id)

    # The digest of a table of hundreds of files takes longer than finding a page's rows.
    key = (store.path, store.version, table, info.season, info.resolution, info.model_id)
    source = _SOURCES.get(key, find)
    predictor = None if collection.adapter is None else predictor_of(store, collection.adapter)
    constants = {"season": info.season, "model": info.model_id}
    return Layer(mirror_of(source), constants, predictor, source)


def check_token(check: int, layer: Layer) -> None:
    """Raise InvalidError where a token was made for another table than the layer's."""
    if not belongs(check, layer.mirror.digest):
        raise InvalidError(
            "Expected the token of a page of this collection, season, resolution and model, got another's. "
            "Follow the next link as it is."
        )


def _older(latest: Store, version: int) -> Store:
    try:
        return Store(latest.path, latest.start_month, read_version(latest.path, version))
    except ValueError as error:
        raise InvalidError(
            f"Expected the token of a version of the store that is kept, got one of version {version}, which is not. "
            "Start again at the first page."
        ) from error
