"""Objects of S3 as addresses over https: of public buckets plain, of others with a signature in the query.

Who may read is in the environment only: `CDSE_S3_ACCESS_KEY` and `CDSE_S3_SECRET_KEY` for the Copernicus Data Space,
`AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, `AWS_REGION`, `AWS_ENDPOINT_URL` for any other store.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from surco.embedstore.remote_address import ENDPOINTS
from surco.encoder.reading.failures import AccessFailure
from surco.encoder.reading.transport import Signed

if TYPE_CHECKING:
    from obstore.store import S3Store

__all__ = ["BUCKETS", "Bucket", "Buckets"]

_LIFE = timedelta(hours=1)


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket that is known by name.

    Attributes:
        endpoint: address of its service; the bucket's name is the first part of the path.
        keys: names of the variables that hold key and secret; None for a bucket that everybody reads.
        where: how to get keys, for messages.
    """

    endpoint: str
    keys: tuple[str, str] | None = None
    where: str = ""


BUCKETS: Mapping[str, Bucket] = {
    "sentinel-cogs": Bucket("https://s3.us-west-2.amazonaws.com"),
    "e84-earth-search-sentinel-data": Bucket("https://s3.us-west-2.amazonaws.com"),
    "copernicus-dem-30m": Bucket("https://s3.eu-central-1.amazonaws.com"),
    "eodata": Bucket(
        "https://eodata.dataspace.copernicus.eu",
        ("CDSE_S3_ACCESS_KEY", "CDSE_S3_SECRET_KEY"),
        "Make them at https://eodata-s3keysmanager.dataspace.copernicus.eu and export both",
    ),
}
"""Where Earth Search, its elevation model and the Copernicus Data Space keep their rasters."""


class Buckets:
    """Addresses of objects.

    Args:
        known: buckets by name. Any other is at the service that AWS_ENDPOINT_URL names, else at Amazon's.
    """

    def __init__(self, known: Mapping[str, Bucket] = BUCKETS) -> None:
        self._known = known
        self._stores: dict[str, S3Store] = {}

    def may_be_asked(self, href: str) -> bool:
        """Whether a catalogue from the network may lead there: to a known bucket, or to one's own service."""
        return urlsplit(href).netloc in self._known or _own_endpoint() is not None

    def signed(self, href: str, refused: Signed | None) -> Signed:
        """The address of an object.

        Raises:
            AccessFailure: keys that are missing, or obstore, which signs, is not installed.
        """
        parts = urlsplit(href)
        name, key = parts.netloc, parts.path.lstrip("/")
        known = self._known.get(name)
        if known is not None and known.keys is None:
            return Signed(_plain(known.endpoint, name, key))
        if known is None and not os.environ.get("AWS_ACCESS_KEY_ID"):
            return Signed(_plain(_own_endpoint() or _amazon(), name, key))
        if refused is not None or name not in self._stores:
            self._stores[name] = _signer(name, known)
        return Signed(_presigned(self._stores[name], key), renewable=True)


def _own_endpoint() -> str | None:
    return next((os.environ[each].rstrip("/") for each in ENDPOINTS if os.environ.get(each)), None)


def _amazon() -> str:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    return f"https://s3.{region}.amazonaws.com"


def _plain(endpoint: str, bucket: str, key: str) -> str:
    return f"{endpoint}/{bucket}/{quote(key)}"


def _signer(name: str, known: Bucket | None) -> S3Store:
    try:
        from obstore.store import S3Store
    except ImportError:
        raise AccessFailure(
            f"no package obstore, which signs what is read from s3://{name}: pip install 'surco[cloud]'"
        ) from None
    return S3Store(name, virtual_hosted_style_request=False, **_options(name, known))


def _options(name: str, known: Bucket | None) -> dict[str, Any]:
    """What the environment does not say by itself; values of keys stay out of every message."""
    if known is None or known.keys is None:
        own = _own_endpoint()
        named = {} if own is None else {"endpoint": own}
        return {**named, "client_options": {"allow_http": (own or "").startswith("http://")}}
    key, secret = (os.environ.get(variable, "") for variable in known.keys)
    if not (key and secret):
        raise AccessFailure(
            f"no {' and '.join(known.keys)} in the environment for s3://{name}. {known.where}"
        )

    def credentials() -> dict[str, str | None]:
        """Nothing of AWS_…, which is another service's: a session token there would be signed in."""
        return {"access_key_id": key, "secret_access_key": secret, "token": None, "expires_at": None}

    return {
        "endpoint": known.endpoint, "region": "default", "credential_provider": credentials,
        "client_options": {"allow_http": known.endpoint.startswith("http://")},
    }  # fmt: skip


def _presigned(store: S3Store, key: str) -> str:
    import obstore
    from obstore.exceptions import BaseError

    try:
        return str(obstore.sign(store, "GET", key, _LIFE))
    except (BaseError, OSError, ValueError):
        raise AccessFailure("credentials of S3 that nothing can be signed with; check AWS_…") from None
