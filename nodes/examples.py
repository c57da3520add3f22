"""The pictures of the templates, served to the frontend, which puts them where Load Image looks.

Nothing is written here. `web/lib/examples.mjs` uploads a picture when a template that needs it is
opened.
"""

from __future__ import annotations

from pathlib import Path

from aiohttp import web
from server import PromptServer

EXAMPLES = Path(__file__).resolve().parents[1] / "assets"
ROUTE = "/mmsr/examples/{name}"


def serve_examples() -> None:
    """Add the route; a host without a server gets none."""
    server = getattr(PromptServer, "instance", None)
    if server is not None:
        server.routes.get(ROUTE)(_example)


async def _example(request: web.Request) -> web.StreamResponse:
    shipped = {path.name: path for path in EXAMPLES.glob("example_*.png")}
    path = shipped.get(request.match_info["name"])
    return web.Response(status=404) if path is None else web.FileResponse(path)
