"""What the client asks of a store: SQL, similar places, vectors, features, quality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import pyarrow as pa

from surco.api.client.transport import Transport

__all__ = ["Asking"]

Table = Literal["cells", "parcels"]
BBox = Sequence[float]


class Asking:
    """Questions that change nothing. Each may raise `ServerError` with the server's own words."""

    _transport: Transport

    def sql(self, query: str, *, limit: int | None = None) -> pa.Table:
        """Answer one SELECT over the store's tables (docs/sql.md).

        Args:
            query: the SQL.
            limit: rows after which the answer ends; None is the server's own cap, which is an error to pass.
        """
        return self._transport.table("POST", "/sql", json={"query": query, "limit": limit})

    def search(
        self,
        like: Sequence[str | Mapping[str, Any]],
        *,
        unlike: Sequence[str | Mapping[str, Any]] = (),
        k: int = 10,
        filter: str | Mapping[str, Any] | None = None,
        bbox: BBox | None = None,
        area: Mapping[str, Any] | None = None,
        comuna: int | str | None = None,
        region: int | str | None = None,
        table: Table | None = None,
        season: str | None = None,
        res: int | None = None,
        model: str | None = None,
        exact: bool | None = None,
    ) -> pa.Table:
        """The `k` places most like the examples; the schema's metadata says how they were found.

        Args:
            like: ids, or `{"place": [lon, lat]}`, or `{"vector": [...]}`.
            unlike: what they are not to be like, written the same way.
            k: how many.
            filter: CQL2, text or JSON.
            bbox: west, south, east, north in degrees.
            area: GeoJSON polygon.
            comuna: code or name.
            region: code or name.
            table: None is cells where the store has them.
            season: None is the latest.
            res: H3 resolution of cells; None is the finest.
            model: needed where the store holds several.
            exact: True compares every row, False demands an index.
        """
        body = {
            "like": list(like),
            "unlike": list(unlike),
            "k": k,
            "filter": filter,
            "bbox": None if bbox is None else list(bbox),
            "area": area,
            "comuna": comuna,
            "region": region,
            "table": table,
            "season": season,
            "res": res,
            "model": model,
            "exact": exact,
        }
        return self._transport.table("POST", "/search", json=body)

    def embeddings(
        self,
        *,
        points: Sequence[Sequence[float]] | None = None,
        ids: Sequence[str] | None = None,
        bbox: BBox | None = None,
        area: Mapping[str, Any] | None = None,
        comuna: int | str | None = None,
        region: int | str | None = None,
        filter: str | Mapping[str, Any] | None = None,
        vectors: Literal["int8", "float", "none"] = "int8",
        columns: Sequence[str] = (),
        table: Table | None = None,
        season: str | None = None,
        res: int | None = None,
        model: str | None = None,
    ) -> pa.Table:
        """Vectors of points, ids or an area: rows in the order of the points or ids, null where nothing is.

        Args:
            points: longitude and latitude of each.
            ids: cells in hexadecimal, or parcel ids.
            bbox: west, south, east, north in degrees.
            area: GeoJSON polygon.
            comuna: code or name.
            region: code or name.
            filter: CQL2, text or JSON.
            vectors: as stored with their scale, dequantised, or left out.
            columns: further columns of the table, "quality" or "all".
            table: None is cells where the store has them.
            season: None is the latest.
            res: H3 resolution of cells; None is the finest.
            model: needed where the store holds several.
        """
        body = {
            "points": None if points is None else [list(point) for point in points],
            "ids": None if ids is None else list(ids),
            "bbox": None if bbox is None else list(bbox),
            "area": area,
            "comuna": comuna,
            "region": region,
            "filter": filter,
            "vectors": vectors,
            "columns": list(columns),
            "table": table,
            "season": season,
            "res": res,
            "model": model,
        }
        return self._transport.table("POST", "/embeddings", json=body)

    def collections(self) -> list[dict[str, Any]]:
        """The collections of OGC API - Features: cells, parcels, comunas, and a map of each adapter."""
        found: list[dict[str, Any]] = self._transport.json("GET", "/collections")["collections"]
        return found

    def items(
        self,
        collection: str,
        *,
        bbox: BBox | None = None,
        filter: str | None = None,
        season: str | None = None,
        most: int | None = None,
        page: int = 1_000,
    ) -> pa.Table:
        """Features of a collection with their geometry as WKB, page by page until the end or `most`.

        `geopandas.GeoDataFrame.from_arrow` takes what comes back.
        """
        params: Mapping[str, Any] | None = {
            "bbox": None if bbox is None else ",".join(str(side) for side in bbox),
            "filter": filter,
            "season": season,
            "limit": page,
        }
        parts: list[pa.Table] = []
        while params is not None:
            part, token = self._transport.page(f"/collections/{collection}/items", params)
            parts.append(part)
            enough = most is not None and sum(len(each) for each in parts) >= most
            params = None if token is None or enough else {**params, "token": token}
        found = pa.concat_tables(
            [part for part in parts if len(part)] or parts[:1], promote_options="default"
        )
        return found if most is None else found.slice(0, most)

    def quality(self, **asked: Any) -> dict[str, Any]:
        """What was observed: coverage, seams, drift between seasons, missing months, holes (docs/quality.md)."""
        found: dict[str, Any] = self._transport.json("GET", "/quality", params=asked)
        return found
