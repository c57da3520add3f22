"""Just enough of a websocket client to listen to ComfyUI. Standard library only."""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import dataclass

PREVIEW_IMAGE = 1


@dataclass(frozen=True)
class Event:
    """One message: JSON events have a name and data, binary ones only `binary`."""

    name: str
    data: dict
    binary: bytes = b""

    @property
    def preview(self) -> bytes | None:
        """The JPEG of a preview event."""
        if len(self.binary) > 8 and struct.unpack(">I", self.binary[:4])[0] == PREVIEW_IMAGE:
            return self.binary[8:]
        return None


class Listener:
    """Connects as one client and yields its events."""

    def __init__(self, port: int, client_id: str) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        key = base64.b64encode(os.urandom(16)).decode()
        self._socket.sendall(
            (
                f"GET /ws?clientId={client_id} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
            ).encode()
        )
        self._stream = self._socket.makefile("rb")
        if b" 101 " not in self._stream.readline():
            raise AssertionError("ComfyUI refused the websocket")
        while self._stream.readline().strip():
            pass

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *exc: object) -> None:
        self._stream.close()
        self._socket.close()

    def _frame(self) -> tuple[bool, int, bytes]:
        first, second = self._exactly(2)
        length = second & 0x7F
        if length == 126:
            length = struct.unpack(">H", self._exactly(2))[0]
        elif length == 127:
            length = struct.unpack(">Q", self._exactly(8))[0]
        return bool(first & 0x80), first & 0x0F, self._exactly(length)

    def _exactly(self, count: int) -> bytes:
        data = self._stream.read(count)
        if len(data) != count:
            raise ConnectionError("ComfyUI closed the websocket")
        return data

    def events(self, timeout: float) -> Iterator[Event]:
        """Events until `timeout` seconds have passed, which is an error."""
        deadline = time.monotonic() + timeout
        whole, kind = b"", 1
        while time.monotonic() < deadline:
            self._socket.settimeout(max(deadline - time.monotonic(), 0.01))
            final, code, payload = self._frame()
            if code >= 8:  # close, ping, pong
                continue
            if code:
                whole, kind = b"", code
            whole += payload
            if final and kind == 1:
                message = json.loads(whole)
                yield Event(message["type"], message.get("data") or {})
            elif final:
                yield Event("binary", {}, whole)
        raise TimeoutError(f"no end within {timeout} s")
