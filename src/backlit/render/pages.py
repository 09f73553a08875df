"""Pages from Jinja templates, escaped, with the style that all pages of Backlit share; a page fetches nothing."""

from functools import lru_cache
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
