"""The legend of INE Chile at its third level: which of its classes a land cover belongs to, in Spanish and English.

Names and levels are those of the hierarchical-phenological scheme in the UN Handbook of remote sensing for
agricultural statistics, chapter Chile, which publishes them in English; the Spanish words are ours. The chapter's text
says the second level of agricultural land only, so that is what is said here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from surco.viewer.crops import find, plain_name

__all__ = ["INE_CLASSES", "IneClass", "ine_class"]


@dataclass(frozen=True, slots=True)
class IneClass:
    """One class of the third level: INE's own name, Spanish and English words, and the second level's where known."""

    name: str
    es: str
    en: str
    above_es: str | None = None
    above_en: str | None = None


_TEMPORARY = ("Cultivos temporales", "Temporary crops")
_PERMANENT = ("Cultivos permanentes", "Permanent crops")
_PASTURES = ("Praderas", "Pastures")
_FALLOW = ("Barbecho", "Fallow land")

INE_CLASSES: tuple[IneClass, ...] = (
    IneClass("Winter_crops", "Cultivos de invierno", "Winter crops", *_TEMPORARY),
    IneClass("Spring_crops", "Cultivos de primavera", "Spring crops", *_TEMPORARY),
    IneClass("Successive_crops", "Cultivos sucesivos", "Successive crops", *_TEMPORARY),
    IneClass("Deciduous_fruit_tree", "Frutales de hoja caduca", "Deciduous fruit trees", *_PERMANENT),
    IneClass("Perennial_fruit_tree", "Frutales de hoja perenne", "Perennial fruit trees", *_PERMANENT),
    IneClass("Annual_pasture", "Praderas anuales", "Annual pasture", *_PASTURES),
    IneClass("Perennial_pasture", "Praderas perennes", "Perennial pasture", *_PASTURES),
    IneClass("Fallow", "Barbecho", "Fallow", *_FALLOW),
    IneClass("Mature_plantation", "Plantación adulta", "Mature plantation"),
    IneClass("Young_plantation", "Plantación joven", "Young plantation"),
    IneClass("Clear_cut_plantation", "Plantación cosechada", "Clear-cut plantation"),
    IneClass("Deciduous_forest", "Bosque caducifolio", "Deciduous forest"),
    IneClass("Shrublands", "Matorrales", "Shrublands"),
    IneClass("Grasslands", "Pastizales", "Grasslands"),
    IneClass("Bare_soils", "Suelos desnudos", "Bare soils"),
    IneClass("Artificial_surfaces", "Superficies artificiales", "Artificial surfaces"),
    IneClass("Water_bodies", "Cuerpos de agua", "Water bodies"),
)
"""The classes that the ground data of Maule has, in the order of the legend."""

_COVERS: dict[str, tuple[str, ...]] = {
    "Winter_crops": ("wheat", "barley", "oats", "winter crops", "rapeseed", "lupin"),
    "Spring_crops": (
        "rice", "maize", "spring crops", "potato", "tomato", "sugar beet", "beans", "sunflower",
    ),
    "Deciduous_fruit_tree": (
        "cherry", "apple", "plum", "peach", "fruit trees", "walnut", "hazelnut", "almond", "wine grape", "table grape",
        "kiwi", "blueberry",
    ),
    "Perennial_fruit_tree": ("avocado", "citrus", "olive", "evergreen fruit trees"),
    "Annual_pasture": ("pasture", "annual pasture"),
    "Perennial_pasture": ("alfalfa",),
    "Fallow": ("fallow",),
    "Mature_plantation": ("pine", "eucalyptus"),
    "Clear_cut_plantation": ("clear cut",),
    "Deciduous_forest": ("native deciduous forest",),
    "Shrublands": ("matorral",),
    "Bare_soils": ("bare",),
    "Artificial_surfaces": ("town",),
    "Water_bodies": ("water",),
}  # fmt: skip
"""Keys of land covers (`crops.KNOWN`) by class; those that are not here have no class that we know of."""


def ine_class(name: str) -> IneClass | None:
    """The class that a class name stands for: INE's own name or words first, then the land cover's; None without."""
    own, by_cover = _index()
    cover = find(name)
    return own.get(plain_name(name)) or (None if cover is None else by_cover.get(cover.key))


@cache
def _index() -> tuple[dict[str, IneClass], dict[str, IneClass]]:
    own = {plain_name(word): each for each in INE_CLASSES for word in (each.en, each.es, each.name)}
    named = {each.name: each for each in INE_CLASSES}
    return own, {key: named[name] for name, keys in _COVERS.items() for key in keys}
