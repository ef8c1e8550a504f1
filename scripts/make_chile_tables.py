"""Makes the two small tables of Chile that `surco.encoder.simulate` ships, from public-sector data.

`regions.csv`: where each region lies at every fifth of a degree of latitude, west and east edge in degrees
(Biblioteca del Congreso Nacional de Chile, regional limits). `orchards.csv`: hectares of orchards by region and class
of the synthetic country in the region's latest year (Catastro Fruticola, ODEPA-CIREN).

    python scripts/make_chile_tables.py ../shared/data/chile
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import numpy as np
import shapely

OUT = Path(__file__).resolve().parents[1] / "encoder/surco/encoder/simulate"
STEP = 0.2
WEST_OF_MAINLAND, NARROWEST, GAP = -76.0, 0.03, 0.15

SPECIES = {
    "Cerezo": "cherry", "Nogal": "walnut", "Avellano": "hazelnut", "Manzano Rojo": "apple", "Manzano Verde": "apple",
    "Ciruelo Europeo": "plum", "Ciruelo Japonés": "plum", "Vid de Mesa": "table_grape", "Kiwi": "kiwi",
    "Kiwi Gold o Kiwi Amarillo": "kiwi", "Arándano Americano": "blueberry", "Palto": "avocado",
    "Mandarino": "citrus", "Limonero": "citrus", "Naranjo": "citrus", "Pomelo": "citrus", "Lima": "citrus",
    "Tangelo": "citrus", "Kumquat": "citrus", "Olivo": "olive",
}  # fmt: skip
"""Species of the survey and the classes that stand for them; the others have no class."""

CODES = {
    "Región de Arica y Parinacota": 15, "Región de Tarapacá": 1, "Región de Antofagasta": 2, "Región de Atacama": 3,
    "Región de Coquimbo": 4, "Región de Valparaíso": 5, "Región Metropolitana de Santiago": 13,
    "Región del Libertador Bernardo O'Higgins": 6, "Región del Maule": 7, "Región de Ñuble": 16,
    "Región del Biobío": 8, "Región de La Araucanía": 9, "Región de Los Ríos": 14, "Región de Los Lagos": 10,
    "Región Aisén del Gral. Carlos Ibañez del Campo": 11, "Región de Magallanes": 12,
}  # fmt: skip
NAMES = {
    15: "Arica y Parinacota", 1: "Tarapacá", 2: "Antofagasta", 3: "Atacama", 4: "Coquimbo", 5: "Valparaíso",
    13: "Metropolitana de Santiago", 6: "O'Higgins", 7: "Maule", 16: "Ñuble", 8: "Biobío", 9: "La Araucanía",
    14: "Los Ríos", 10: "Los Lagos", 11: "Aysén", 12: "Magallanes",
}  # fmt: skip


def strips(shape: shapely.Geometry) -> list[tuple[float, float, float]]:
    """Latitude, west and east of the mainland of a region, narrow fjords closed."""
    out = []
    for latitude in np.arange(-56.0, -17.4, STEP):
        line = shapely.LineString([(WEST_OF_MAINLAND, latitude), (-66.0, latitude)])
        parts = sorted(p.bounds[::2] for p in shapely.get_parts(shape.intersection(line)) if p.length > 0)
        merged: list[list[float]] = []
        for west, east in parts:
            if merged and west - merged[-1][1] < GAP:
                merged[-1][1] = max(east, merged[-1][1])
            else:
                merged.append([west, east])
        out += [(latitude, west, east) for west, east in merged if east - west > NARROWEST]
    return out


def write(name: str, header: list[str], rows: list[list[object]]) -> None:
    """Write one table."""
    with (OUT / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, *rows])


def main(folder: Path) -> None:
    """Both tables."""
    features = json.loads((folder / "regiones_edit.geojson").read_text("utf-8"))["features"]
    regions = []
    for feature in features:
        code = feature["properties"]["codregion"]
        if code in NAMES:
            geometry = feature["geometry"]
            if geometry["type"] == "MultiPolygon":  # some parts of the far south are empty
                geometry["coordinates"] = [part for part in geometry["coordinates"] if part]
            shape = shapely.make_valid(shapely.geometry.shape(geometry))
            regions += [[code, NAMES[code], f"{a:.1f}", f"{b:.2f}", f"{c:.2f}"] for a, b, c in strips(shape)]
    write("regions.csv", ["code", "region", "latitude", "west", "east"], sorted(regions))
    with (folder / "catastro_fruticola_consolidado.csv").open(encoding="utf-8-sig", newline="") as file:
        rows = list(csv.DictReader(file))
    latest = {row["Region"]: max(r["Anio"] for r in rows if r["Region"] == row["Region"]) for row in rows}
    hectares: dict[tuple[int, str, str], float] = defaultdict(float)
    for row in rows:
        if row["Anio"] == latest[row["Region"]] and row["Especie"] in SPECIES:
            key = (CODES[row["Region"]], row["Anio"], SPECIES[row["Especie"]])
            hectares[key] += float(row["Superficie (ha)"] or 0)
    write(
        "orchards.csv",
        ["code", "year", "crop", "hectares"],
        [[*key, round(value)] for key, value in sorted(hectares.items()) if round(value)],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
