"""Bins whose edges lie where the target changes: the cuts of a small decision tree of one column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

GAIN = 1e-3  # of the target's impurity that a cut must remove, else it is not made: noise gets no bins
LEAST, SHARE = 20, 1 / 30  # rows of a bin, and for few rows this share of them
MOST_ROWS = 10_000  # that a tree looks at, at even distances


def target_edges(values: NDArray[np.float64], y: NDArray[np.floating], bins: int) -> tuple[float, ...]:
    """Edges of at most `bins` bins of the values (m,), NaN where missing, for class indices or numbers y (m,).

    A column that says nothing of the target gets no edges.  Source: Gorishniy et al. 2022, section 3.2.2.

    >>> x = np.arange(1000.0)
    >>> target_edges(x, (x > 499).astype(np.int64), 8), target_edges(x, x.astype(np.int64) % 2, 8)
    ((0.0, 499.5, 999.0), ())
    """
    from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

    given = ~np.isnan(values)
    x, y = values[given], y[given]
    step = max(-(-len(x) // MOST_ROWS), 1)
    x, y = x[::step], y[::step]
    if bins < 2 or len(x) < 2 or not np.isfinite(x.max() - x.min()):
        return ()
    classes = np.issubdtype(y.dtype, np.integer)
    tree = (DecisionTreeClassifier if classes else DecisionTreeRegressor)(
        max_leaf_nodes=bins,
        min_samples_leaf=max(1, min(LEAST, int(len(x) * SHARE))),
        min_impurity_decrease=GAIN * (1.0 if classes else float(y.var())),
        random_state=0,
    )
    middle = float(np.median(x))  # trees compare in float32: near the median its digits suffice
    scale = float(np.abs(x - middle).max()) or 1.0
    fitted = tree.fit(((x - middle) / scale)[:, None], y).tree_
    cuts = middle + scale * fitted.threshold[fitted.feature >= 0]
    edges = np.unique(np.concatenate([[x.min()], cuts, [x.max()]]))
    return tuple(map(float, edges)) if len(cuts) else ()
