"""The panel of a page: its controls, what they ask for, and what they show.

What a control shows is set by the tab and, where the camera is dragged or a head changes, from
here; only the former counts as a wish.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import viser

from gof.live.asked import REACH, SEEDS, SHOWN, SIZES, ZOOM, Asked, Subject

SLIDERS = 4  # of each factor; the other components are in a list below them
GRIDS = ("64", "96", "128", "192", "256")
MODES = ("full", "surface")
HEAD = ("seed", "other", "share", "truncation")
VIEW = ("yaw", "pitch", "zoom")
PICTURE = ("shown", "mode", "resolution")
LEAST_TURN = 1e-3  # radians, and of zoom

Which = tuple[str, str]  # factor and component


class Controls:
    """The controls of one tab. first: what they begin with. status: a line of text above them."""

    def __init__(self, gui: viser.GuiApi, subject: Subject, first: Asked) -> None:
        self._gui, self._subject, self._first = gui, subject, first
        self._by_name: dict[str, Any] = {}
        self._buttons: dict[str, Any] = {}
        self._sliders: dict[Which, Any] = {}
        self._others: dict[str, tuple[Any, Any]] = {}  # list and slider of a factor
        self._edits: dict[Which, float] = {}
        self.status = gui.add_markdown("…")
        self._add_head()
        self._add_view()
        self._add_picture()
        self._add_factors()
        self._add_mesh()

    def asked(self) -> Asked:
        """What the controls say. Raises ValueError for what no control of ours does."""
        on = self._by_name
        asked = Asked(
            **{name: on[name].value for name in (*HEAD, *VIEW, "shown")},
            resolution=int(on["resolution"].value),
            quick=on["mode"].value == MODES[1],
            edits=tuple(self._edits.items()),
        )
        return self._subject.sound(asked)

    @property
    def grid(self) -> int:
        """Points a side of the cube in which a mesh is sought. Raises ValueError likewise."""
        if self._by_name["grid"].value not in GRIDS:
            raise ValueError("no such grid")
        return int(self._by_name["grid"].value)

    def heed(self, ask: Callable[[], None], turn: Callable[[], None]) -> None:
        """Call `turn` when the tab changes the view, `ask` when it changes anything else of the
        picture."""
        for name in (*HEAD, *PICTURE):
            _on_move(self._by_name[name], ask)
        for name in VIEW:
            _on_move(self._by_name[name], turn)
        for which, slider in self._sliders.items():
            _on_move(slider, partial(self._edit, ask, which, slider))
        for factor, (listed, slider) in self._others.items():
            _on_move(listed, self.show_coordinates)
            _on_move(slider, partial(self._edit_other, ask, factor))
        self.press("from the front", partial(self._face, turn))
        if self._subject.components:
            self.press("undo all edits", partial(self._undo, ask))

        async def stepped(event: Any) -> None:
            seed, by = self._by_name["seed"], 1 if event.target.value.startswith("next") else -1
            seed.value = min(max(seed.value + by, 0), SEEDS - 1)
            ask()

        self._buttons["step"].on_click(stepped)

    def press(self, label: str, wish: Callable[[], None]) -> None:
        """Call something when a button is pressed."""

        async def pressed(_: Any) -> None:
            wish()

        self._buttons[label].on_click(pressed)

    def follow(self, away: tuple[float, float, float]) -> bool:
        """Set the view by where the camera stands; whether that changed it."""
        distance = math.hypot(*away)
        if not (math.isfinite(distance) and distance > 0):
            return False
        x, y, z = (part / distance for part in away)
        moved = False
        for name, value in zip(VIEW, (math.atan2(x, z), math.asin(y), 1 / distance), strict=True):
            slider = self._by_name[name]
            value = min(max(round(value, 3), slider.min), slider.max)
            if abs(value - slider.value) > LEAST_TURN:
                slider.value, moved = value, True
        return moved

    def show_coordinates(self) -> None:
        """Set the sliders of components to where the head lies; those that were moved stay."""
        shown = dict(self._sliders)
        shown |= {self._other(factor): slider for factor, (_, slider) in self._others.items()}
        at = self._subject.coordinates(self.asked(), list(shown))
        for (which, slider), value in zip(shown.items(), at, strict=True):
            slider.value = min(max(self._edits.get(which, value), -REACH), REACH)

    def _add_head(self) -> None:
        gui, first, on = self._gui, self._first, self._by_name
        with gui.add_folder("Head"):
            on["seed"] = gui.add_number("seed", first.seed, min=0, max=SEEDS - 1, step=1)
            self._buttons["step"] = gui.add_button_group("", ("◀ previous", "next ▶"))
            on["other"] = gui.add_number("second seed", first.other, min=0, max=SEEDS - 1, step=1)
            on["share"] = gui.add_slider("blend", 0.0, 1.0, 0.01, first.share)
            on["truncation"] = gui.add_slider("truncation", 0.0, 1.0, 0.01, first.truncation)

    def _add_view(self) -> None:
        gui, first, on = self._gui, self._first, self._by_name
        with gui.add_folder("View"):
            on["yaw"] = gui.add_slider("yaw", *self._subject.yaws, 0.01, first.yaw)
            on["pitch"] = gui.add_slider("pitch", *self._subject.pitches, 0.01, first.pitch)
            on["zoom"] = gui.add_slider("zoom", *ZOOM, 0.01, first.zoom)
            self._add_button("from the front")

    def _add_picture(self) -> None:
        gui, first, on = self._gui, self._first, self._by_name
        sizes = tuple(map(str, sorted({*SIZES, first.resolution})))
        full_only = not self._subject.has_surface_mode
        with gui.add_folder("Picture"):
            on["shown"] = gui.add_dropdown("show", SHOWN, initial_value=first.shown)
            on["mode"] = gui.add_dropdown("mode", MODES, disabled=full_only)
            size = str(first.resolution)
            on["resolution"] = gui.add_dropdown("resolution", sizes, initial_value=size)
            self._add_button("save as PNG")

    def _add_factors(self) -> None:
        gui, components = self._gui, self._subject.components
        for factor in sorted(components, key=lambda factor: factor != "expression"):
            names = components[factor]
            with gui.add_folder(factor, expand_by_default=factor == "expression"):
                for name in names[:SLIDERS]:
                    self._sliders[factor, name] = gui.add_slider(name, -REACH, REACH, 0.05, 0.0)
                if names[SLIDERS:]:
                    rest = sorted(names[SLIDERS:], key=str.isdecimal)  # names come first
                    listed = gui.add_dropdown("component", rest)
                    slider = gui.add_slider("value", -REACH, REACH, 0.05, 0.0)
                    self._others[factor] = listed, slider
        if components:
            self._add_button("undo all edits")

    def _add_mesh(self) -> None:
        with self._gui.add_folder("Mesh", expand_by_default=False):
            grid = self._gui.add_dropdown("points a side", GRIDS, initial_value="128")
            self._by_name["grid"] = grid
            self._add_button("turn it here")
            self._add_button("download .glb")

    def _add_button(self, label: str) -> None:
        self._buttons[label] = self._gui.add_button(label)

    def _other(self, factor: str) -> Which:
        return factor, str(self._others[factor][0].value)

    def _edit(self, ask: Callable[[], None], which: Which, slider: Any) -> None:
        self._edits.pop(which, None)  # the last one comes last
        self._edits[which] = slider.value
        ask()

    def _edit_other(self, ask: Callable[[], None], factor: str) -> None:
        self._edit(ask, self._other(factor), self._others[factor][1])

    def _undo(self, ask: Callable[[], None]) -> None:
        self._edits.clear()
        ask()

    def _face(self, turn: Callable[[], None]) -> None:
        for name in VIEW:
            self._by_name[name].value = getattr(self._first, name)
        turn()


def _on_move(control: Any, wish: Callable[[], None]) -> None:
    """Call something when the tab moves a control."""

    async def changed(event: Any) -> None:
        if event.client is not None:
            wish()

    control.on_update(changed)
