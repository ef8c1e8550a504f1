"""Geometry columns of Arrow tables, marked so that GeoPandas, lonboard and DuckDB know them (geoarrow.org)."""

from __future__ import annotations

import pyarrow as pa

__all__ = ["WKB_FIELD", "marked"]

WKB_FIELD: dict[bytes | str, bytes | str] = {
    "ARROW:extension:name": "geoarrow.wkb",
    "ARROW:extension:metadata": '{"crs":"OGC:CRS84","crs_type":"authority_code"}',
}
"""Metadata of a field whose values are WKB in longitude and latitude."""


def marked(table: pa.Table, name: str = "geometry") -> pa.Table:
    """The table with its geometry column marked; as it is where there is none."""
    if name not in table.column_names:
        return table
    place = table.schema.get_field_index(name)
    return table.set_column(place, table.schema.field(name).with_metadata(WKB_FIELD), table[name])
