"""A cost as one page that fetches nothing."""

from typing import Any

from backlit.render.pages import page


def cost_page(fragment: str, *, title: str) -> str:
    """The page around a cost's own tables, `fragment`, which is markup."""
    return page("cost.html.j2", title=title, fragment=markup(fragment))


def markup(text: str) -> Any:
    """Text that is inserted as it is."""
    from markupsafe import Markup

    return Markup(text)
