"""Starting the server: uvicorn around the application, with an address that people can click."""

from __future__ import annotations

import errno
import socket

from surco.api.errors import ApiError
from surco.api.progress import console, progress_bar
from surco.api.settings import Settings

__all__ = ["serve_store"]


def serve_store(settings: Settings, processes: int = 1) -> None:
    """Serve a store until interrupted.

    Args:
        settings: of each process.
        processes: how many answer on the one port.

    Raises:
        ApiError: the port is taken, settings that cannot work, or processes that do not start.
        EmbedstoreError: no store at that path.
    """
    from surco.api.web.following import hold_here

    _check_port(settings.host, settings.port)
    with progress_bar("store") as report:
        hold_here(settings.store, lambda *now: report(now[0] >> 20, now[1] >> 20, now[2]))
    if processes == 1:
        _serve_here(settings)
    else:
        from surco.api.serving_processes import serve_in_processes

        serve_in_processes(settings, processes)


def _serve_here(settings: Settings) -> None:
    import uvicorn  # only a server needs it

    from surco.api.app import create_app
    from surco.api.warming import warm

    app = create_app(settings)
    warm(app.state.server)
    console().print(f"Surco: [bold]http://{settings.host}:{settings.port}/[/]   (Ctrl+C ends it)")
    uvicorn.run(app, host=settings.host, port=settings.port, log_level="warning")


def _check_port(host: str, port: int) -> None:
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            reason = (
                "is taken by another program"
                if error.errno == errno.EADDRINUSE
                else f"cannot be used ({error})"
            )
            raise ApiError(
                f"Expected to listen on {host}:{port}, but that address {reason}. Choose another with --port."
            ) from error
