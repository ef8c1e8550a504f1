"""A small store with a canary beside it, and `/sql` over it: in this process, or as a server of its own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from litestar import Litestar

from surco.api.app import create_app
from surco.api.settings import Settings
from surco.api.sql_box.routes import sql_routes
from surco.api.state.database import Database
from surco.api.web.server import Server


def sql_app(store: Path, **limits: Any) -> Litestar:
    """The application with small limits, or those given."""
    settings = Settings(store=store, **limits)
    app = create_app(settings)
    if not any(route.path == "/sql" for route in app.routes):
        for handler in sql_routes(Server(settings, Database.open(store, None))):
            app.register(handler)
    return app
