"""The published sets that the papers train on: where each lies, and how it is cut, split and
seen."""
