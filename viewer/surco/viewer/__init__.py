"""The page, its files, its colours, and decks for notebooks; handed data and addresses, it knows no other room."""

from surco.viewer.decks import deck, show
from surco.viewer.errors import AssetError, TableError, ViewerError
from surco.viewer.page import Asset, asset, asset_names, page
from surco.viewer.palette import (
    ClassStyle,
    PrincipalAxes,
    class_styles,
    known_styles,
    principal_axes,
    principal_colours,
    rgb,
)

__all__ = [
    "Asset",
    "AssetError",
    "ClassStyle",
    "PrincipalAxes",
    "TableError",
    "ViewerError",
    "asset",
    "asset_names",
    "class_styles",
    "deck",
    "known_styles",
    "page",
    "principal_axes",
    "principal_colours",
    "rgb",
    "show",
]
