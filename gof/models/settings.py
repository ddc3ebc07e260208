"""The networks of a model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from gof.config.choice import OneOf
from gof.config.section import Count, Section
from gof.fields.registry import FIELDS
from gof.fields.settings import FieldSettings, Mapping, StartShape


def _kinds() -> dict[str, type[FieldSettings]]:
    return {name: kind.settings for name, kind in FIELDS.all().items()}


class Networks(Section):
    """What a generator is made of."""

    field: Annotated[FieldSettings, OneOf("name", _kinds, "film_siren")] = Field(
        default_factory=lambda: FIELDS["film_siren"].settings(name="film_siren"),
        description="the field; its name decides which other settings there are",
    )
    mapping: Mapping = Mapping()
    start_shape: StartShape = StartShape()


class DiscriminatorNetwork(Section):
    """Residual discriminator; channels at resolution r are min(channel_max, channel_base / r)."""

    channel_base: Count = 1024
    channel_max: Count = 128
    stddev_group: Count = Field(4, description="images that share one minibatch standard deviation")

    def takes(self, micro_batch: int) -> bool:
        """Whether so many images fall into whole groups, or into a single one."""
        return micro_batch <= self.stddev_group or micro_batch % self.stddev_group == 0
