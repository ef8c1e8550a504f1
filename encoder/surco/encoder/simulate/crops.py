"""The classes of the synthetic country: how each of them grows, in the calendar and the climates of Chile.

Days count from 1 May. They are those of the central valley; `SHIFT_DAYS` moves them north and south. The calendar
follows ODEPA's task matrix by macro-zone and INIA's observed phenology, in round numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["CROPS", "PARAMETERS", "SHIFT_DAYS", "Crop", "Parameter"]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One trait: its default, how it varies, and how much from zone to zone and from parcel to parcel.

    `kind` is "add" (normal), "factor" (log-normal; zero stays zero) or "share" (0..1; 0 and 1 stay what they are).
    """

    default: float
    kind: str
    zone: float
    parcel: float


PARAMETERS: Mapping[str, Parameter] = {
    "greenup": Parameter(0, "add", 6, 11),  # day the canopy has half its leaves
    "yellowing": Parameter(0, "add", 6, 7),  # day half of the leaves are brown
    "harvest": Parameter(0, "add", 6, 8),  # day the canopy is gone: harvest or leaf fall
    "rise": Parameter(12, "factor", 0.15, 0.15),  # days, steepness of leaf growth
    "decline": Parameter(9, "factor", 0.15, 0.15),  # days, steepness of yellowing
    "lai": Parameter(0, "factor", 0.14, 0.28),  # leaf area of the season's canopy, per covered area
    "base_lai": Parameter(0, "factor", 0.12, 0.2),  # leaf area that is always there
    "swing": Parameter(0, "add", 0.04, 0.04),  # seasonal share of it
    "peak": Parameter(215, "add", 7, 5),  # day it is largest
    "cover": Parameter(1, "share", 0.25, 0.4),  # ground covered by the canopy
    "grass": Parameter(0, "factor", 0.3, 0.45),  # leaf area of grass or weeds at full growth
    "irrigation": Parameter(0, "share", 0.4, 0.6),  # ground and grass kept green in the dry season
    "tillage": Parameter(0, "share", 0.0, 0.0),  # 1: ground is bare from before sowing to harvest
    "double": Parameter(0, "share", 0.3, 0.0),  # chance of a winter forage crop before the main one
    "cuts": Parameter(0, "factor", 0.1, 0.12),  # cuts between September and April
    "bloom": Parameter(0, "share", 0.2, 0.3),  # strength of white or yellow flowers
    "bloom_day": Parameter(0, "add", 5, 5),
    "flooded": Parameter(0, "share", 0.0, 0.0),  # standing water from sowing to before harvest
    "straw": Parameter(0, "share", 0.4, 0.6),  # litter on the ground after harvest
    "soil": Parameter(1, "factor", 0.13, 0.14),  # brightness of the soil
    "water": Parameter(0, "share", 0.3, 0.4),
    "turbid": Parameter(0.3, "share", 1.0, 0.8),
    "snow": Parameter(0, "share", 0.0, 0.3),
    "roofs": Parameter(0, "share", 0.4, 0.7),
    "young": Parameter(0, "share", 0.4, 0.0),  # chance of a young stand, with a third of the cover
    "shade": Parameter(0, "factor", 0.2, 0.2),  # depth of the shade that crowns throw between them
    "chlorophyll": Parameter(45, "factor", 0.08, 0.1),
    "leaf_water": Parameter(0.014, "factor", 0.12, 0.12),
    "leaf_mass": Parameter(0.006, "factor", 0.12, 0.1),
    "leaf_layers": Parameter(1.5, "factor", 0.06, 0.05),
    "leaf_angle": Parameter(55, "add", 3, 3),
    "leaf_brown": Parameter(0.05, "factor", 0.4, 0.5),
    "wood": Parameter(0, "factor", 0.15, 0.2),  # backscatter of stems and branches, 1 = closed forest
    "rough": Parameter(0, "add", 0.8, 0.9),  # dB of soil roughness and rows
    "altitude": Parameter(0, "factor", 0.2, 0.25),  # m above the farmed land
    "slope": Parameter(1.5, "factor", 0.3, 0.5),
}
"""Every trait of a class; a class that does not name one has the default."""

