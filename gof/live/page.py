"""The page: pictures and meshes by viser, an optional package (`gof[view]`). Every browser tab has
its own; nothing is shared between them but the thread that draws."""

from __future__ import annotations

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import trimesh
import viser
from PIL import Image

from gof.geometry.glb import glb
from gof.live.asked import SHOWN, Asked, Subject
from gof.live.controls import Controls
from gof.live.drawing import Drawing, Frame, draw
from gof.shapes.marching import head_mesh
from gof.shapes.settings import MeshSettings

ECHO_S = 0.5  # in which a tab still tells of the camera as it was before a slider moved it
QUALITY = {True: 80, False: 95}  # of JPEGs, drafts and pictures


@dataclass(frozen=True, slots=True)
class Place:
    """What all pages have in common. first: what a page begins with."""

    name: str
    subject: Subject
    drawing: Drawing
    first: Asked


class Page:
    """One tab: what it asks for and is shown."""

    def __init__(self, client: viser.ClientHandle, place: Place) -> None:
        self._client, self._place = client, place
        self._closed = self._busy = False
        self._meshed = False  # the mesh is shown instead of the picture
        self._turned = 0.0  # when a slider last moved the camera
        self._mesh: tuple[Asked, int, trimesh.Trimesh] | None = None
        self._aspect = client.camera.aspect
        client.gui.set_panel_label(f"gof · {place.name}")
        self._controls = Controls(client.gui, place.subject, place.first)
        self._controls.heed(self._ask, self._turn)
        tasks = {
            "save as PNG": self._save,
            "turn it here": self._show_mesh,
            "download .glb": self._send_mesh,
        }
        for label, task in tasks.items():
            self._controls.press(label, partial(self._do, task))
        client.camera.on_update(self._on_camera)
        self._ask()

    def close(self) -> None:
        """Draw and send nothing more."""
        self._closed = True
        self._place.drawing.leave(self._client.client_id)

    def _ask(self) -> None:
        """Have the picture drawn that the controls ask for, instead of any mesh."""
        try:
            asked = self._controls.asked()
            self._controls.show_coordinates()
        except ValueError:  # no control of ours asks so
            return
        if self._meshed:
            self._meshed = False
            self._client.scene.reset()
        self._place.drawing.ask(self._client.client_id, asked, self._show)

    def _turn(self) -> None:
        """Bring the camera to where its sliders are."""
        try:
            asked = self._controls.asked()
        except ValueError:
            return
        self._turned = time.monotonic()
        with self._client.atomic():
            self._client.camera.position = standing(asked)
            self._client.camera.look_at = (0.0, 0.0, 0.0)
        if not self._meshed:
            self._ask()

    async def _on_camera(self, camera: viser.CameraHandle) -> None:
        """Bring the sliders to where the camera was dragged to."""
        resized, self._aspect = abs(camera.aspect - self._aspect) > 1e-3, camera.aspect
        x, y, z = map(float, camera.position - camera.look_at)
        echo = time.monotonic() - self._turned < ECHO_S
        turned = not echo and self._controls.follow((x, y, z))
        if (turned or resized) and not self._meshed:
            self._ask()

    def _show(self, frame: Frame) -> None:
        if self._closed or self._meshed:
            return
        self._client.scene.set_background_image(
            on_canvas(frame.picture, self._aspect, self._empty(frame.asked)),
            format="jpeg",
            jpeg_quality=QUALITY[frame.draft],
        )
        size, kind = len(frame.picture), "draft, " if frame.draft else ""
        self._controls.status.content = f"{size} px, {kind}{1000 * frame.seconds:.0f} ms"

    def _empty(self, asked: Asked) -> tuple[int, ...]:
        """The colour of a picture where nothing is."""
        if asked.shown == "colour":
            return tuple(round(255 * c) for c in self._place.subject.model.shown_background)
        return (0, 0, 0) if asked.shown == "alpha" else (255, 255, 255)

    def _do(self, task: Callable[[Asked], None]) -> None:
        """Have something done with the head as it is, by the thread that draws; one at a time."""
        if self._busy:
            return
        asked, self._busy = self._controls.asked(), True

        def done() -> None:
            try:
                if not self._closed:
                    task(asked)
            finally:
                self._busy = False

        self._place.drawing.do(done)

    def _save(self, asked: Asked) -> None:
        buffer = io.BytesIO()
        Image.fromarray(draw(self._place.subject, asked, None).picture).save(buffer, "png")
        self._send(f"{self._named(asked)}-{asked.shown}.png", buffer.getvalue())

    def _found_mesh(self, asked: Asked) -> trimesh.Trimesh | None:
        """The mesh of a head; None, and a word to the tab, where it has no surface."""
        grid, subject, own = self._controls.grid, self._place.subject, head_of(asked)
        if self._mesh is None or self._mesh[:2] != (own, grid):
            settings = MeshSettings(resolution=grid, truncation=asked.truncation)
            found = head_mesh(subject.model, subject.latent(asked), settings)
            if found is None:
                self._client.add_notification("No mesh", "This head has no surface.")
                return None
            self._mesh = own, grid, found[1]
        return self._mesh[2]

    def _show_mesh(self, asked: Asked) -> None:
        mesh = self._found_mesh(asked)
        if mesh is not None and head_of(asked) == head_of(self._controls.asked()):  # still
            self._meshed = True
            self._client.scene.set_background_image(None)
            self._client.scene.add_mesh_trimesh("/head", mesh, receive_shadow=False)
            self._controls.status.content = f"mesh, {len(mesh.faces):,} faces"

    def _send_mesh(self, asked: Asked) -> None:
        if (mesh := self._found_mesh(asked)) is not None:
            self._send(f"{self._named(asked)}.glb", glb(mesh))

    def _send(self, name: str, content: bytes) -> None:
        if not self._closed:
            self._client.send_file_download(name, content, save_immediately=True)

    def _named(self, asked: Asked) -> str:
        blend = f"-{asked.other:04d}" if asked.share else ""
        return f"{self._place.name}-seed{asked.seed:04d}{blend}"


def standing(asked: Asked) -> tuple[float, float, float]:
    """Where a camera stands that sees what is asked for: the nearer, the more zoom."""
    side = math.cos(asked.pitch)
    x, y, z = side * math.sin(asked.yaw), math.sin(asked.pitch), side * math.cos(asked.yaw)
    return x / asked.zoom, y / asked.zoom, z / asked.zoom


def head_of(asked: Asked) -> Asked:
    """Which head is asked for, however it is shown."""
    return replace(asked, yaw=0, pitch=0, zoom=1, shown=SHOWN[0], quick=False, resolution=1)


def on_canvas(picture: np.ndarray, aspect: float, empty: tuple[int, ...]) -> np.ndarray:
    """A square picture [r, r, 3] in the middle of a canvas of an aspect, width by height, which is
    `empty` beside it."""
    side = len(picture)
    if not 0.1 < aspect < 10:
        return picture
    wide, high = max(side, round(side * aspect)), max(side, round(side / aspect))
    canvas = np.empty((high, wide, 3), np.uint8)
    canvas[:] = empty
    top, left = (high - side) // 2, (wide - side) // 2
    canvas[top : top + side, left : left + side] = picture
    return canvas
