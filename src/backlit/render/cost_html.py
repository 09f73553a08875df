"""A cost as one page that fetches nothing."""

from collections.abc import Sequence
from typing import Any

from backlit.render.pages import page


def cost_page(fragment: str, *, title: str) -> str:
    """The page around a cost's own tables, `fragment`, which is markup."""
    return page("cost.html.j2", title=title, fragment=markup(fragment))


def shape(sizes: Sequence[int], most: int = 7) -> str:
    """The sizes of a network; of a deep one the middle is left out.

    >>> shape([784, 512, 10]), shape([64] * 20 + [10])
    ('784 → 512 → 10', '64 → 64 → 64 → … → 64 → 64 → 10 (20 layers)')
    """
    names = list(map(str, sizes))
    if len(names) <= most:
        return " → ".join(names)
    return " → ".join([*names[:3], "…", *names[-3:]]) + f" ({len(names) - 1} layers)"


def markup(text: str) -> Any:
    """Text that is inserted as it is."""
    from markupsafe import Markup

    return Markup(text)