SHIFT_DAYS: Mapping[str, Mapping[str, tuple[float, float]]] = {
    "winter": {"north": (-15, -20), "central": (0, 0), "south": (20, 40)},
    "summer": {"north": (-20, -20), "central": (0, 0), "south": (8, 12)},
    "perennial": {"north": (-22, -8), "central": (0, 0), "south": (10, -6)},
}
"""Days that the start and the end of a calendar move, by rhythm and climate."""


@dataclass(frozen=True, slots=True)
class Crop:
    """One class: where it is grown (relative frequency), which calendar it keeps, its kin and its traits.

    `ine` is the name of INE Chile's level-3 legend, None where that has none. Classes of the same `kin` are those a
    zone may hold near-copies of.
    """

    name: str
    ine: str | None
    kin: str
    rhythm: str
    grown: Mapping[str, float]
    traits: Mapping[str, float] = field(default_factory=dict)


def _grown(north: float, central: float, south: float) -> dict[str, float]:
    return {"north": north, "central": central, "south": south}


_CEREAL = {
    "straw": 0.55, "tillage": 1.0, "grass": 0.25, "leaf_angle": 62, "leaf_water": 0.02, "leaf_mass": 0.0045,
}  # fmt: skip
_FIELD = {
    "straw": 0.3, "tillage": 1.0, "grass": 0.3, "irrigation": 0.85, "leaf_angle": 48, "leaf_mass": 0.005,
    "leaf_water": 0.018, "soil": 0.9,
}  # fmt: skip
_ORCHARD = {
    "grass": 0.42, "irrigation": 0.45, "shade": 0.5, "wood": 0.45, "young": 0.12, "rise": 11, "decline": 12,
    "straw": 0.12, "leaf_angle": 50, "slope": 2.0, "soil": 0.9, "leaf_water": 0.018, "rough": 1.0,
}  # fmt: skip
_FOREST = {
    "grass": 0.4, "shade": 1.1, "wood": 1.0, "altitude": 250, "slope": 12.0, "soil": 0.75, "straw": 0.3,
    "leaf_water": 0.014,
}  # fmt: skip


def _crop(
    name: str, ine: str | None, kin: str, rhythm: str, grown: Mapping[str, float], *parts: Mapping[str, float]
) -> Crop:
    traits: dict[str, float] = {}
    for part in parts:
        traits |= part
    return Crop(name, ine, kin, rhythm, grown, traits)


def _dates(greenup: float, yellowing: float, harvest: float, lai: float, **more: float) -> dict[str, float]:
    return {"greenup": greenup, "yellowing": yellowing, "harvest": harvest, "lai": lai, **more}


