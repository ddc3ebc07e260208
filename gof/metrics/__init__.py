"""Measurements of generators from their exported weights. One file is one metric (`registry`); what
they compute stands in `scores`, the networks they ask in `networks`."""
