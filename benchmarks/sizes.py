"""The sizes of the table, their data and their starting parameters: ReLU, softmax, cross-entropy, float32, Adam."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Size:
    """A network, a batch, how many steps an epoch of the benchmark has, and how many epochs are timed in a round."""

    name: str
    n: tuple[int, ...]
    batch: int
    steps: int
    epochs: int = 1

    @property
    def rows(self) -> int:
        """Examples: a whole number of batches."""
        return self.batch * self.steps

    @property
    def flops(self) -> int:
        """Floating-point operations of a step's matrix products; the first layer's input needs no gradient."""
        products = [a * b for a, b in zip(self.n, self.n[1:], strict=False)]
        return self.batch * (6 * sum(products) - 2 * products[0])


SIZES = {
    size.name: size
    for size in (
        Size("T", (2, 16, 16, 2), 32, 400, 20),
        Size("B", (64, 256, 256, 10), 256, 60, 2),
        Size("M", (784, 256, 128, 10), 128, 60, 2),
        Size("D", (64, *[64] * 49, 10), 128, 20, 4),
        Size("W", (2048, *[2048] * 6), 1024, 1),
    )
}


def data(size: Size, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X (rows, n_0) float32 and labels (rows,)."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((size.rows, size.n[0]), dtype=np.float32)
    return X, rng.integers(0, size.n[-1], size.rows)


def parameters(size: Size, seed: int = 1) -> list[tuple[np.ndarray, np.ndarray]]:
    """Pairs W (n_l, n_{l−1}), b: He's initialization, float32."""
    rng = np.random.default_rng(seed)
    return [
        (
            rng.standard_normal((n, n_in), dtype=np.float32) * np.float32((2 / n_in) ** 0.5),
            np.zeros(n, np.float32),
        )
        for n_in, n in zip(size.n, size.n[1:], strict=False)
    ]
