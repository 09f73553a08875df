"""A cost's text and its page, whole, from numbers that are known."""

import re
from dataclasses import dataclass
from typing import Any

import pytest
from tests.helpers import raises_naming

from backlit.costs import cost
from backlit.costs.memory import UNITS, amount, read_bytes, size
from backlit.errors import ProblemError
from backlit.render.cost import cost_fragment, cost_text, operations_chart, timing_rows


@dataclass(frozen=True)
class Counted:
    """Stands for a `Cost` whose numbers are known."""

    described: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        return self.described


def phase(total, matmul):
    return {"total_flops": total, "matmul_flops": matmul}


def layer(l, forwards=1):
    return {"layer": l, "inputs": 3, "units": 4, "forwards": forwards, "activations": 64,
            "forward": phase(28, 24), "backward": phase(1500, 48)}  # fmt: skip


def described(L=2, **more):
    memory = {"parameters": 104, "gradients": 105, "optimizer": 208, "activations": 128, "workspace": 455, "peak": 1000}
    return {
        "batch": 1, "dtype": "float32", "optimizer_name": "adam", "forward": phase(2000, 48),
        "backward": phase(3000, 96), "optimizer": phase(364, 0), "memory": memory,
        "layers": [layer(1), *(layer(l, forwards=3) for l in range(2, L + 1))], **more,
    }  # fmt: skip


TEXT = """\
A step on 1 example, float32, adam; operations, a multiply-add is 2

layer         forward  in F1  backward  in BP4, BP5  activations
1  3 → 4           28     24     1.5 k           48         64 B
2  3 → 4  ×3       28     24     1.5 k           48         64 B
all               2 k     48       3 k           96        128 B

update:    364 operations
peak:      1000 B
of it:     parameters 104 B, gradients 105 B, optimizer 208 B
           activations 128 B, workspace 455 B
"""
TIMING = {"predicted_seconds": 2e-6, "measured_seconds": 0.0034, "engine": "native", "products_seconds": 1e-6,
          "elementwise_seconds": 6e-7, "update_seconds": 5.6e-5, "matmul_rate": 5e10, "memory_rate": 3e9}  # fmt: skip
PLAN = {"memory_limit": 2048, "kept": [1, 2, 3, 7], "recomputed": {"4": 1, "5": 2, "6": 2}, "extra_flops": 500}


def facts(**more):
    return cost_text(Counted(described(**more))).removeprefix(cost_text(Counted(described()))).strip("\n").splitlines()


def test_the_text():
    assert cost_text(Counted(described())) + "\n" == TEXT


def test_what_was_measured_planned_and_timed_goes_below():
    assert facts(measured={"peak": 1100}) == ["measured:  a process that trains grew by 1.074 KiB, +10.0%"]
    assert facts(checkpointing=PLAN) == [
        "limit:     2 KiB", "kept:      4 layers: 1-3, 7", "again:     3 layers: 4-6; up to 2 times more each",
        "extra:     500 operations, 25% of a forward pass",
    ]  # fmt: skip
    assert facts(checkpointing=PLAN | {"recomputed": {"4": 1}})[2] == "again:     1 layer: 4; once more each"
    assert facts(checkpointing=PLAN | {"recomputed": {}}) == [
        "limit:     2 KiB", "plan:      all activations fit; nothing is computed again",
    ]  # fmt: skip
    assert facts(timing=TIMING) == [
        "time:      predicted 2 µs, measured 3,400 µs (native engine)",
        "of it:     products 1 µs, elementwise 1 µs, update 56 µs",
        "machine:   50 GFLOP/s in products, 3 GB/s in memory",
    ]


def test_a_list_of_layers_that_is_long_is_cut_at_a_comma():
    (kept,) = (row for row in facts(checkpointing=PLAN | {"kept": list(range(1, 60, 2))}) if row.startswith("kept"))
    assert kept == "kept:      30 layers: 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, …"


@pytest.mark.parametrize(("L", "hidden"), [(24, 0), (25, 1), (60, 36)])
def test_of_a_deep_network_the_middle_is_left_out_of_the_text_alone(L, hidden):
    shown = cost_text(Counted(described(L)))
    rows = [int(row) for row in re.findall(r"^(\d+)  3 → 4", shown, re.MULTILINE)]
    assert rows == (list(range(1, L + 1)) if not hidden else [*range(1, 13), *range(L - 11, L + 1)])
    assert (f"… {hidden} more" in shown) == (hidden > 0)
    assert cost_fragment(Counted(described(L))).count('<tr><th scope="row">') == L + 4


