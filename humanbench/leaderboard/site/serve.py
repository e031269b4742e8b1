"""`leaderboard serve`: a built site over HTTP, on the loopback interface alone."""

from __future__ import annotations

from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from humanbench.leaderboard.site.writing import MARK, SiteError


class _Handler(SimpleHTTPRequestHandler):
    """Files of the site; nothing is said about requests."""

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def list_directory(self, path: Any) -> None:
        self.send_error(404)


def server_of(site: Path, port: int = 0) -> ThreadingHTTPServer:
    """A server of the site; port 0 takes a free one. `SiteError` for a folder that is no site or a port in use."""
    if not (site / MARK).is_file():
        raise SiteError(f"{site}: is no leaderboard (`humanbench leaderboard build --out {site}` writes one)")
    try:
        return ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, directory=str(site)))
    except OSError as error:
        raise SiteError(f"port {port}: {error.strerror}; give another --port, or 0 for a free one") from error
