"""A cost as text of 80 columns, as a fragment of HTML and as a page, from what `Cost.to_dict` says."""

from collections.abc import Iterator, Sequence
from html import escape
from typing import Any

from backlit.costs import Cost
from backlit.costs.memory import amount, ranges, size
from backlit.render.pages import page
from backlit.tables.messages import count

HEADS = ("layer", "forward", "in F1", "backward", "in BP4, BP5", "activations")  # the equations of matrix products
Row = tuple[str, ...]
SHOWN = 24  # rows of the table; of a deeper network the middle is left out
BRIEF = 40  # characters of a list of layers
MOST_SIZES = 7  # of a network that are shown


def cost_text(cost: Cost) -> str:
    """The table of the layers, and a line for each of the other numbers."""
    described = cost.to_dict()
    rows = [HEADS, *shortened(layer_rows(described)), all_row(described)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADS))]
    lines = [
        f"{row[0]:<{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True))
        for row in rows
    ]
    facts = [f"{name + ':' if name else '':<11}{value}" for name, value in fact_rows(described)]
    return "\n".join([title(described), "", *(line.rstrip() for line in lines), "", *facts])


def cost_fragment(cost: Cost) -> str:
    """The same as HTML: two tables."""
    described = cost.to_dict()
    head = "".join(f'<th scope="col"{numeric(i)}>{escape(name)}</th>' for i, name in enumerate(HEADS))
    body = "".join(html_row(row) for row in [*layer_rows(described), all_row(described)])
    facts = "".join(
        (f'<tr><th scope="row">{escape(name)}</th>' if name else "<tr><td></td>") + f"<td>{escape(value)}</td></tr>"
        for name, value in fact_rows(described)
    )
    return (
        f"<p>{escape(title(described))}</p>"
        f'<div class="table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
        f'<div class="table"><table><tbody>{facts}</tbody></table></div>'
    )


def cost_page(cost: Cost, *, title: str) -> str:
    """One page around the tables; it fetches nothing."""
    chart = markup(operations_chart(cost)) if len(cost.net.layers) > 1 else ""
    return page("cost.html.j2", title=title, fragment=markup(cost_fragment(cost)), chart=chart)


def operations_chart(cost: Cost) -> str:
    """Operations of each layer by equation, as bars; what is no product is one part."""
    from backlit.render.pages import SERIES, svg

    rows = cost.layers()
    parts = {name: [row["equations"].get(name, 0) for row in rows] for name in ("F1", "BP4", "BP5")}
    all_of = [sum(row["equations"].values()) for row in rows]
    parts["the rest"] = [total - sum(own) for total, own in zip(all_of, zip(*parts.values(), strict=True), strict=True)]

    def draw(axes: Any) -> None:
        base = [0] * len(rows)
        for k, (name, operations) in enumerate(parts.items()):
            axes.bar(range(1, len(rows) + 1), operations, bottom=base, color=SERIES[k], label=name, width=0.7)
            base = [a + b for a, b in zip(base, operations, strict=True)]
        axes.set_xlabel("layer")
        axes.set_ylabel("operations")
        axes.locator_params(axis="x", integer=True)
        axes.legend(fontsize=8)

    return svg(draw, "Operations of each layer, by equation")


def html_row(row: Row) -> str:
    """A row whose first cell names it."""
    cells = "".join(f'<td class="num">{escape(cell)}</td>' for cell in row[1:])
    return f'<tr><th scope="row">{escape(row[0])}</th>{cells}</tr>'


def numeric(i: int) -> str:
    """The class of a column of numbers."""
    return ' class="num"' if i else ""


def title(described: dict[str, Any]) -> str:
    """What was counted."""
    examples = count(described["batch"], "example")
    return f"A step on {examples}, {described['dtype']}, {described['optimizer_name']}; operations, a multiply-add is 2"


def layer_rows(described: dict[str, Any]) -> list[Row]:
    """Name, operations and bytes of each layer; ×3 where it is computed forward three times."""
    return [
        (
            f"{row['layer']}  {row['inputs']} → {row['units']}"
            + (f"  ×{row['forwards']}" if row["forwards"] > 1 else ""),
            *flops(row["forward"]),
            *flops(row["backward"]),
            size(row["activations"]),
        )
        for row in described["layers"]
    ]


def all_row(described: dict[str, Any]) -> Row:
    """The sums; the L2 term is in these alone."""
    return (
        "all",
        *flops(described["forward"]),
        *flops(described["backward"]),
        size(described["memory"]["activations"]),
    )


def flops(row: dict[str, int]) -> tuple[str, str]:
    """All operations of a phase, and those in matrix products."""
    return amount(row["total_flops"]), amount(row["matmul_flops"])


