"""The field along rays, asked only where it matters: what makes a CPU render quickly.

Every ray is followed from front to back until it knows enough, and its secant steps end when they
no longer move it. Rays of a whole image are left out where nothing shows: a ray only where the
opacity of all its samples together stays below LEAST, so that no pixel changes by more than half a
grey level of 8 bits. How occupied a ray is at most between its coarse samples, and between rays
that were looked at, is told from theirs, exactly for a field whose logits are concave there (as
those of convex shapes are); shapes thinner than two pixels or than two coarse spacings may be
missed. Rays that are no image are all rendered.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch
import torch.nn.functional as F
from torch import Tensor

from gof.fields.field import Field
from gof.geometry.cameras import Rays
from gof.rendering.bounds import midway, peaks, upper_bound
from gof.rendering.composite import ray_weights
from gof.rendering.interface import RenderSettings
from gof.rendering.query import Samples, colours_at, logits_at
from gof.rendering.surface import Crossing, first_crossing

LEAST = 1 / 256  # opacity that a pixel may lose
HIDDEN = math.exp(-6)  # of a ray's light, at most: what importance sampling need not see
NEAR = 6.0  # logits below the surface's level that still count as near it
BEGINS = 0.0  # the logit at which density begins
EMPTY = -30.0  # the logit of samples that are not evaluated: opacity 0 to rounding
SETTLED = 1e-4  # camera radii: a sixteenth of a pixel's width at 128 px and 12 degrees of view
PASS = 2**12  # samples at which a pass over coarse samples takes no second one of each ray


@dataclass(frozen=True, slots=True)
class Skipping:
    """The samples that matter; see `gof.rendering.query.Query`. `hits_only`: nothing but where rays
    meet the surface is wanted."""

    field: Field
    rays: Rays
    settings: RenderSettings
    hits_only: bool = False

    @property
    def floor(self) -> float:
        """The logit up to which a coarse sample tells of nothing near: below the surface's level,
        and never where there is density."""
        level = self.settings.level
        if self.hits_only:
            return level
        density = self.settings.integrator == "density"
        return min(level - NEAR, BEGINS) if density else level - NEAR

    @property
    def dark(self) -> float:
        """The logit up to which all samples of a ray together stay below LEAST."""
        if self.hits_only or self.settings.integrator == "density":
            return self.floor
        samples = self.settings.surface + self.settings.fine
        return min(self.floor, -math.log(samples / LEAST - 1))

    def coarse(self, t: Tensor) -> Samples:
        """The coarse pass at t. Of images, every second ray of every second row first; of the
        others only those beside one that came near, and those that could do so between them."""
        batch, count = t.shape[:2]
        side = self.rays.side
        if side is None or side % 2:
            return Samples(t, self._ahead(self.rays, t))
        logits = torch.full_like(t, EMPTY)

        def look(some: Tensor) -> Samples:
            each = some[..., None].expand(-1, -1, t.shape[-1])
            at = t.gather(1, each)
            found = self._ahead(self.rays.pick(some), at)
            logits.scatter_(1, each, found)
            return Samples(at, found)

        first = torch.arange(count, device=t.device).view(side, side)[::2, ::2]
        first = first.reshape(1, -1).expand(batch, -1)
        near = self._near(look(first), side)
        look(these_first(near.flatten(1).scatter(1, first, False)))
        return Samples(t, logits)

    def refine(self, crossing: Crossing) -> Tensor:
        """Secant steps; a ray stops when a step moves it by no more than SETTLED."""
        root, going = crossing.estimate(), crossing.hit
        for _ in range(self.settings.secant):
            numbers = these_first(going)
            before = root.gather(1, numbers)
            values = logits_at(self.field, self.rays.pick(numbers), before[..., None]).squeeze(-1)
            part = _each(lambda x, k=numbers: x.gather(1, k), crossing)
            part = part.narrowed(before, values - self.settings.level)
            after = part.estimate()
            crossing = _each(lambda x, new, k=numbers: x.scatter(1, k, new), crossing, part)
            root = root.scatter(1, numbers, after)
            moved = torch.zeros_like(going).scatter(1, numbers, (after - before).abs() > SETTLED)
            going = going & moved
        return root

    def shade(self, t: Tensor, coarse: Samples, known: Tensor) -> tuple[Tensor, Tensor]:
        """Colours and logits at t. Of images, those of rays that show something, the others are
        empty."""
        if self.rays.side is None:
            return colours_at(self.field, self.rays, t)
        shown = known | (coarse.logits.amax(-1) > self.floor)
        unsure = ~shown & (coarse.logits[..., 0] != EMPTY)
        above = upper_bound(Samples(coarse.t[unsure], coarse.logits[unsure]), t[unsure])
        shown[unsure] = self.settings.alpha(above, t[unsure]).sum(-1) > LEAST
        some = these_first(shown)
        rows = torch.arange(len(t), device=t.device)[:, None], some
        colours, logits = colours_at(self.field, self.rays.pick(some), t[rows])
        logits = torch.where(shown[rows][..., None], logits, EMPTY)
        dark = torch.zeros(*t.shape, 3, dtype=t.dtype, device=t.device)
        return dark.index_put(rows, colours), torch.full_like(t, EMPTY).index_put(rows, logits)

    def _ahead(self, rays: Rays, t: Tensor) -> Tensor:
        """Logits at t of rays followed from front to back, until they have met the surface and,
        where weights are wanted, less than HIDDEN is left of their light; empty behind."""
        weighted = self.settings.integrator == "density" or self.settings.fine > 0
        logits, going = torch.full_like(t, EMPTY), torch.ones_like(t[..., 0], dtype=torch.bool)
        start = 0
        while start < t.shape[-1] and bool(going.any()):
            some = these_first(going)
            part = slice(start, start + max(1, PASS // some.numel()))
            rows = torch.arange(len(t), device=t.device)[:, None], some
            found = logits_at(self.field, rays.pick(some), t[rows][..., part])
            logits[..., part] = logits[..., part].index_put(rows, found)
            past = first_crossing(t, logits - self.settings.level).hit
            if weighted and not self.hits_only:
                left = 1 - ray_weights(self.settings.alpha(logits, t)).sum(-1)
                past &= left < HIDDEN
            going &= ~past
            start = part.stop
        return logits

    def _near(self, seen: Samples, side: int) -> Tensor:
        """Which pixels [batch, side, side] may show something, by those of every second row and
        column: beside what is near, or by the lines through what was seen."""
        most = seen.logits.amax(-1)
        beside = (most > self.floor).float().view(-1, 1, side // 2, side // 2)
        unsure = most <= self.dark
        some = Samples(seen.t[unsure], seen.logits[unsure])
        most[unsure] = peaks(some, self.settings.near, self.settings.far)
        between = midway(most.view(-1, side // 2, side // 2)) > self.dark
        spread = beside.new_zeros(len(beside), 1, side, side)
        spread[..., ::2, ::2] = beside
        return between | (F.max_pool2d(spread, 3, 1, 1)[:, 0] > 0)


def these_first(wanted: Tensor) -> Tensor:
    """Numbers [batch, k] of rays to evaluate: those wanted [batch, rays], and others to fill up to
    the most that an image of the batch wants."""
    most = int(wanted.sum(1).max())
    return wanted.to(torch.uint8).argsort(dim=1, descending=True, stable=True)[:, :most]


def _each(do: Callable[..., Tensor], *crossings: Crossing) -> Crossing:
    """A crossing of what `do` makes of the parts of crossings."""
    return Crossing(*(do(*(getattr(c, x.name) for c in crossings)) for x in fields(Crossing)))
