"""HTTP and the command line: the only room that knows all others.

Names are loaded when they are first used: the command line answers `--version` without importing a web server.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from surco.api.app import create_app
    from surco.api.client.client import Client
    from surco.api.errors import ApiError
    from surco.api.maps import Predicted, predict_table, write_map
    from surco.api.predicting import connect_with_adapters
    from surco.api.settings import Settings

__all__ = [
    "ApiError",
    "Client",
    "Predicted",
    "Settings",
    "connect_with_adapters",
    "create_app",
    "predict_table",
    "write_map",
]

_HOMES = {
    "ApiError": "errors",
    "Client": "client.client",
    "Predicted": "maps",
    "Settings": "settings",
    "connect_with_adapters": "predicting",
    "create_app": "app",
    "predict_table": "maps",
    "write_map": "maps",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
