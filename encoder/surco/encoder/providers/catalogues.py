"""Public archives by name: where each is searched, which of its collections are of use, and which are not and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from surco.encoder.errors import CatalogError

__all__ = ["PROVIDERS", "Provider", "find_provider"]

_GRD = (
    "Sentinel-1 GRD is in radar geometry, without terrain correction: in mountains its pixels lie hundreds of metres "
    "off. Use planetary-computer, which has sentinel-1-rtc, for radar"
)


@dataclass(frozen=True, slots=True)
class Provider:
    """An archive with a STAC API.

    Attributes:
        name: as given to `--stac`.
        api: its address.
        collections: for each sensor the collections that hold it, best first: a later one is asked only where an
            earlier one has nothing of the season.
        refused: collections that look as if they were of use, and why they are not.
    """

    name: str
    api: str
    collections: tuple[tuple[str, ...], ...]
    refused: Mapping[str, str]

    def only(self, collection: str) -> Provider:
        """The same archive with one of its collections.

        Raises:
            CatalogError: one that it has not, or that is of no use.
        """
        known = [name for names in self.collections for name in names]
        if collection in self.refused:
            raise CatalogError(
                f"Expected a collection of {self.name} that can be used ({', '.join(known)}); got {collection}: "
                f"{self.refused[collection]}."
            )
        if collection not in known:
            raise CatalogError(
                f"Expected one of the collections {', '.join(known)} of {self.name}; got {collection!r}. "
                f"Name one of them, or leave it out: --stac {self.name}."
            )
        return Provider(self.name, self.api, ((collection,),), self.refused)


PROVIDERS = {
    provider.name: provider
    for provider in (
        Provider(
            "earth-search",
            "https://earth-search.aws.element84.com/v1",
            # The older collection has items whose offset flag is wrong (Element84/earth-search issues 66 and 71).
            (("sentinel-2-c1-l2a", "sentinel-2-l2a"), ("cop-dem-glo-30",)),
            {"sentinel-1-grd": _GRD, "sentinel-2-l1c": "L1C is not corrected for the atmosphere"},
        ),
        Provider(
            "planetary-computer",
            "https://planetarycomputer.microsoft.com/api/stac/v1",
            (("sentinel-2-l2a",), ("sentinel-1-rtc",), ("cop-dem-glo-30",)),
            {"sentinel-1-grd": f"{_GRD} itself"},
        ),
        Provider(
            "cdse",
            "https://stac.dataspace.copernicus.eu/v1",
            (("sentinel-2-l2a",), ("cop-dem-glo-30-dged-cog",)),
            {
                "sentinel-1-grd": _GRD,
                "sentinel-1-slc": _GRD.replace("GRD", "SLC"),
                "sentinel-2-l1c": "L1C is not corrected for the atmosphere",
            },
        ),
    )
}
"""Archives by name."""


def find_provider(text: str) -> Provider | None:
    """The archive that a text names: `NAME`, `NAME/COLLECTION`, or the address of its API; None for anything else.

    Raises:
        CatalogError: a collection that the archive has not, or that is of no use.
    """
    for provider in PROVIDERS.values():
        if text.rstrip("/") in (provider.name, provider.api):
            return provider
        if text.startswith(f"{provider.name}/"):
            return provider.only(text.removeprefix(f"{provider.name}/"))
    return None
