"""What Sphinx is told: `make docs` builds the site into site/, from these pages and from the code."""

import sys
from importlib.util import find_spec
from pathlib import Path

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS / "_ext"), str(DOCS.parent / "examples")]

import generated_pages  # noqa: E402  (from docs/_ext)

import backlit  # noqa: E402  (after docs/_ext)

generated_pages.write(DOCS / "generated" / "reference")

project = "Backlit"
author = "The Backlit developers"
copyright = "The Backlit developers"
version = release = backlit.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "sphinx_gallery.gen_gallery",
    "sphinx_design",
    "sphinx_copybutton",
    "sphinx.ext.mathjax",
    "worked",
    "links",
    "explorer",
]
root_doc = "index"
exclude_patterns = [
    "_ext",
    "_static",
    "_templates",
    "gallery",
    "generated/gallery/**.ipynb",
    "generated/**/sg_execution_times.rst",
]
templates_path = ["_templates"]
myst_enable_extensions = ["dollarmath", "colon_fence", "deflist"]
myst_heading_anchors = 3
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

autodoc_typehints = "none"  # the docstrings say types and shapes
autosummary_generate = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": ["gallery"],
    "gallery_dirs": ["generated/gallery"],
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "abort_on_example_error": True,
    "run_stale_examples": True,  # a figure is the code's, of today
    "download_all_examples": False,
    "notebook_images": False,
    "write_computation_times": False,
    "show_signature": False,
    "capture_repr": (),
    "reset_modules": ("gallery_style.apply",),
    "min_reported_time": 10_000,
}

html_theme = "pydata_sphinx_theme"
html_title = "Backlit"
# MathJax comes along, as one file that draws its own glyphs: no page asks anybody for anything.
MATHJAX = Path(find_spec("sphinx-mathjax-offline").submodule_search_locations[0]) / "static" / "mathjax" / "tex-svg.js"
html_static_path = ["_static", str(MATHJAX)]
mathjax_path = "tex-svg.js"
mathjax3_config = {"options": {"enableMenu": False}, "svg": {"fontCache": "global"}}
html_css_files = ["site.css"]
html_extra_path = ["problem.schema.json"]
html_context = {"default_mode": "auto"}
html_show_sourcelink = False
html_copy_source = False
html_theme_options = {
    "logo": {"text": "Backlit"},
    "navbar_align": "left",
    "header_links_before_dropdown": 7,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "pygments_light_style": "a11y-high-contrast-light",
    "pygments_dark_style": "a11y-high-contrast-dark",
}
html_sidebars = {"index": [], "about/explorer": []}


def setup(app):
    """What estimators inherit from scikit-learn is described there."""

    def foreign(app, what, name, member, skip, options):
        member = getattr(member, "fget", member)
        module = getattr(member, "__module__", None) or ""
        return True if module.startswith("sklearn") or type(member).__module__.startswith("sklearn") else None

    app.connect("autodoc-skip-member", foreign)
