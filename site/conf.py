"""What Sphinx is told of the website; `scripts/build_site.py` writes the pages that it reads."""

import inspect
import os
import re

project = "MLOps Lab"
author = "The MLOps Lab authors"
copyright = "The MLOps Lab authors, MIT licence"  # noqa: A001  the name that Sphinx gives it
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx_copybutton", "sphinx_design"]
myst_enable_extensions = ["colon_fence", "attrs_inline"]
myst_heading_anchors = 3
nb_execution_mode = "off"  # the stored outputs are those that nbval holds
nb_ipywidgets_js = {}  # they would come from another host; panels show their picture and their words
nb_mime_priority_overrides = [("html", "application/vnd.jupyter.widget-view+json", None)]
default_role = "code"  # docstrings write `names` as Markdown does
toc_object_entries = False
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
copybutton_selector = "div.cell_input div.highlight pre, div.highlight-sh pre, div.highlight-python pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_theme = "sphinx_book_theme"
html_title = "MLOps Lab"
html_context = {"default_mode": "auto"}
html_favicon = "_static/favicon.svg"
html_static_path = ["_static"]
html_extra_path = ["extra"]  # the slides, which are no pages of a book
html_css_files = ["site.css"]
html_theme_options = {
    "home_page_in_toc": True,
    "navbar_persistent": [],
    "show_toc_level": 2,
    "use_download_button": True,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
repository = os.environ.get("GITHUB_REPOSITORY", "")  # what a workflow knows; a build at home has no such links
if repository:
    html_theme_options |= {
        "repository_url": f"https://github.com/{repository}",
        "repository_branch": "main",
        "path_to_docs": "",
        "use_repository_button": True,
        "use_issues_button": True,
        "launch_buttons": {"binderhub_url": "https://mybinder.org"},
    }


def keep(_app, what, _name, value, _options, lines):
    """A table of Markdown as it stands, and a property whole: napoleon takes what is before a colon for a type."""
    if what == "property":
        raises = next((at for at, line in enumerate(lines) if line.startswith(":raises")), len(lines))
        lines[:] = [*(inspect.getdoc(value) or "").partition("\nRaises:\n")[0].split("\n"), "", *lines[raises:]]
    table = re.compile(r"^((?:\|.*\n?)+)", re.M)
    text = table.sub(lambda found: "::\n\n" + re.sub("^", "    ", found[1], flags=re.M), "\n".join(lines))
    lines[:] = text.split("\n")


def setup(app):
    """Let Sphinx read our docstrings, after napoleon has."""
    app.connect("autodoc-process-docstring", keep, priority=600)
