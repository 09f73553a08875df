"""The plan of a run: every buffer that the native engine will use, with name, shape and bytes, before the first step.

>>> from backlit.core import Dense, Network
>>> plan = make_plan(Network(2, [Dense(16, "relu"), Dense(2, "softmax")], loss="cross_entropy"), 32, np.float32)
>>> print(plan.buffers[1])
a[1] (32, 16) float32: 2048 bytes
>>> plan.bytes == plan.buffers[-1].stop
True
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from backlit.core.network import Dense, Network

ALIGNMENT = 64  # bytes: a cache line, and the widest vector
SAME_SLOPE = ("identity", "relu", "leaky_relu", "hard_tanh")  # φ'(a) = φ'(u), so u and a may share a buffer
THREAD_WORK = 1_500_000  # multiply-adds a step from which a second thread pays for its barriers
BLAS_WORK = 2_000_000  # multiply-adds a product from which BLAS is called, where our kernels have no AVX
KEPT_PACKED = 1 << 20  # weights up to which Wᵀ is kept packed; larger ones are packed anew, which takes no memory
LONG_ROW = 1024  # numbers: native/src/small_gemm.hpp, longest_panel
NORM_BLOCK = 8  # native/src/plan.hpp: rows over which layer norm's sums are taken,
BLAS_BLOCK = 128  # columns of one call of BLAS, of which units_at_once is a multiple
FEW_ROWS = 24  # rows a thread below which a large product is split over columns instead of rows,
COLUMN_ROWS = 512  # and rows a batch up to which it is where W has more rows and columns: no thread reads all of W
FUSED_FROM = 1 << 20  # parameters from which a step's gradient would not stay in a core's cache until the update,
FUSED_ROWS = 64  # and rows up to which the update is so large a part of a step that fusing it pays
BLOCK = 1 << 18  # numbers of ∂C/∂W that are computed, and then read, while they are in the cache

# How a layer's three products are cut: by rows or by columns for our own kernels, by blocks of columns for BLAS.
Product = Literal["rows", "columns", "blas"]


@dataclass(frozen=True)
class Buffer:
    """One array of the workspace, `start` in bytes from its beginning."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype
    start: int

    @property
    def bytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def stop(self) -> int:
        """One past its last byte, up to the alignment."""
        return self.start + aligned(self.bytes)

    def __str__(self) -> str:
        return f"{self.name} {self.shape} {self.dtype}: {self.bytes} bytes"


@dataclass(frozen=True)
class Tiles:
    """Sizes of an instruction set's products: columns of a packed panel, lanes of a vector, scratch of a thread."""

    panel: int = 32
    lanes: int = 16
    panel_rows: int = 1024
    copied_step: int = 528


@dataclass(frozen=True)
class Step:
    """Layer l forward, its z, a and mask at these bytes of the workspace (−1: no mask), or `back`ward.

    passing : it goes as soon as the layer after it is there.
    """

    l: int
    back: bool = False
    z: int = -1
    a: int = -1
    kept: int = -1
    passing: bool = False


@dataclass(frozen=True)
class Plan:
    """Buffers and products of a network at a batch size, for a dtype and a number of threads.

    schedule : under a memory limit, the order in which layers take turns in the pool; else empty.
    """

    net: Network
    m: int
    dtype: np.dtype
    threads: int
    buffers: tuple[Buffer, ...]
    products: tuple[Product, ...]  # of layer l at l − 1
    names: dict[str, str]  # a quantity that shares another's buffer: delta[2] → a[2]
    panel_numbers: int  # length of one thread's packed panel
    units_at_once: tuple[int, ...]  # of layer l at l − 1: whose ∂C/∂W one thread computes before it looks at it
    block_numbers: int  # length of one thread's block of ∂C/∂W where updates are fused, else 0
    schedule: tuple[Step, ...] = ()

    @property
    def bytes(self) -> int:
        """The size of the workspace."""
        return self.buffers[-1].stop

    def start(self, name: str) -> int:
        """Where a quantity lies, in bytes; −1 where it has no buffer."""
        name = self.names.get(name, name)
        return next((buffer.start for buffer in self.buffers if buffer.name == name), -1)

    @property
    def forwards(self) -> tuple[int, ...]:
        """How often a step computes each layer forward, layer l at l − 1."""
        runs = [0] * self.net.L
        for step in self.schedule:
            runs[step.l - 1] += not step.back
        return tuple(runs) if self.schedule else (1,) * self.net.L

    @property
    def uses_blas(self) -> bool:
        """Whether a product is left to BLAS."""
        return "blas" in self.products


