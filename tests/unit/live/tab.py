"""`gof view` in a process of its own, and a browser tab without a browser: what viser's client
sends and is sent."""

import io
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import msgspec
import numpy as np
import viser
import zstandard
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

CAMERA = {
    "type": "ViewerCameraMessage",
    "wxyz": (0.0, 0.0, 1.0, 0.0),
    "position": (0.0, 0.0, 1.0),
    "fov": 0.2,
    "near": 0.01,
    "far": 1000.0,
    "image_height": 400,
    "image_width": 600,
    "look_at": (0.0, 0.0, 0.0),
    "up_direction": (0.0, 1.0, 0.0),
}


@contextmanager
def served(stderr=None) -> Iterator[tuple[subprocess.Popen, int]]:
    """The process that shows heads-gof, and its port; Ctrl-C ends it in good order."""
    call = [sys.executable, "-m", "gof", "view", "--generator", "heads-gof", "--port", "0"]
    # A background job ignores SIGINT, and what it starts would as well.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=stderr, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    try:
        line = process.stdout.readline()
        yield process, int(re.match(r"http://127\.0\.0\.1:(\d+) ", line)[1])
        process.send_signal(signal.SIGINT)
        assert process.wait(30) == 130
    finally:
        process.kill()
        process.wait()


@dataclass
class Tab:
    """controls: their numbers and values by label; frames: pictures so far; files: by name."""

    connection: ClientConnection
    controls: dict[str, str] = field(default_factory=dict)
    values: dict[str, object] = field(default_factory=dict)
    frames: list[bytes] = field(default_factory=list)
    files: dict[str, bytes] = field(default_factory=dict)
    kinds: set[str] = field(default_factory=set)
    _names: dict[str, str] = field(default_factory=dict)

    @classmethod
    def opened(cls, port, origin=None, host="127.0.0.1"):
        protocol = f"viser-v{viser.__version__}"
        where = f"ws://{host}:{port}"
        tab = cls(
            connect(where, subprotocols=[protocol], origin=origin, max_size=None, compression=None)
        )
        tab.send(CAMERA)
        return tab

    def send(self, message) -> None:
        self.connection.send(msgspec.msgpack.encode(message))

    def move(self, label, value=None) -> None:
        """Set a control, or press a button; only frames after it count."""
        self.frames.clear()
        self.send(
            {
                "type": "GuiUpdateMessage",
                "uuid": self.controls[label],
                "updates": {"value": True if value is None else value},
            }
        )

    def turn(self, position) -> None:
        """Drag the camera; likewise."""
        self.frames.clear()
        self.send(CAMERA | {"position": tuple(position)})

    def until(self, holds, seconds=60):
        """Take what comes until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < end, "nothing came"
            self.take(0.2)

    def take(self, seconds) -> None:
        """What comes within some time."""
        try:
            content = self.connection.recv(timeout=seconds)
        except TimeoutError:
            return
        for message in unpacked(content):
            self._heed(message)

    def _heed(self, message) -> None:
        kind = message["type"]
        self.kinds.add(kind)
        if kind.startswith("Gui") and "props" in message and "label" in message["props"]:
            label, uuid = message["props"]["label"], message["uuid"]
            self.controls.setdefault(label, uuid)
            self._names.setdefault(uuid, label)
            self.values.setdefault(label, message.get("value"))
        elif kind == "GuiUpdateMessage" and message["uuid"] in self._names:
            if "value" in message["updates"]:
                self.values[self._names[message["uuid"]]] = message["updates"]["value"]
        elif kind == "BackgroundImageMessage" and message["rgb_data"]:
            self.frames.append(message["rgb_data"])
        elif kind == "FileTransferStartDownload":
            self._names[message["transfer_uuid"]] = message["filename"]
        elif kind == "FileTransferPart":
            name = self._names[message["transfer_uuid"]]
            self.files[name] = self.files.get(name, b"") + message["content"]

    def picture(self) -> np.ndarray:
        """The last frame."""
        return np.asarray(Image.open(io.BytesIO(self.frames[-1])).convert("RGB"))

    def rests(self, size) -> np.ndarray:
        """The picture of so many pixels a side, once it is there and nothing more comes."""
        self.until(lambda: self.frames and len(self.picture()) == size)
        before = -1
        while before != len(self.frames):
            before = len(self.frames)
            self.take(0.4)
        assert len(self.picture()) == size
        return self.picture()

    def gone(self) -> bool:
        """Whether the other side has hung up."""
        try:
            self.connection.recv(timeout=1)
        except TimeoutError:
            return False
        except ConnectionClosed:
            return True
        return False


def unpacked(content: bytes):
    """The messages of a window: sizes, zstandard of msgpack, arrays as they are."""
    sizes = [int.from_bytes(content[at : at + 8], "little") for at in (0, 8)]
    inner = zstandard.ZstdDecompressor().decompress(content[16 : 16 + sizes[1]], sizes[0])
    window = msgspec.msgpack.decode(inner)
    arrays, at = [], 16 + sizes[1]
    for length in window["binaryBufferLengths"]:
        at += -at % 8
        arrays.append(content[at : at + length])
        at += length
    for message in window["messages"]:
        for name, value in message.items():
            if isinstance(value, dict) and "__binary_index" in value:
                message[name] = arrays[value["__binary_index"]]
    return window["messages"]