def shortened(rows: list[Row]) -> list[Row]:
    """The first and the last rows, where there are too many."""
    if len(rows) <= SHOWN:
        return rows
    half = SHOWN // 2
    return [*rows[:half], (f"… {len(rows) - 2 * half} more", *[""] * (len(HEADS) - 1)), *rows[-half:]]


def fact_rows(described: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """(name, value) of all that is not in the table."""
    memory = described["memory"]
    yield "update", f"{amount(described['optimizer']['total_flops'])} operations"
    yield "peak", size(memory["peak"])
    yield "of it", ", ".join(f"{name} {size(memory[name])}" for name in ("parameters", "gradients", "optimizer"))
    yield "", ", ".join(f"{name} {size(memory[name])}" for name in ("activations", "workspace"))
    if "measured" in described:
        peak = described["measured"]["peak"]
        yield "measured", f"a process that trains grew by {size(peak)}, {peak / memory['peak'] - 1:+.1%}"
    if "checkpointing" in described:
        yield from plan_rows(described["checkpointing"], described["forward"]["total_flops"])
    if "timing" in described:
        yield from timing_rows(described["timing"])
    if "distributed" in described:
        yield from worker_rows(described["distributed"])


def plan_rows(plan: dict[str, Any], forward: int) -> Iterator[tuple[str, str]]:
    """What a memory limit does."""
    yield "limit", f"{size(plan['memory_limit'])}"
    if not plan["recomputed"]:
        yield "plan", "all activations fit; nothing is computed again"
        return
    again = {int(l): n for l, n in plan["recomputed"].items()}
    yield "kept", f"{count(len(plan['kept']), 'layer')}: {brief(ranges(plan['kept']))}"
    yield "again", f"{count(len(again), 'layer')}: {brief(ranges(sorted(again)))}; {times(max(again.values()))}"
    extra = plan["extra_flops"]
    yield "extra", f"{amount(extra)} operations, {extra / forward:.0%} of a forward pass"


def times(most: int) -> str:
    """How often a layer is computed again."""
    return "once more each" if most == 1 else f"up to {most} times more each"


def brief(text: str) -> str:
    """The text, cut at a comma where it is long."""
    return text if len(text) <= BRIEF else text[:BRIEF].rsplit(",", 1)[0] + ", …"


def worker_rows(many: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """What a step takes on many workers, and from when on they pay."""
    n, rate = many["workers"], f"{amount(many['network'])}b/s"
    yield (
        "workers",
        (
            f"{n}, with {rate} between them: {milli(many['seconds_per_step'])} a step, "
            f"{milli(many['one_machine_seconds'])} on one machine"
        ),
    )
    yield "of it", f"compute {milli(many['compute_seconds'])}, transfer {milli(many['transfer_seconds'])}"
    yield "", f"{amount(many['bytes_per_step'])}B a step over the client's link"
    yield "speed-up", f"{many['speedup']:.2f}, efficiency {many['efficiency']:.0%}"
    rows = [many["pays_from"], many["efficient_from"]]
    if None in rows:
        yield "it pays", "never: one machine is as fast"
    else:
        yield "it pays", f"from batches of {rows[0]:,} rows on, and well (efficiency 80%) from {rows[1]:,}"


def milli(seconds: float) -> str:
    """Seconds as milliseconds."""
    return f"{1e3 * seconds:,.1f} ms"


def timing_rows(timing: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Predicted and measured time, and the rates."""
    predicted, measured = timing["predicted_seconds"], timing["measured_seconds"]
    yield "time", f"predicted {micro(predicted)}, measured {micro(measured)} ({timing['engine']} engine)"
    names = {"products": "products_seconds", "elementwise": "elementwise_seconds", "update": "update_seconds"}
    yield "of it", ", ".join(f"{name} {micro(timing[key])}" for name, key in names.items())
    yield "machine", f"{amount(timing['matmul_rate'])}FLOP/s in products, {amount(timing['memory_rate'])}B/s in memory"


def micro(seconds: float) -> str:
    """Microseconds."""
    return f"{seconds * 1e6:,.0f} µs"


def shape(sizes: Sequence[int]) -> str:
    """The sizes of a network; of a deep one the middle is left out.

    >>> shape([784, 512, 10]), shape([64] * 20 + [10])
    ('784 → 512 → 10', '64 → 64 → 64 → … → 64 → 64 → 10 (20 layers)')
    """
    names = list(map(str, sizes))
    if len(names) <= MOST_SIZES:
        return " → ".join(names)
    return " → ".join([*names[:3], "…", *names[-3:]]) + f" ({len(names) - 1} layers)"


def markup(text: str) -> Any:
    """Text that is inserted as it is."""
    from markupsafe import Markup

    return Markup(text)
