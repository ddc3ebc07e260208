"""The site of these pages: `sphinx-build docs site`, whose index.html a browser opens.

By Sphinx, MyST and Furo, which are kept: MkDocs was last released in August 2024, and what comes
after it is not settled.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # where site_pages.py lies

from gof import __version__

project, author, version = "gof", "gof", __version__
project_copyright = "its authors, Apache-2.0"
extensions = ["myst_parser", "sphinx.ext.autodoc", "site_pages"]
source_suffix = {".md": "markdown"}

myst_heading_anchors = 4  # as the pages are linked where they are read without the site
myst_fence_as_directive = ["mermaid"]

default_role = "code"  # docstrings quote code with single ticks
autodoc_typehints = "signature"
autodoc_member_order = "bysource"
python_use_unqualified_type_names = True
toc_object_entries = False

html_theme = "furo"  # without fonts, scripts or pictures from elsewhere
html_title = "gof"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
