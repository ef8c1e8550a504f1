"""What the client teaches a store: label sets, adapters, their maps and areas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from surco.api.client.transport import Transport
from surco.api.refusals import InvalidError

__all__ = ["Teaching"]

Answer = dict[str, Any]


class Teaching:
    """Label sets, adapters and maps. Each may raise `ServerError` with the server's own words."""

    _transport: Transport

    def label_sets(self) -> list[Answer]:
        """The label sets that the key sees."""
        found: list[Answer] = []
        after: str | None = None
        while True:
            page = self._transport.json("GET", "/labels", params={"after": after, "limit": 100})
            found += page["sets"]
            after = page.get("next")
            if after is None:
                return found

    def create_label_set(
        self, name: str, *, kind: Literal["class", "value"] = "class", **about: Any
    ) -> Answer:
        """Make a label set.

        Args:
            name: for people.
            kind: whether its labels are classes or measured values.
            about: description, unit, season, public, contributions.
        """
        made: Answer = self._transport.json("POST", "/labels", json={"name": name, "kind": kind, **about})
        return made

    def add_labels(self, set_id: str, features: Mapping[str, Any]) -> Answer:
        """Add one GeoJSON Feature, or all of a FeatureCollection."""
        added: Answer = self._transport.json("POST", f"/labels/{_part(set_id)}/items", json=features)
        return added

    def upload_labels(self, set_id: str, file: str | Path, **wishes: Any) -> Answer:
        """Add the labels of a file, all or none (docs/labels-api.md says which files).

        Args:
            set_id: of the set.
            file: the file.
            wishes: class_column, value_column, crs, layer, encoding, faults ("skip" adds those that are sound).

        Raises:
            InvalidError: no such file.
        """
        path = Path(file)
        if not path.is_file():
            raise InvalidError(f"Expected a file of labels, got {path}, which is none. Correct its name.")
        with path.open("rb") as body:
            done: Answer = self._transport.json(
                "POST",
                f"/labels/{_part(set_id)}/upload",
                params={"filename": path.name, **wishes},
                content=body,
                headers={"content-type": "application/octet-stream"},
            )
        return done

    def export_labels(self, set_id: str, out: str | Path) -> Path:
        """Write a set as .geojson, .csv, .gpkg or .parquet."""
        form = _by_ending(out, {"geojson": "geojson", "csv": "csv", "gpkg": "gpkg", "parquet": "geoparquet"})
        return self._transport.download(f"/labels/{_part(set_id)}/export", out, params={"f": form})

    def agreement(self, set_id: str) -> Answer:
        """How far the people who labelled the same places agree, and where they do not."""
        found: Answer = self._transport.json("GET", f"/labels/{_part(set_id)}/agreement")
        return found

    def fit(
        self,
        name: str,
        labels: str | Mapping[str, Any],
        *,
        scores: Literal["quick", "full"] = "quick",
        **wishes: Any,
    ) -> Answer:
        """Fit an adapter on a label set or a GeoJSON FeatureCollection: its card, scores, calibration and areas.

        Args:
            name: of the adapter; one of that name becomes an earlier version.
            labels: id of a set, or features.
            scores: "full" adds the baselines that take longer.
            wishes: task, column, target, target_unit, season, unit, model, legend, consensus.
        """
        body = {"name": name, "labels": labels, **wishes}
        made: Answer = self._transport.json("POST", "/adapters", params={"scores": scores}, json=body)
        return made

    def adapters(self) -> list[Answer]:
        """The store's adapters with what their cards say."""
        found: list[Answer] = self._transport.json("GET", "/adapters")["adapters"]
        return found

    def adapter(self, name: str) -> Answer:
        """An adapter's card."""
        card: Answer = self._transport.json("GET", f"/adapters/{_part(name)}")
        return card

    def delete_adapter(self, name: str) -> None:
        """Take an adapter out of the store's next version."""
        self._transport.json("DELETE", f"/adapters/{_part(name)}")

    def next_labels(
        self, name: str, *, count: int = 10, bbox: Sequence[float] | None = None, **asked: Any
    ) -> Answer:
        """The places whose labels would help an adapter most, as GeoJSON with the reasons."""
        box = None if bbox is None else ",".join(str(side) for side in bbox)
        params = {"count": count, "bbox": box, **asked}
        found: Answer = self._transport.json("GET", f"/adapters/{_part(name)}/next", params=params)
        return found

    def predict(self, name: str, **asked: Any) -> Answer:
        """What an adapter says of `points`, `ids` or `vectors`."""
        found: Answer = self._transport.json("POST", f"/adapters/{_part(name)}/predict", json=asked)
        return found

    def export_map(self, adapter: str, season: str, out: str | Path, **asked: Any) -> Path:
        """Write a map as .parquet, .geojson, .fgb or .tif, of the country or of an area.

        Args:
            adapter: its name.
            season: of the map.
            out: the file.
            asked: bbox (text), comuna, region, unit, res, level, abstain, geometry, columns.
        """
        form = _by_ending(out, {"parquet": "parquet", "geojson": "geojson", "fgb": "fgb", "tif": "tif"})
        return self._transport.download(_map(adapter, season, "export"), out, params={"f": form, **asked})

    def areas(
        self, adapter: str, season: str, *, within: Mapping[str, Any] | None = None, **asked: Any
    ) -> Answer:
        """Hectares by class; with `sample=SET` estimated, with intervals (docs/areas.md).

        Args:
            adapter: its name.
            season: of the map.
            within: a GeoJSON Polygon or MultiPolygon in degrees; places count with the share inside.
            asked: by ("comuna", "province", "region"), sample, method, confidence, bbox (text), comuna, region.
        """
        return self._of_part(_map(adapter, season, "areas"), within, asked)

    def values(
        self, adapter: str, season: str, *, within: Mapping[str, Any] | None = None, **asked: Any
    ) -> Answer:
        """Mean and total of a yield adapter's values; arguments as of `areas`, and crop ("adapter:class")."""
        return self._of_part(_map(adapter, season, "values"), within, asked)

    def _of_part(self, path: str, within: Mapping[str, Any] | None, asked: Mapping[str, Any]) -> Answer:
        method, body = ("GET", {}) if within is None else ("POST", {"json": {"within": within}})
        found: Answer = self._transport.json(method, path, params={"f": "json", **asked}, **body)
        return found


def _map(adapter: str, season: str, what: str) -> str:
    return f"/maps/{_part(adapter)}/{_part(season)}/{what}"


def _part(name: str) -> str:
    """A name as one part of a path."""
    return quote(name, safe="")


def _by_ending(out: str | Path, forms: Mapping[str, str]) -> str:
    ending = Path(out).suffix.lower().removeprefix(".")
    if ending not in forms:
        raise InvalidError(
            f"Expected a file ending in .{', .'.join(forms)}, got {Path(out).name!r}. Rename it."
        )
    return forms[ending]