_ALL = (
    # name, INE level 3, kin, rhythm, where, traits
    _crop("winter_wheat", "Winter_crops", "cereal", "winter", _grown(0.3, 1, 1.5), _CEREAL,
          _dates(110, 200, 232, 4.6, rise=15)),
    _crop("oats", "Winter_crops", "cereal", "winter", _grown(0.1, 0.8, 1.2), _CEREAL,
          _dates(102, 193, 224, 4.2, chlorophyll=40, leaf_angle=56)),
    _crop("barley", "Winter_crops", "cereal", "winter", _grown(0.1, 0.3, 0.7), _CEREAL,
          _dates(104, 188, 217, 4.3, chlorophyll=42, leaf_angle=66)),
    _crop("rapeseed", "Winter_crops", "broadleaf", "winter", _grown(0, 0.5, 1), _CEREAL,
          _dates(86, 198, 230, 4.2, bloom=0.8, bloom_day=150, leaf_angle=38, leaf_water=0.022, rough=1.5)),
    _crop("lupin", "Winter_crops", "broadleaf", "winter", _grown(0, 0.2, 0.8), _CEREAL,
          _dates(96, 210, 242, 3.6, bloom=0.25, bloom_day=172, leaf_angle=35, leaf_water=0.02)),
    _crop("maize", "Spring_crops", "summer", "summer", _grown(0.4, 1, 0.4), _FIELD,
          _dates(212, 314, 345, 5.0, double=0.2, straw=0.5, leaf_layers=1.4, rough=0.5)),
    _crop("beans", "Spring_crops", "summer", "summer", _grown(0.2, 0.6, 0.2), _FIELD,
          _dates(218, 284, 304, 3.6, leaf_angle=38)),
    _crop("tomato", "Spring_crops", "summer", "summer", _grown(0.7, 0.8, 0), _FIELD,
          _dates(222, 300, 316, 3.2, cover=0.85, chlorophyll=48, leaf_water=0.02)),
    _crop("potato", "Spring_crops", "summer", "summer", _grown(0.7, 0.5, 1), _FIELD,
          _dates(198, 270, 292, 3.8, leaf_water=0.022, leaf_angle=42)),
    _crop("sugar_beet", "Spring_crops", "summer", "summer", _grown(0, 0.5, 0.3), _FIELD,
          _dates(184, 395, 372, 4.6, leaf_water=0.028, leaf_angle=40, chlorophyll=52)),
    _crop("rice", "Spring_crops", "summer", "summer", _grown(0, 0.8, 0), _FIELD,
          _dates(219, 316, 341, 5.0, flooded=1.0, grass=0.3, irrigation=0.6, leaf_angle=66, rough=-1, altitude=0.0)),
    _crop("cherry", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0.1, 1, 0.6), _ORCHARD,
          _dates(152, 342, 364, 3.6, cover=0.62, bloom=0.2, bloom_day=146)),
    _crop("walnut", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0.6, 1, 0.3), _ORCHARD,
          _dates(172, 344, 368, 4.4, cover=0.74, leaf_water=0.012, wood=0.6)),
    _crop("hazelnut", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0, 0.8, 1), _ORCHARD,
          _dates(160, 348, 372, 4.0, cover=0.6, leaf_mass=0.0065)),
    _crop("apple", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0, 0.9, 0.6), _ORCHARD,
          _dates(160, 352, 376, 3.5, cover=0.58, bloom=0.25, bloom_day=158)),
    _crop("plum", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0.2, 0.7, 0), _ORCHARD,
          _dates(148, 340, 362, 3.4, cover=0.55, bloom=0.3, bloom_day=136)),
    _crop("wine_grape", "Deciduous_fruit_tree", "vine", "perennial", _grown(0.7, 1.2, 0.2), _ORCHARD,
          _dates(176, 340, 362, 2.2, cover=0.4, grass=0.45, irrigation=0.15, shade=0.3, wood=0.25, rough=1.8)),
    _crop("table_grape", "Deciduous_fruit_tree", "vine", "perennial", _grown(1.3, 0.7, 0), _ORCHARD,
          _dates(168, 345, 366, 3.2, cover=0.88, grass=0.35, irrigation=0.35, shade=0.2, wood=0.35, rough=1.5)),
    _crop("kiwi", "Deciduous_fruit_tree", "vine", "perennial", _grown(0, 0.5, 0.1), _ORCHARD,
          _dates(174, 366, 386, 4.2, cover=0.86, leaf_water=0.02, shade=0.2, leaf_angle=38)),
    _crop("blueberry", "Deciduous_fruit_tree", "orchard", "perennial", _grown(0.2, 0.8, 1), _ORCHARD,
          _dates(152, 356, 384, 2.4, cover=0.45, base_lai=0.5, leaf_brown=0.15, shade=0.3, wood=0.2)),
    _crop("avocado", "Perennial_fruit_tree", "evergreen_orchard", "perennial", _grown(1, 0.8, 0), _ORCHARD,
          {"base_lai": 3.6, "swing": 0.12, "peak": 260, "cover": 0.7, "leaf_mass": 0.011, "chlorophyll": 55,
           "altitude": 80, "slope": 9, "grass": 0.35}),
    _crop("citrus", "Perennial_fruit_tree", "evergreen_orchard", "perennial", _grown(1, 0.6, 0), _ORCHARD,
          {"base_lai": 3.8, "swing": 0.08, "cover": 0.62, "leaf_mass": 0.012, "chlorophyll": 62, "leaf_water": 0.018}),
    _crop("olive", "Perennial_fruit_tree", "evergreen_orchard", "perennial", _grown(0.9, 0.8, 0), _ORCHARD,
          {"base_lai": 2.2, "swing": 0.06, "cover": 0.4, "leaf_mass": 0.014, "chlorophyll": 48, "leaf_angle": 62,
           "leaf_brown": 0.25, "irrigation": 0.08, "grass": 0.6}),
    _crop("alfalfa", "Perennial_pasture", "meadow", "perennial", _grown(0.9, 0.7, 0.3),
          {"grass": 1.9, "irrigation": 0.85, "cuts": 6, "leaf_angle": 48, "leaf_water": 0.016, "leaf_mass": 0.0045}),
    _crop("pasture", "Annual_pasture", "rangeland", "perennial", _grown(0.4, 1.2, 1.8),
          {"grass": 1.15, "irrigation": 0.03, "straw": 0.35, "leaf_mass": 0.0055, "slope": 3.0}),
    _crop("native_evergreen_forest", None, "forest", "perennial", _grown(0.1, 0.5, 1), _FOREST,
          {"base_lai": 4.8, "swing": 0.08, "cover": 0.92, "leaf_mass": 0.013, "chlorophyll": 52, "leaf_brown": 0.2}),
    _crop("native_deciduous_forest", "Deciduous_forest", "forest", "perennial", _grown(0, 0.5, 1), _FOREST,
          _dates(162, 346, 372, 4.4, cover=0.88, base_lai=0.7, leaf_mass=0.009, leaf_brown=0.15, leaf_water=0.015)),
    _crop("eucalyptus", "Mature_plantation", "forest", "perennial", _grown(0.05, 0.8, 1), _FOREST,
          {"base_lai": 3.4, "swing": 0.06, "cover": 0.82, "leaf_mass": 0.013, "chlorophyll": 42, "leaf_angle": 68,
           "leaf_brown": 0.3, "young": 0.3, "leaf_water": 0.013}),
    _crop("pine", "Mature_plantation", "forest", "perennial", _grown(0, 1, 1), _FOREST,
          {"base_lai": 4.0, "swing": 0.06, "cover": 0.86, "leaf_mass": 0.02, "chlorophyll": 44, "leaf_angle": 58,
           "leaf_brown": 0.3, "young": 0.3, "leaf_water": 0.015, "leaf_layers": 1.9, "shade": 1.2}),
    _crop("matorral", "Shrublands", "shrub", "perennial", _grown(1.2, 0.8, 0.2),
          {"base_lai": 1.6, "swing": -0.2, "cover": 0.32, "grass": 0.6, "straw": 0.25, "shade": 0.4, "wood": 0.35,
           "leaf_mass": 0.013, "leaf_brown": 0.35, "chlorophyll": 38, "altitude": 150, "slope": 9.0, "peak": 170}),
    _crop("bare", "Bare_soils", "bare", "perennial", _grown(1.3, 0.4, 0.15),
          {"grass": 0.07, "soil": 1.08, "slope": 4.0}),
    _crop("wetland", None, "wetland", "perennial", _grown(0.15, 0.25, 0.4),
          {"grass": 1.3, "irrigation": 0.8, "water": 0.35, "straw": 0.3, "base_lai": 0.5, "cover": 0.8}),
    _crop("water", "Water_bodies", "water", "perennial", _grown(0.25, 0.4, 0.5), {"water": 0.99, "slope": 0.2}),
    _crop("snow", None, "snow", "perennial", _grown(0.1, 0.12, 0.12),
          {"snow": 1.0, "grass": 0.1, "altitude": 2900, "slope": 18.0, "soil": 0.9}),
    _crop("town", "Artificial_surfaces", "town", "perennial", _grown(0.3, 0.4, 0.4),
          {"roofs": 0.55, "base_lai": 1.6, "cover": 0.03, "grass": 0.02, "irrigation": 0.3, "soil": 1.1,
           "wood": 1.0, "rough": 2.5}),
)  # fmt: skip

CROPS: Mapping[str, Crop] = {crop.name: crop for crop in _ALL}
"""All classes by name, in a fixed order."""
