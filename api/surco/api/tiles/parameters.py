"""Query parameters of tiles."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from litestar import Request
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from surco.api.refusals import InvalidError
from surco.api.tiles.addresses import MEDIA_TYPES, Form, parsed
from surco.api.tiles.tile_service import Asked
from surco.api.web.formats import chosen

__all__ = [
    "AdapterName",
    "CollectionName",
    "ColumnName",
    "FormName",
    "LegendForm",
    "MatrixSet",
    "ModelName",
    "Pin",
    "RowName",
    "SeasonName",
    "SeasonPath",
    "StyleName",
    "ZoomName",
    "asked_tile",
]

FormName = Annotated[
    Literal["mvt", "png"] | None,
    QueryParameter(description="A vector tile or a picture; by the path's ending or `Accept` if left out."),
]
LegendForm = Annotated[
    Literal["json", "png"] | None, QueryParameter(description="By `Accept` if left out; JSON by itself.")
]
StyleName = Annotated[
    str | None,
    QueryParameter(
        max_length=1_000,
        description="Of pictures: class, probability or uncertainty; class:ONE~OTHER to single classes out; "
        "value or uncertainty of a yield adapter; change, from or to of a comparison; pca, ndvi:0 to ndvi:11 "
        "(or ndvi:2024-10) and quality of any.",
    ),
]
Pin = Annotated[
    str | None,
    QueryParameter(
        max_length=64,
        description="The content's digest, as TileJSON gives it: the answer may then be kept for ever.",
    ),
]
SeasonName = Annotated[
    str | None, QueryParameter(max_length=40, description="Name of a season; the latest if left out.")
]
ModelName = Annotated[
    str | None,
    QueryParameter(max_length=200, description="Id of a model, where the store has vectors of several."),
]

AdapterName = Annotated[
    str,
    PathParameter(description="Name of an adapter; GET /maps lists them.", examples=[Example(value="crops")]),
]
SeasonPath = Annotated[
    str, PathParameter(description='Name of a season, or "latest".', examples=[Example(value="2024-25")])
]
CollectionName = Annotated[
    str,
    PathParameter(description="cells, parcels, comunas or map-ADAPTER.", examples=[Example(value="comunas")]),
]
MatrixSet = Annotated[
    str, PathParameter(description="WebMercatorQuad.", examples=[Example(value="WebMercatorQuad")])
]
ZoomName = Annotated[str, PathParameter(description="Zoom, 0 to 22.", examples=[Example(value="5")])]
ColumnName = Annotated[
    str, PathParameter(description="Column from the west, 0 to 2^z - 1.", examples=[Example(value="9")])
]
RowName = Annotated[
    str,
    PathParameter(
        description="Row from the north, 0 to 2^z - 1; of maps with .mvt, .pbf, .png or @2x.png if you like.",
        examples=[Example(value="19")],
    ),
]


def asked_tile(
    request: Request[Any, Any, Any],
    path: tuple[str, str, str],
    f: Form | None,
    style: str | None,
    pin: str | None,
) -> Asked:
    """The tile of a path z, x, y (with its ending), as form and style are asked for.

    Raises:
        InvalidError, UnknownError: no such tile.
        NotAcceptableError: neither form is one that the client takes.
    """
    tile, scale, ending = parsed(*path)
    form = ending if ending is not None and f is None else None
    if form is None:
        form = "png" if chosen(request, f, MEDIA_TYPES) == "png" else "mvt"
    if form == "mvt" and scale > 1:
        raise InvalidError(
            "Expected @2x of pictures only, got it of a vector tile. Write @2x.png, or leave it out."
        )
    return Asked(tile, form, scale, style, pin)