def make_plan(
    net: Network,
    m: int,
    dtype: Any,
    *,
    threads: int = 1,
    tiles: Tiles = Tiles(),
    blas: bool = False,
    train: bool = True,
    fused: bool = False,
) -> Plan:
    """Lay out the workspace for batches of at most m rows.

    tiles : of the instruction set.  blas : leave large products to BLAS.  train : False leaves out what only gradients
    need.  fused : update W block by block as its gradient is computed, so that no buffer holds the whole gradient.
    """
    products = tuple(choose_product(net, l, m, threads, blas) for l in range(1, net.L + 1))
    names: dict[str, str] = {}
    buffers: list[Buffer] = []
    dtype = np.dtype(dtype)

    def add(name: str, *shape: int, of: Any = dtype) -> None:
        buffers.append(Buffer(name, shape, np.dtype(of), buffers[-1].stop if buffers else 0))

    add("a[0]", m if train else 0, net.inputs)
    for l, layer in net.numbered():
        for name, shape, of in layer_buffers(net, l, layer, m, products, names, train):
            add(name, *shape, of=of or dtype)
        if layer.norm == "layer" and train:
            add(f"norm_sums[{l}]", -(-m // NORM_BLOCK), 2, layer.units)
        if products[l - 1] != "blas" and layer.units * net.n[l - 1] <= KEPT_PACKED:
            add(f"packed[{l}]", -(-layer.units // tiles.panel), net.n[l - 1], tiles.panel)
    rows = rows_of_share(net, m, threads)
    copied = copied_rows(net, m, m if "columns" in products else rows, dtype)
    panel_numbers = tiles.panel_rows * tiles.panel + copied * tiles.copied_step
    at_once = tuple(units_at_once(n_in) for n_in in net.n[:-1])
    block = max(min(units, n) * n_in for units, n, n_in in zip(at_once, net.n[1:], net.n[:-1], strict=True)) * fused
    add("share", m)
    add("losses", m, of=np.float64)
    if train:
        if fused:
            add("block", threads, block)
        else:
            add("gradient", net.n_parameters)
    named = names.keys() | {buffer.name for buffer in buffers}
    if not all(f"grad_a[{l}]" in named for l in range(1, net.L + (not net.has_short_form))):
        add("scratch_g", threads, rows, max(net.n[1:]))
    if train and (any(layer.norm for layer in net.layers) or not net.has_short_form):  # u, or softmax's p, once more
        add("scratch_u", threads, rows, max(net.n[1:]))
    add("panel", threads, panel_numbers)
    return Plan(net, m, dtype, threads, tuple(buffers), products, names, panel_numbers, at_once, block)


def units_at_once(n_in: int) -> int:
    """Units whose ∂C/∂W is computed before it is read: whole blocks of BLAS, and so whole panels of our products."""
    return max(BLOCK // n_in // BLAS_BLOCK, 1) * BLAS_BLOCK


def rows_of_share(net: Network, m: int, threads: int) -> int:
    """The most rows of a batch that one thread has; under a layer norm they are whole blocks of its sums."""
    grain = NORM_BLOCK if any(layer.norm == "layer" for layer in net.layers) else 1
    grains = -(-m // grain)
    return -(-grains // threads) * grain


def fuses(net: Network, m: int, clip_norm: float | None) -> bool:
    """Whether the update is fused with the gradient, which needs no norm of the whole gradient first."""
    return clip_norm is None and net.n_parameters >= FUSED_FROM and m <= FUSED_ROWS


def copied_rows(net: Network, m: int, rows: int, dtype: np.dtype) -> int:
    """How many of its left factor's rows a product may copy (native/src/small_gemm.hpp: copies_rows).

    Those of a and δ, where they are long or a multiple of 4 KiB apart; and the only one of δᵀ or aᵀ, which is as long
    as the batch, where a layer has one unit or there is one input.
    """
    if any(n > LONG_ROW or n * dtype.itemsize % 4096 == 0 for n in net.n):
        return rows
    return 1 if m > LONG_ROW and 1 in net.n else 0


def layer_buffers(
    net: Network, l: int, layer: Dense, m: int, products: tuple[Product, ...], names: dict[str, str], train: bool
) -> Iterator[tuple[str, tuple[int, ...], Any]]:
    """Name layer l's buffers (name, shape, dtype or None for the plan's), and in `names` which of them are one."""
    shape = (m, layer.units)
    plain = not (layer.norm or layer.dropout or layer.skip_from is not None)
    short_output = l == net.L and net.has_short_form
    yield f"a[{l}]", shape, None
    if short_output and plain:
        names |= {f"z[{l}]": f"a[{l}]", f"delta[{l}]": f"a[{l}]"}  # u, then in its place p − y
    elif plain and same_slope(layer):
        names[f"z[{l}]"] = f"a[{l}]"
        if train:
            yield f"delta[{l}]", shape, None
    else:
        yield f"z[{l}]", shape, None
        names[f"delta[{l}]"] = f"z[{l}]"
    if not train:
        if layer.norm:
            yield f"moments[{l}]", (3, layer.units) if layer.norm == "batch" else (m,), None
        return
    shared = f"delta[{l}]" not in names and plain  # the product may write ∂ℓ/∂a where δ will be
    if l in net.skip_sources or layer.norm == "batch" or (l < net.L and products[l] != "rows" and not shared):
        yield f"grad_a[{l}]", shape, None
    elif shared:
        names[f"grad_a[{l}]"] = f"delta[{l}]"
    if layer.dropout:
        yield f"kept[{l}]", shape, np.uint8
    if layer.norm:
        yield f"moments[{l}]", (3, layer.units) if layer.norm == "batch" else (m,), None


def choose_product(net: Network, l: int, m: int, threads: int, blas: bool) -> Product:
    """BLAS for large products where it is asked for; columns where a thread would have few rows, or W is large.

    Our own products have the same bits by rows and by columns, so the threads may decide; BLAS's may not, so its calls
    are the same for any number of threads.
    """
    n, n_in = net.n[l], net.n[l - 1]
    if blas and m * n * n_in >= BLAS_WORK:
        return "blas"
    narrow = min(n, n_in)
    splits = m / threads < FEW_ROWS or m <= min(narrow, COLUMN_ROWS)
    columns = threads > 1 and splits and n * n_in >= 128 * 128 and narrow >= 64 * threads
    return "columns" if columns else "rows"


def useful_threads(net: Network, m: int, allowed: int) -> int:
    """As many threads as a step has work for, at most `allowed`."""
    work = 3 * m * sum(n * n_in for n, n_in in zip(net.n[1:], net.n[:-1], strict=True))
    return max(1, min(allowed, work // THREAD_WORK, m if work < 2**24 else allowed))


# --- what a layer takes -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """Bytes of one layer's a, and of all that its backward pass reads of it (a among it)."""

    a: int
    full: int


def aligned(count: int) -> int:
    """Bytes up to the alignment."""
    return -(-count // ALIGNMENT) * ALIGNMENT


def same_slope(layer: Dense) -> bool:
    """Whether φ' at a is φ' at u."""
    alpha = layer.activation.parameters.get("alpha", 0.0)
    return layer.activation.name in SAME_SLOPE and alpha >= 0


def one_buffer(net: Network, l: int) -> bool:
    """Whether the backward pass of layer l needs no more than a, so that z and δ may take a's place."""
    layer = net.layer(l)
    plain = not (layer.norm or layer.dropout or layer.skip_from is not None)
    return plain and (same_slope(layer) or (l == net.L and net.has_short_form))


def sizes_of(net: Network, l: int, m: int, dtype: Any) -> Sizes:
    """Bytes of layer l for m rows; the mask of dropout takes a byte a unit."""
    layer = net.layer(l)
    a = aligned(m * layer.units * dtype.itemsize)
    z = 0 if one_buffer(net, l) else a
    return Sizes(a, a + z + (aligned(m * layer.units) if layer.dropout else 0))
