"""The coordinate system of an upload: what the uploader says, else what the file says."""

from __future__ import annotations

import re
from typing import Final

from pyproj import CRS
from pyproj.exceptions import CRSError

from surco.api.refusals import InvalidError

__all__ = ["named_crs", "said_crs"]

# PROJ would open files for other texts.
_CODE: Final = re.compile(r"(?:urn:ogc:def:crs:)?(OGC|EPSG)::?(?:[\d.]*:)?(CRS84h?|\d{4,6})", re.IGNORECASE)
_DEGREES: Final = ("OGC:CRS84", "EPSG:4326", "OGC:CRS84H")
_HINT: Final = "Write a code such as EPSG:32719 (UTM 19 south), EPSG:5361 (SIRGAS-Chile 19S) or EPSG:4326."


def named_crs(name: str | None) -> CRS | None:
    """The system of a code; None for longitude and latitude, and where there is no name.

    Raises:
        InvalidError: no code, or none of the Earth's surface.
    """
    if name is None:
        return None
    match = _CODE.fullmatch(name.strip())
    if match is None:
        raise InvalidError(f"Expected a coordinate system by its code, got {name[:60]!r}. {_HINT}")
    code = f"{match[1].upper()}:{match[2].upper()}"
    if code in _DEGREES:
        return None
    try:
        crs = CRS.from_user_input(code)
    except CRSError as error:
        raise InvalidError(f"Expected a coordinate system that is known, got {code}. {_HINT}") from error
    if not (crs.is_projected or crs.is_geographic):
        raise InvalidError(f"Expected a coordinate system of the Earth's surface, got {code}. {_HINT}")
    return crs


def said_crs(asked: str | None, found: object, file: str) -> CRS | None:
    """The system that was asked for, else the one that a file names (as pyproj takes it).

    Raises:
        InvalidError: neither says one.
    """
    from surco.encoder.area import reaches_degrees  # the room takes most of a second to import

    if asked is not None:
        return named_crs(asked)
    if found is None or str(found).startswith("Undefined") or not reaches_degrees(found):
        raise InvalidError(
            f"Expected {file} to say its coordinate system (a shapefile does so in a .prj beside it), got none that is "
            "known. Ask whoever made it and say it with ?crs=, such as ?crs=EPSG:32719 (UTM 19 south)."
        )
    crs = CRS.from_user_input(found)
    return None if crs.equals(CRS.from_user_input("OGC:CRS84"), ignore_axis_order=True) else crs
