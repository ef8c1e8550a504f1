"""The viewer's colours, words, decks and page files."""

from __future__ import annotations

import gzip
import itertools
import json
import re
from pathlib import Path
from typing import Any

import h3
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import shapely
from shared_data import shared

from surco import viewer
from surco.encoder.simulate import CROPS
from surco.viewer.crops import KNOWN, find
from surco.viewer.ine import INE_CLASSES, ine_class

STATIC = Path(viewer.__file__).parent / "static"
# Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
SIGHTS = {
    "normal": np.eye(3),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
}


def oklab(colour: str, sight: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Ottosson's OKLab of a colour as an eye sees it."""
    srgb = np.array(viewer.rgb(colour)) / 255
    linear = sight @ np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    to_cones = np.array([[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]])
    to_lab = np.array([[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]])
    return to_lab @ np.cbrt(to_cones @ np.clip(linear, 0, 1))


@pytest.mark.parametrize("sight", SIGHTS)
def test_known_colours_can_be_told_apart(sight: str) -> None:
    """No two land covers look alike, to colour-blind eyes neither (0.02 in OKLab is about one noticeable step)."""
    labs = {cover.key: oklab(cover.colour, SIGHTS[sight]) for cover in KNOWN}
    gaps = {(a, b): np.linalg.norm(labs[a] - labs[b]) for a, b in itertools.combinations(labs, 2)}
    close = {pair: round(float(gap), 3) for pair, gap in gaps.items() if gap < 0.03}
    assert not close


def test_a_class_keeps_its_colour_whatever_stands_beside_it() -> None:
    """Colours hang on names, so two maps agree."""
    alone = viewer.class_styles(["maize"])[0]
    among = {s.name: s for s in viewer.class_styles(["zebra grass", "wheat", "maize", "quinoa"])}
    assert among["maize"] == alone
    assert viewer.class_styles(["quinoa"])[0].colour == among["quinoa"].colour


def test_classes_name_theirs_in_ines_legend() -> None:
    """Every class of the synthetic country has the class of INE's legend that its table gives it, in both languages."""
    for name, crop in CROPS.items():
        (style,) = viewer.class_styles([name])
        assert (style.ine and style.ine.name) == crop.ine, name
    assert all(each.es and each.en for each in INE_CLASSES)
    assert viewer.class_styles(["quinoa"])[0].ine is None
    assert [ine_class(word).name for word in ("Cultivos de invierno", "perennial pasture", "young_plantation")] == [
        "Winter_crops", "Perennial_pasture", "Young_plantation",
    ]  # fmt: skip


def test_ines_own_classes_are_all_known() -> None:
    """The labels of INE's ground data of Maule are the classes of its legend, by their own names."""
    labels = set(
        pq.read_table(shared("samples/chile_maule_2020.parquet"), columns=["label"])["label"].to_pylist()
    )
    assert {each.name for each in INE_CLASSES} == labels
    assert all(ine_class(label) == each for label in labels for each in INE_CLASSES if each.name == label)


def test_all_classes_of_a_map_have_colours_of_their_own() -> None:
    """Synonyms of one land cover and unknown names still get different colours."""
    styles = viewer.class_styles(["vineyard", "wine grape", *(f"crop {n}" for n in range(20))])
    assert len({s.colour for s in styles}) == len(styles)


@pytest.mark.parametrize("name", ["winter_wheat", "Trigo", "WHEAT", "common_soft_wheat"])
def test_spellings_find_the_same_land_cover(name: str) -> None:
    """Case, underscores and language do not matter."""
    cover = find(name)
    assert cover is not None and cover.key == "wheat"


def test_words_of_known_and_unknown_classes() -> None:
    """A known class is translated, an unknown one is shown as it is called."""
    cherry, other = viewer.class_styles(["cherry", "maca_root"])
    assert (cherry.es, cherry.en) == ("Cerezo", "Cherry")
    assert (other.es, other.en) == ("Maca root", "Maca root")


def test_principal_colours_separate_groups_and_survive_gaps() -> None:
    """Groups of vectors get different colours; rows without a vector are grey."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(3, 16))
    rows = (centres[np.repeat([0, 1, 2], 50)] + rng.normal(scale=0.02, size=(150, 16))).astype(np.float32)
    rows[0] = np.nan
    colours = viewer.principal_colours(rows).astype(int)
    assert colours[0].tolist() == [160, 160, 160]
    means = [colours[1:50].mean(axis=0), colours[50:100].mean(axis=0), colours[100:].mean(axis=0)]
    assert min(np.abs(a - b).sum() for a, b in itertools.combinations(means, 2)) > 60


def test_deck_of_cells_and_of_parcels() -> None:
    """An Arrow table with cells, or with polygons, becomes a deck over its place."""
    cell = h3.latlng_to_cell(-35.0, -71.0, 9)
    cells = pa.table({"h3": pa.array([h3.str_to_int(cell)], pa.uint64()), "class": ["rice"]})
    drawn = json.loads(viewer.show(cells).to_json())
    assert drawn["layers"][0]["@@type"] == "H3HexagonLayer"
    assert drawn["layers"][0]["data"] == [
        {"h3": cell, "colour": list(viewer.rgb(viewer.class_styles(["rice"])[0].colour)), "label": "rice"}
    ]
    assert drawn["initialViewState"]["latitude"] == pytest.approx(-35.0, abs=0.01)
    parcels = pa.table({"geometry": [shapely.to_wkb(shapely.box(-71, -35, -70.99, -34.99))], "yield": [4.2]})
    layer = json.loads(viewer.deck(parcels, colour="yield").to_json())["layers"][0]
    assert layer["@@type"] == "PolygonLayer" and len(layer["data"][0]["ring"]) == 5


def test_a_parquet_file_is_shown_by_its_path(tmp_path: Path) -> None:
    """`show("map.parquet")` draws what the file holds; a slip and another kind of file are said in words."""
    parcels = pa.table(
        {"geometry": [shapely.to_wkb(shapely.box(-71, -35, -70.99, -34.99))], "class": ["rice"]}
    )
    pq.write_table(parcels, tmp_path / "map.parquet")
    wanted = json.loads(viewer.show(parcels).to_json())["layers"][0]["data"]
    for path in (tmp_path / "map.parquet", str(tmp_path / "map.parquet")):
        assert json.loads(viewer.show(path).to_json())["layers"][0]["data"] == wanted
    (tmp_path / "map.csv").write_text("a,b")
    with pytest.raises(viewer.TableError, match="which is not there"):
        viewer.show(tmp_path / "mpa.parquet")
    with pytest.raises(viewer.TableError, match="a Parquet file"):
        viewer.show(tmp_path / "map.csv")


@pytest.mark.parametrize(
    ("table", "colour", "words"),
    [
        ([1, 2], None, "an Arrow table"),
        (pa.table({"a": [1]}), None, "'h3' or 'geometry'"),
        (pa.table({"h3": pa.array([], pa.uint64())}), None, "rows to draw"),
        (pa.table({"h3": pa.array([617700169958293503], pa.uint64())}), "crop", "'crop'"),
        (pa.table({"geometry": [shapely.to_wkb(shapely.Point(0, 0))]}), None, "polygons"),
    ],
)
def test_tables_that_cannot_be_drawn_are_refused(table: Any, colour: str | None, words: str) -> None:
    """The message says what was expected."""
    with pytest.raises(viewer.TableError, match=words):
        viewer.deck(table, colour=colour)


def test_page_is_made_of_our_own_files_only() -> None:
    """No inline script or style, no address of another host, and each file that is named exists."""
    html = viewer.page(area="Valle <b>& más</b>")
    assert "Valle &lt;b&gt;&amp; más" in html and "<b>&" not in html
    scripts = re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)
    assert all('type="application/json"' in head for head, body in scripts if body)
    assert not re.search(r"<style|\sstyle=|\son\w+=|https?://", html)
    named = re.findall(r'/static/([\w.]+)"', html)
    imported = [n for f in STATIC.glob("*.js") for n in re.findall(r'from "\./([\w.]+)"', f.read_text())]
    assert set(named + imported) <= set(viewer.asset_names())
    assert len(named) >= 4


def test_scripts_ask_no_other_host_and_stay_small() -> None:
    """Our scripts name no host and build no HTML; what a first look reads is under 90 kB, all as sent under 100."""
    scripts = {f.name: f.read_text(encoding="utf-8") for f in STATIC.glob("*.js")}
    text = "\n".join(scripts.values()).replace("http://www.w3.org/2000/svg", "")
    assert "http" not in text and "innerHTML" not in text and "eval(" not in text
    first, waiting = set(), ["main.js"]
    while waiting:
        name = waiting.pop()
        if name not in first:
            first.add(name)
            waiting += re.findall(r'^import .*? from "\./([\w.]+)"', scripts[name], re.M | re.S)
    assert not {"teach.js", "sql.js", "words_es.js", "words_en.js", "sentences_es.js"} & first
    for language in ("es", "en"):  # the page reads its words in one language
        read = {*first, f"words_{language}.js"}
        assert sum(len(scripts[name].encode()) for name in read) < 90_000
    assert sum(len(gzip.compress(script.encode())) for script in scripts.values()) < 100_000
    assert max(script.count("\n") for script in scripts.values()) < 250


def test_page_facts_cannot_break_out_of_their_block() -> None:
    """A name that closes a script tag stays data."""
    html = viewer.page(area="</script><script>alert(1)</script>")
    assert "<script>alert" not in html
    block = re.search(r'id="facts">(.*?)</script>', html, re.S)
    assert block and json.loads(block[1])["area"] == "</script><script>alert(1)</script>"


def test_every_word_stands_in_both_languages() -> None:
    """What the page says in Spanish it can say in English."""
    spanish, english = (
        set(
            re.findall(
                r'(?:^\s*|,\s+)"?([a-z][\w-]*)"?: ["(]',
                (STATIC / f"words_{language}.js").read_text(encoding="utf-8"),
                re.M,
            )
        )
        for language in ("es", "en")
    )
    used = set(re.findall(r'data-(?:t|label)="([\w-]+)"', (STATIC / "page.html").read_text(encoding="utf-8")))
    assert spanish == english
    assert used <= spanish


def test_the_map_bundle_comes_from_the_wheel() -> None:
    """deck.js is pydeck's bundle without the pointer to a map file that we do not serve."""
    bundle = viewer.asset("deck.js")
    assert len(bundle.body) > 3_000_000 and b"createDeck" in bundle.body
    assert b"sourceMappingURL" not in bundle.body[-200:]


@pytest.mark.parametrize("name", ["../page.py", "page.html", "/etc/passwd", "deck.js.map", ""])
def test_other_files_are_not_handed_out(name: str) -> None:
    """Only the page's own files, by exact name."""
    with pytest.raises(viewer.AssetError, match="one of the page's files"):
        viewer.asset(name)


def test_exports_are_sorted_and_whole() -> None:
    """`__all__` is sorted and every name is there."""
    assert viewer.__all__ == sorted(viewer.__all__, key=lambda n: (n.islower(), n))
    assert all(hasattr(viewer, name) for name in viewer.__all__)
