"""Starts the page's server with everything closed that the demo does not need."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from mmsr_core.errors import InputError

from .settings import DemoSettings

if TYPE_CHECKING:
    from gradio import Blocks

    from .work.engine import Engine

_CLOSED = (
    "proxy=",
    "file=http",
    "vibe",
    "process_recording",
    "deep_link",
    "run-history",
    "call/v2",
)
_MIN_GRADIO = 6


def require_gradio() -> None:
    """Raises `InputError` where gradio is missing or too old."""
    # Before the first import: gradio asks a server about its version otherwise.
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    try:
        import gradio
    except ImportError:
        raise InputError(
            'The demo needs gradio, which is not installed: pip install "mmsr[demo]" '
            '(from a clone: pip install ".[demo]").'
        ) from None
    if int(gradio.__version__.split(".")[0]) < _MIN_GRADIO:
        raise InputError(
            f"The demo needs gradio {_MIN_GRADIO} or newer, but {gradio.__version__} is installed."
        )


def launch(settings: DemoSettings) -> tuple[Blocks, Engine]:
    """Starts the server in the background; `Blocks.close` and `Engine.close` end it.

    Raises:
        InputError: gradio is missing, or the port is taken.
        WeightsError: The weights are missing or damaged.
    """
    require_gradio()
    from starlette.middleware import Middleware
    from starlette.middleware.trustedhost import TrustedHostMiddleware

    from .ui.page import build_page, warm_up
    from .ui.theme import CSS, HEAD, make_theme, own_words
    from .work.reporting import show_origins

    show_origins(settings.debug)
    page, engine = build_page(settings)  # Loads the weights: what is wrong with them is said now.
    middleware = [Middleware(ClosedRoutes)]
    if settings.is_local:  # Elsewhere a proxy may stand in between, and anyone may use the page.
        middleware.append(Middleware(OwnPagesOnly))
    if settings.is_local:  # Against pages elsewhere that point their own name at this computer.
        names = ["127.0.0.1", "localhost", "["]  # "[" is what is compared of "[::1]:7860".
        middleware.append(Middleware(TrustedHostMiddleware, allowed_hosts=names))
    try:
        page.launch(
            server_name=settings.host,
            server_port=settings.port or _free_port(settings.host),
            share=False,
            inbrowser=settings.open_browser,
            prevent_thread_lock=True,
            show_error=False,
            max_file_size=settings.max_upload_mb << 20,
            allowed_paths=[],
            state_session_capacity=64,
            strict_cors=True,
            ssr_mode=False,
            mcp_server=False,
            enable_monitoring=False,
            pwa=False,
            run_history=False,
            footer_links=["api", "settings"],
            quiet=True,
            i18n=own_words(),
            theme=make_theme(),
            css=CSS,
            head=HEAD,
            app_kwargs={"middleware": middleware, "docs_url": None, "redoc_url": None},
        )
    except OSError as error:
        engine.close()
        raise InputError(
            f"Port {settings.port} of {settings.host} cannot be used: it may be taken. "
            "Choose another one with --port, or --port 0."
        ) from error
    except BaseException:
        engine.close()
        raise
    if settings.warm_up:
        warm_up(engine)
    return page, engine


def serve(settings: DemoSettings, announce: Callable[[str], None]) -> None:
    """Starts the server and stays until it is interrupted or asked to end (SIGTERM).

    Args:
        settings: see `DemoSettings`.
        announce: told the address.

    Raises:
        InputError: see `launch`.
    """
    page, engine = launch(settings)
    asked = threading.Event()

    def end(number: int, frame: object) -> None:
        asked.set()
        sys.exit(0)

    try:
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGTERM, end)
        announce(str(page.local_url))
        page.block_thread()
    finally:
        page.close(verbose=False)
        engine.close()
        if asked.is_set():  # all is put away; the libraries' threads could abort a slower end
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(0)


class ClosedRoutes:
    """Answers 404 for what gradio offers and the demo does not use (fetching links, editing)."""

    def __init__(self, app: Any) -> None:
        """Args: the application behind it."""
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http" and self._is_closed(scope["path"]):
            from starlette.responses import PlainTextResponse

            await PlainTextResponse("Not found", 404)(scope, receive, send)
            return
        await self.app(scope, receive, send)

    @staticmethod
    def _is_closed(path: str) -> bool:
        name = path.removeprefix("/gradio_api").lstrip("/").lower()
        return name.startswith(_CLOSED) or name.startswith(("monitoring", "runs"))


class OwnPagesOnly:
    """Answers 403 to what a page of another address sends: a browser says where it comes from."""

    def __init__(self, app: Any) -> None:
        """Args: the application behind it."""
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """One request."""
        if scope["type"] == "http" and scope["method"] not in ("GET", "HEAD"):
            from starlette.datastructures import Headers

            headers = Headers(scope=scope)
            origin = headers.get("origin")
            hosts = (headers.get("host"), headers.get("x-forwarded-host"))
            if origin is not None and origin.rpartition("://")[2] not in hosts:
                from starlette.responses import PlainTextResponse

                refusal = PlainTextResponse("Only this page itself may send that.", 403)
                await refusal(scope, receive, send)
                return
        await self.app(scope, receive, send)


def _free_port(host: str) -> int:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
