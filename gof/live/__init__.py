"""Generators in a browser: what a page asks for, the thread that draws it, the page."""
