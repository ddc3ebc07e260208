"""The discriminator."""

from __future__ import annotations

from pydantic import Field

from gof.config.section import (
    Count,
    Section,
)


class DiscriminatorNetwork(Section):
    """Residual discriminator; channels at resolution r are min(channel_max, channel_base / r)."""

    channel_base: Count = 1024
    channel_max: Count = 128
    stddev_group: Count = Field(4, description="images that share one minibatch standard deviation")

    def takes(self, micro_batch: int) -> bool:
        """Whether so many images fall into whole groups, or into a single one."""
        return micro_batch <= self.stddev_group or micro_batch % self.stddev_group == 0
