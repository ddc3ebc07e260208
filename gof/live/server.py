"""What a page is served by: viser's server, kept quiet and for browsers of this page alone."""

from __future__ import annotations

import contextlib
import io
import logging
import math
import warnings
from collections.abc import Iterator
from urllib.parse import urlsplit

import rich
import viser

from gof.live.asked import Asked, Subject
from gof.live.drawing import Drawing
from gof.live.jobs import ViewJob
from gof.live.page import Page, Place, standing
from gof.models import packaged
from gof.models import pretrained as generators
from gof.models.pretrained import Pretrained
from gof.morphable.coefficients import Statistics
from gof.run import machine
from gof.run.files import MachineError

LEAST = 128  # pixels a side of the first picture, below which it is soft
LOOPBACK = ("127.0.0.1", "localhost", "::1")


@contextlib.contextmanager
def serve(wanted: ViewJob) -> Iterator[int]:
    """The port at which the page is served meanwhile. Raises InputError for a generator that cannot
    be read and MachineError where the port was taken meanwhile."""
    subject = subject_of(wanted)
    model = subject.model
    size = wanted.resolution or max(LEAST, model.resolution)
    first = Asked(wanted.seed, wanted.seed + 1, truncation=wanted.truncation, resolution=size)
    first = subject.sound(first)
    quiet()
    with contextlib.redirect_stdout(io.StringIO()):
        server = viser.ViserServer(wanted.host, wanted.port, verbose=False)
    drawing = Drawing(subject)
    try:
        if wanted.port not in (0, server.get_port()):
            raise MachineError(f"--port: {wanted.port} is taken: choose another")
        attend(server, Place(name_of(wanted, model), subject, drawing, first))
        yield server.get_port()
    finally:
        drawing.stop()
        server.stop()


def subject_of(wanted: ViewJob) -> Subject:
    """The generator, with what its coefficients mean where that is known. Raises InputError for
    files that cannot be read, or do not fit."""
    model = generators.load(wanted.generator, machine.device())
    statistics = wanted.statistics or packaged.statistics(wanted.generator)
    if statistics is None:
        return Subject(model)
    known = Statistics.load(statistics)
    known.check(generators.layout_of(model, wanted.generator), statistics)
    return Subject(model, known)


def name_of(wanted: ViewJob, model: Pretrained) -> str:
    """What to call a generator: a packaged one by its name."""
    stem = wanted.generator.stem
    return str(model.info["model"]) if stem == "generator" else stem


def quiet() -> None:
    """Keep what viser and its parts say of every visitor from the terminal."""
    rich.reconfigure(quiet=True)
    warnings.filterwarnings("ignore", "Queued a .* on a closed connection")
    for name in ("websockets.server", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)


def attend(server: viser.ViserServer, place: Place) -> None:
    """Give every tab that opens its page."""
    pages: dict[int, Page] = {}
    _keep_private(server)
    server.scene.set_up_direction("+y")
    server.scene.world_axes.visible = False
    server.gui.main_panel.dock_right()
    server.gui.configure_theme(show_logo=False, show_share_button=False, control_width="medium")
    camera = server.initial_camera
    camera.position = standing(place.first)
    camera.look_at = (0.0, 0.0, 0.0)
    camera.fov = math.radians(place.subject.model.camera.fov_deg)

    async def opened(client: viser.ClientHandle) -> None:
        if from_this_page(server, client.client_id):
            pages[client.client_id] = Page(client, place)

    async def closed(client: viser.ClientHandle) -> None:
        if (page := pages.pop(client.client_id, None)) is not None:
            page.close()

    server.on_client_connect(opened)
    server.on_client_disconnect(closed)


def _keep_private(server: viser.ViserServer) -> None:
    """Refuse what any visitor may ask of viser: a tunnel to this server for all the world."""
    own = server._websock_server
    for message in (viser._messages.ShareUrlRequest, viser._messages.ShareUrlDisconnect):
        own.unregister_handler(message)


def from_this_page(server: viser.ViserServer, client: int) -> bool:
    """Whether a connection comes from the page that is served here: browsers let any site open one,
    and say which. Programs say nothing, and may."""
    connection = server._websock_server._live_connections.get(client)
    if connection is None or connection.request is None:
        return False
    headers = connection.request.headers
    origin, host = headers.get("Origin"), headers.get("Host", "")
    if server.get_host() in LOOPBACK and urlsplit(f"//{host}").hostname not in LOOPBACK:
        return False  # a name of another's that leads here
    return origin is None or urlsplit(origin).netloc == host
