"""How the gallery's figures look."""

import warnings
from typing import Any

COLORS = ("#0063a5", "#d1550a", "#00795a", "#a3428a", "#8a7400", "#4a525c")  # told apart by color-blind readers too


def apply(gallery_conf: Any, name: Any) -> None:
    """Before each script: the same style, and no talk of epochs that were not enough."""
    import matplotlib as mpl
    from sklearn.exceptions import ConvergenceWarning

    warnings.simplefilter("ignore", ConvergenceWarning)
    mpl.rcParams.update(
        {
            "figure.figsize": (6.4, 3.8),
            "figure.constrained_layout.use": True,
            "figure.dpi": 110,
            "savefig.dpi": 110,
            "axes.prop_cycle": mpl.cycler(color=COLORS),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "grid.alpha": 0.25,
            "legend.frameon": False,
            "font.size": 10,
        }
    )
