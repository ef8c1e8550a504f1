"""Land covers by name: their colour, their Spanish and English words, and other spellings.

The colours were found by an optimisation in OKLab: each class stays in the hue range of its family (cereals gold,
orchards rose, vines and berries violet, forests dark green, ...) and the smallest distance between any two classes is
made large, for normal vision and for protanopia and deuteranopia (Machado et al. 2009, severity 1).
`tests/test_viewer.py` holds the distances.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cache

__all__ = ["KNOWN", "LandCover", "find", "plain_name"]


@dataclass(frozen=True, slots=True)
class LandCover:
    """One land cover: key, colour as #rrggbb, Spanish and English words, other spellings of its name."""

    key: str
    colour: str
    es: str
    en: str
    spellings: tuple[str, ...] = ()


KNOWN: tuple[LandCover, ...] = (
    LandCover(
        "wheat",
        "#ffd037",
        "Trigo",
        "Wheat",
        ("winter wheat", "spring wheat", "common soft wheat", "durum hard wheat"),
    ),
    LandCover("barley", "#fec986", "Cebada", "Barley", ("winter barley", "spring barley", "common barley")),
    LandCover("oats", "#b9860c", "Avena", "Oats", ("oat", "common oats", "winter oats")),
    LandCover("winter crops", "#fee18c", "Cultivos de invierno", "Winter crops", ()),
    LandCover("rice", "#37cad8", "Arroz", "Rice", ("paddy rice",)),
    LandCover("maize", "#e59203", "Maíz", "Maize", ("corn", "grain maize")),
    LandCover("spring crops", "#c5884e", "Cultivos de primavera", "Spring crops", ("summer crops",)),
    LandCover("potato", "#773a03", "Papa", "Potato", ("potatoes", "patata")),
    LandCover("tomato", "#c2350a", "Tomate", "Tomato", ("tomatoes",)),
    LandCover("sugar beet", "#b36c0d", "Remolacha", "Sugar beet", ("beet", "remolacha azucarera")),
    LandCover(
        "rapeseed", "#a7ad55", "Raps", "Rapeseed", ("canola", "winter rapeseed", "rapeseed rape", "colza")
    ),
    LandCover("lupin", "#dec654", "Lupino", "Lupin", ("lupins",)),
    LandCover("beans", "#ceb912", "Poroto", "Beans", ("bean", "porotos", "frijol")),
    LandCover("sunflower", "#feef62", "Maravilla", "Sunflower", ("girasol",)),
    LandCover(
        "cherry", "#eb8a9c", "Cerezo", "Cherry", ("cherries", "sweet cherry", "cherry cherries", "cereza")
    ),
    LandCover("apple", "#cb6796", "Manzano", "Apple", ("apples", "manzana")),
    LandCover("plum", "#e971aa", "Ciruelo", "Plum", ("plums", "plums and sloes", "ciruela")),
    LandCover("peach", "#f79ace", "Duraznero", "Peach", ("peaches", "nectarine", "durazno")),
    LandCover(
        "fruit trees",
        "#933b71",
        "Frutales de hoja caduca",
        "Deciduous fruit trees",
        ("deciduous fruit tree", "fruit nuts", "other fruit"),
    ),
    LandCover("walnut", "#9f55ac", "Nogal", "Walnut", ("walnuts", "nuez", "nuts")),
    LandCover(
        "hazelnut", "#5f3766", "Avellano", "Hazelnut", ("hazelnuts", "hazelnuts hazel", "avellano europeo")
    ),
    LandCover("almond", "#cd76dd", "Almendro", "Almond", ("almonds",)),
    LandCover(
        "wine grape",
        "#756bcf",
        "Vid vinífera",
        "Wine grape",
        ("vineyard", "vineyards", "grapes", "vineyards wine vine rebland grapes"),
    ),
    LandCover("table grape", "#554aab", "Uva de mesa", "Table grape", ("vid de mesa",)),
    LandCover("kiwi", "#412f8d", "Kiwi", "Kiwi", ("kiwifruit",)),
    LandCover("blueberry", "#51156e", "Arándano", "Blueberry", ("blueberries", "arandano americano")),
    LandCover("avocado", "#5c723d", "Palto", "Avocado", ("avocados", "palta")),
    LandCover(
        "citrus", "#4d6c09", "Cítricos", "Citrus", ("citrus fruit", "orange", "lemon", "naranjo", "limonero")
    ),
    LandCover("olive", "#b5bf81", "Olivo", "Olive", ("olives",)),
    LandCover(
        "evergreen fruit trees",
        "#4f6032",
        "Frutales de hoja perenne",
        "Evergreen fruit trees",
        ("perennial fruit tree",),
    ),
    LandCover("alfalfa", "#a6f4b2", "Alfalfa", "Alfalfa", ("alfalfa lucerne", "lucerne")),
    LandCover(
        "pasture",
        "#c9fdd4",
        "Pradera",
        "Pasture",
        ("perennial pasture", "grassland", "grasslands", "permanent grass crops"),
    ),
    LandCover("annual pasture", "#a4daaf", "Pradera anual", "Annual pasture", ("temporary grass crops",)),
    LandCover(
        "native evergreen forest",
        "#0f3d30",
        "Bosque nativo siempreverde",
        "Native evergreen forest",
        ("evergreen forest", "native forest evergreen", "native forest", "forest"),
    ),
    LandCover(
        "native deciduous forest",
        "#5e897b",
        "Bosque nativo caducifolio",
        "Native deciduous forest",
        ("deciduous forest", "native forest deciduous"),
    ),
    LandCover("pine", "#03390e", "Pino", "Pine", ("pine plantation", "mature plantation", "plantation")),
    LandCover(
        "eucalyptus",
        "#304d38",
        "Eucalipto",
        "Eucalyptus",
        ("eucalyptus plantation", "eucalypt", "young plantation"),
    ),
    LandCover("clear cut", "#868055", "Tala rasa", "Clear-cut", ("clear cut plantation", "clearcut")),
    LandCover("matorral", "#a7986f", "Matorral", "Matorral", ("shrubland", "shrublands", "scrub")),
    LandCover(
        "bare", "#dbd7d5", "Suelo desnudo", "Bare soil", ("bare soil", "bare soils", "desert", "bare desert")
    ),
    LandCover(
        "town",
        "#6b6a67",
        "Zona urbana",
        "Town",
        ("urban", "built up", "artificial surfaces", "settlement", "road"),
    ),
    LandCover("fallow", "#5d5351", "Barbecho", "Fallow", ("not cultivated fallow",)),
    LandCover("water", "#5a9ffe", "Agua", "Water", ("water bodies", "river", "lake")),
    LandCover("wetland", "#176d8a", "Humedal", "Wetland", ("wetlands", "marsh")),
    LandCover("snow", "#def2ff", "Nieve", "Snow", ("snow and ice", "ice")),
)
"""Every land cover that has a colour and words of its own."""


def find(name: str) -> LandCover | None:
    """The land cover that an English or Spanish class name means, whatever its case, accents, `_` or `-`."""
    return _index().get(plain_name(name))


@cache
def _index() -> dict[str, LandCover]:
    index: dict[str, LandCover] = {}
    for cover in KNOWN:
        for name in (cover.key, cover.en, cover.es, *cover.spellings):
            index.setdefault(plain_name(name), cover)
    return index


def plain_name(name: str) -> str:
    """A class name in small letters without accents, its words one space apart: equal for all ways of writing it."""
    letters = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", " ", letters).strip()
