"""Pages from Jinja templates, escaped, with the style that all pages of Backlit share; a page fetches nothing."""

from base64 import b64encode
from functools import lru_cache
from html import escape
from importlib.resources import files
from typing import Any


@lru_cache
def environment() -> Any:
    """The templates of this package; what is inserted is escaped unless it is marked as markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("backlit.render"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def page(template: str, **values: Any) -> str:
    """Fill a template."""
    return environment().get_template(template).render(**values)


@lru_cache
def font() -> str:
    """The mathematics' font as a data URL."""
    content = files("backlit.render").joinpath("explorer/math.woff2").read_bytes()
    return "data:font/woff2;base64," + b64encode(content).decode()


def font_face() -> str:
    """The rule that brings the font in."""
    return f'@font-face {{ font-family: "Backlit Math"; src: url({font()}) format("woff2"); }}'


def frame(document: str, title: str) -> str:
    """A page in a frame, so that a notebook's style and the page's leave each other alone."""
    return (
        f'<iframe srcdoc="{escape(document, quote=True)}" title="{escape(title)}" style="width:100%;height:40rem;'
        'border:1px solid currentColor"></iframe>'
    )
