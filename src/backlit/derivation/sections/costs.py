"""Operations and bytes of this network: the matrix products, which are nearly all of the work."""

from backlit.derivation.document import Paragraph, Section, Table, Text
from backlit.derivation.scene import Scene

BYTES = 8  # float64, in which a derivation computes


def section(s: Scene) -> Section:
    """A row for each layer, then the sums."""
    rows: list[tuple[Text, ...]] = []
    total = 0
    for l in range(1, s.net.L + 1):
        n, k = s.net.n[l], s.net.n[l - 1]
        flops = 2 * s.m * n * k
        total += flops
        rows.append(((str(l),), (f"{flops:,}",), (f"{flops:,}",), (f"{flops:,}",)))
    rows.append((("all",), (f"{total:,}",), (f"{total:,}",), (f"{total:,}",)))
    kept = sum(s.m * n for n in s.net.n) + sum(s.m * n for n in s.net.n[1:])
    head: tuple[Text, ...] = (("Layer",), ("F1",), ("BP4",), ("BP5",))
    said = (
        f"A multiply and an add are 2 operations. Each product takes 2 m n k of them, with m = {s.m} examples; the way "
        "down has two products for each one of the way up, so a gradient costs about three times a prediction."
    )
    memory = (
        f"In float64: {s.net.n_parameters * BYTES:,} bytes of parameters, as many of gradients, and "
        f"{kept * BYTES:,} bytes of z and a that are kept for the way back."
    )
    table = Table("Operations in matrix products", head, tuple(rows))
    return Section("costs", "Operations and bytes", (Paragraph((said,)), table, Paragraph((memory,))))
