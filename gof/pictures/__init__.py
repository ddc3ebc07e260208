"""Views of a generator, sheets, edits."""
