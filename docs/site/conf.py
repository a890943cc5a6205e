"""How the pages of docs/ become a site, which loads nothing from elsewhere: `make site` builds it."""

import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

from navigation import with_files, with_navigation  # noqa: E402  beside this file, which the line above makes known

project = "Tandem"
author = "Tandem"
root_doc = "README"
extensions = ["myst_parser"]
exclude_patterns = ["site"]
source_suffix = {".md": "markdown"}

# Headings can be linked as on the pages of the repository; a link that leads nowhere fails `make site`.
myst_heading_anchors = 4
myst_links_external_new_tab = False
nitpicky = True
highlight_language = "none"  # a block that names no language is a picture or an answer
# Shell sessions and cut JSON are shown as they are; a block that no lexer can read is no fault of a page.
suppress_warnings = ["misc.highlighting_failure"]

html_theme = "furo"
html_title = "Tandem"
html_extra_path = ["extra"]
html_static_path = ["static"]
html_css_files = ["tandem.css"]
html_copy_source = False
html_show_sourcelink = False
html_show_sphinx = False
html_show_copyright = False
html_show_search_summary = False  # a browser that reads the site from files may not fetch what it would quote
html_theme_options = {"navigation_with_keys": True}


def _navigation(_app: Any, docname: str, source: list[str]) -> None:
    """Give the indexes their trees, and bring along what is linked outside docs/."""
    source[0] = with_files(docname, with_navigation(docname, source[0]))


def setup(app: Any) -> None:
    """Sphinx calls this."""
    app.connect("source-read", _navigation)
