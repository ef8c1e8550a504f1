"""Makes the two small tables by which `surco.embedstore` knows the comuna of a cell.

`comunas.parquet`: CUT code, name, province and region of the 346 comunas. `comuna_cells.parquet`: H3 cells and the
comuna that holds their centres, resolution 9, compacted: seven children of one comuna become their parent, up to
resolution 4. Both come from the limits of Biblioteca del Congreso Nacional de Chile, which carry CUT codes.

The limits are drawn with some hundred metres of tolerance. Where two comunas overlap by it (a cell in 140), the cell
goes to the lower code; where a sliver is left between comunas (a cell in 240), to the nearest. The zone without
demarcation in the southern ice field belongs to none. Antártica (12202) has no limits there: it has a name
and no cells.

    python scripts/make_places.py ../shared/data/chile
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import h3ronpy
import h3ronpy.vector
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq
import shapely

OUT = Path(__file__).resolve().parents[1] / "embedstore/surco/embedstore/chile"
RESOLUTION = 9
CENTRE = h3ronpy.ContainmentMode.ContainsCentroid

REGIONS = {
    15: "Arica y Parinacota", 1: "Tarapacá", 2: "Antofagasta", 3: "Atacama", 4: "Coquimbo", 5: "Valparaíso",
    13: "Metropolitana de Santiago", 6: "O'Higgins", 7: "Maule", 16: "Ñuble", 8: "Biobío", 9: "La Araucanía",
    14: "Los Ríos", 10: "Los Lagos", 11: "Aysén", 12: "Magallanes",
}  # fmt: skip
"""Names as the encoder's synthetic country has them."""

PROVINCES = {
    14: "Tamarugal", 57: "San Felipe de Aconcagua", 83: "Biobío", 102: "Chiloé", 124: "Última Esperanza",
    141: "Valdivia", 161: "Diguillín",
}  # fmt: skip
"""Where the file is older than the province (Tamarugal, Diguillín), contradicts itself (Valdivia) or lacks accents."""

COMUNAS = {8206: "Los Álamos", 8301: "Los Ángeles", 16206: "Ránquil"}
"""Where the file lacks an accent."""

ANTARCTICA = (12202, "Antártica", "Antártica Chilena")

Cells = npt.NDArray[np.uint64]
Codes = npt.NDArray[np.uint16]


def read_comunas(path: Path) -> tuple[list[dict[str, Any]], list[shapely.Geometry]]:
    """Properties and repaired polygons of every feature, by code; code 0 is the zone without demarcation."""
    features = json.loads(path.read_text(encoding="utf-8"))["features"]
    features.sort(key=lambda feature: feature["properties"]["cod_comuna"])
    shapes = shapely.make_valid([shapely.geometry.shape(feature["geometry"]) for feature in features])
    return [feature["properties"] for feature in features], [polygonal(shape) for shape in shapes]


def polygonal(shape: shapely.Geometry) -> shapely.Geometry:
    """The polygons of a repaired shape, which may also hold lines and points."""
    return shapely.union_all([part for part in shapely.get_parts([shape]) if part.area > 0])


def names(rows: list[dict[str, Any]]) -> pa.Table:
    """The table of comunas."""
    held = [(int(row["cod_comuna"]), row["Comuna"], row["Provincia"]) for row in rows if row["cod_comuna"]]
    held = sorted([*held, ANTARCTICA])
    return pa.table(
        {
            "cut": pa.array([cut for cut, _, _ in held], pa.uint16()),
            "comuna": pa.array([COMUNAS.get(cut, name) for cut, name, _ in held]),
            "provincia_cut": pa.array([cut // 100 for cut, _, _ in held], pa.uint16()),
            "provincia": pa.array([PROVINCES.get(cut // 100, name) for cut, _, name in held]),
            "region_cut": pa.array([cut // 1000 for cut, _, _ in held], pa.uint16()),
            "region": pa.array([REGIONS[cut // 1000] for cut, _, _ in held]),
        }
    )


def cells_of(codes: list[int], shapes: list[shapely.Geometry]) -> tuple[Cells, Codes]:
    """Every cell with its centre in a shape, once, by cell: the first of several shapes has it."""
    lists = pa.array(h3ronpy.vector.wkb_to_cells(pa.array(shapely.to_wkb(shapes)), RESOLUTION, CENTRE))
    code = np.repeat(np.array(codes, np.uint16), np.diff(lists.offsets.to_numpy()))
    cells, first = np.unique(lists.values.to_numpy(), return_index=True)
    return cells, code[first]


def slivers(codes: list[int], shapes: list[shapely.Geometry]) -> tuple[Cells, Codes]:
    """Cells with their centre in a hole between the shapes, and the code of the nearest shape."""
    whole = shapely.get_parts([polygonal(shapely.union_all(shapes))])
    holes = [shapely.Polygon(ring) for part in whole for ring in part.interiors]
    cells, _ = cells_of([0] * len(holes), holes)
    points = shapely.from_wkb(pa.array(h3ronpy.vector.cells_to_wkb_points(pa.array(cells))).to_pylist())
    return cells, np.array(codes, np.uint16)[shapely.STRtree(shapes).nearest(points)]


def compacted(cells: Cells, code: Codes) -> pa.Table:
    """The facts, compacted, in the order of their first descendants; code 0 left out."""
    parts = [
        (pa.array(h3ronpy.compact(pa.array(cells[code == each]))).to_numpy(), each)
        for each in np.unique(code)
        if each
    ]
    h3 = np.concatenate([part for part, _ in parts])
    comuna = np.concatenate([np.full(len(part), each, np.uint16) for part, each in parts])
    # Without the bits of its resolution a cell sorts behind its own descendants and before those of the next.
    order = np.argsort(h3 & ~(np.uint64(15) << np.uint64(52)))
    return pa.table({"h3": h3[order], "comuna": comuna[order]})


def main(folder: Path) -> None:
    """Write both tables."""
    rows, shapes = read_comunas(folder / "comunas.geojson")
    codes = [int(row["cod_comuna"]) for row in rows]
    # The zone without demarcation gives way to comunas: it comes last.
    cells, code = cells_of([*codes[1:], codes[0]], [*shapes[1:], shapes[0]])
    gap, nearest = slivers(codes, shapes)
    fresh = ~np.isin(gap, cells)
    gap, nearest = gap[fresh], nearest[fresh]
    print(f"{len(cells):,} cells with their centre in a polygon, {len(gap):,} in slivers")
    OUT.mkdir(exist_ok=True)
    facts = compacted(np.concatenate([cells, gap]), np.concatenate([code, nearest]))
    pq.write_table(
        facts,
        OUT / "comuna_cells.parquet",
        compression="zstd",
        compression_level=19,
        use_dictionary=["comuna"],
        column_encoding={"h3": "BYTE_STREAM_SPLIT"},
    )
    pq.write_table(names(rows), OUT / "comunas.parquet", compression="zstd")
    print(f"{facts.num_rows:,} facts -> {OUT}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