def test_the_page_has_the_same_in_two_tables():
    page = cost_fragment(Counted(described(batch=32)))
    assert page.startswith("<p>A step on 32 examples, float32, adam; operations, a multiply-add is 2</p>")
    head = page.partition("<thead>")[2].partition("</thead>")[0]
    assert (
        head
        == '<tr><th scope="col">layer</th>'
        + "".join(
            f'<th scope="col" class="num">{name}</th>'
            for name in ("forward", "in F1", "backward", "in BP4, BP5", "activations")
        )
        + "</tr>"
    )
    first, second = re.findall(r'<div class="table"><table>.*?<tbody>(.*?)</tbody></table></div>', page)
    assert [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in first.split("</tr>")[:-1]] == [
        ["1  3 → 4", "28", "24", "1.5 k", "48", "64 B"],
        ["2  3 → 4  ×3", "28", "24", "1.5 k", "48", "64 B"],
        ["all", "2 k", "48", "3 k", "96", "128 B"],
    ]
    assert first.count('<td class="num">') == 15
    assert re.findall(r"<tr><t[hd][^>]*>(.*?)</t[hd]><td>(.*?)</td></tr>", second) == [
        ("update", "364 operations"),
        ("peak", "1000 B"),
        ("of it", "parameters 104 B, gradients 105 B, optimizer 208 B"),
        ("", "activations 128 B, workspace 455 B"),
    ]


def test_words_are_escaped():
    assert "<b>" not in cost_fragment(Counted(described(optimizer_name="<b>")))
    assert dict(timing_rows(TIMING | {"engine": "x"}))["time"].endswith("(x engine)")


@pytest.mark.parametrize("unit", UNITS)
def test_bytes_are_read_in_every_unit(unit):
    factor = {"K": 1, "M": 2, "G": 3}.get(unit[:1], 0)
    expected = 3 * (1024 if "I" in unit else 1000) ** factor
    assert read_bytes(f"3{unit}") == read_bytes(f" 3 {unit.lower()} ") == expected
    if unit.endswith("B"):
        assert read_bytes(f"3{unit[:-1]}") == expected


@pytest.mark.parametrize("text", ["", "MB", "1 TB", "-1", "1e3", "1.2.3", "3 I"])
def test_what_is_no_number_of_bytes_is_refused(text):
    with raises_naming(ProblemError, "memory_limit", "bytes", "64MB", "2GiB", "1000000"):
        read_bytes(text)


@pytest.mark.parametrize(("value", "as_amount", "as_size"), [
    (999, "999", "999 B"), (1000, "1 k", "1000 B"), (1023, "1.023 k", "1023 B"), (1024, "1.024 k", "1 KiB"),
    (3 * 10**9, "3 G", "2.794 GiB"), (2 * 10**12, "2 T", "1.819 TiB"), (5 * 10**15, "5 P", "4547 TiB"),
])  # fmt: skip
def test_numbers_get_the_unit_that_leaves_few_digits(value, as_amount, as_size):
    assert (amount(value), size(value)) == (as_amount, as_size)


def test_the_chart_stacks_each_layer_s_equations(monkeypatch):
    bars = []

    class Axes:
        def bar(self, x, heights, bottom, **look):
            bars.append((look["label"], list(x), list(heights), list(bottom)))

        def __getattr__(self, name):
            return lambda *arguments, **options: None

    monkeypatch.setattr("backlit.render.pages.svg", lambda draw, title: draw(Axes()) or title)
    result = cost(sizes=[20, 30, 5], batch=10)
    assert operations_chart(result) == "Operations of each layer, by equation"
    assert [label for label, *_ in bars] == ["F1", "BP4", "BP5", "the rest"]
    (_, x, heights, bottom) = bars[-1]
    assert x == [1, 2]
    totals = [sum(row["equations"].values()) for row in result.layers()]
    assert [a + b for a, b in zip(heights, bottom, strict=True)] == totals
    assert bars[2][2][0] == 0  # nobody needs the gradient of the input


def test_no_header_is_empty():
    """A cell that heads nothing is no header, for those who listen."""
    assert '<th scope="row"></th>' not in cost_fragment(cost(sizes=[20, 30, 5], batch=10))
