"""Whether an array would fit in this machine's memory, asked before it is made."""

import os

from backlit.errors import TableError

SHARE = 0.8  # of the machine's memory that one array may take


def machine_memory() -> float:
    """Bytes of memory in this machine; infinite if the system does not say."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, OSError, ValueError):  # Windows has no sysconf
        return float("inf")


def check_memory(size: int, what: str, remedy: str) -> None:
    """Raise TableError if `size` bytes are more than an array may take."""
    limit = SHARE * machine_memory()
    if size > limit:
        raise TableError(
            f"{what} take {size / 2**30:,.1f} GiB, and this machine has room for {limit / 2**30:,.1f}: {remedy}"
        )
