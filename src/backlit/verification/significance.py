"""Whether the wrong numbers carry enough digits that no hypothesis would agree with them by chance."""

from collections.abc import Mapping

import numpy as np

from backlit.verification.comparison import Compared, excess
from backlit.verification.hypotheses import Predictor

BY_CHANCE = 1e-3  # the chance, over all hypotheses tried, at which a name is still given


def enough(tried: int) -> float:
    """Decimal digits of evidence at which one of `tried` hypotheses agrees by chance once in 1/BY_CHANCE."""
    return float(np.log10(max(tried, 1) / BY_CHANCE))


def digits_of_evidence(predictor: Predictor, compared: Mapping[str, Compared]) -> float:
    """Decimal digits that the wrong numbers carry together: what a chance agreement would have to hit."""
    total = 0.0
    for name, one in compared.items():
        if one.ok:
            continue
        claimed, right = predictor.claims[name], predictor.yardstick.right[name]
        gap, allowed = np.abs(claimed - right), predictor.yardstick.allowed(name, right)
        ratio = excess(gap, allowed)
        total += float(np.log10(np.clip(ratio[ratio > 1], 1, 1e8)).sum()) if ratio.ndim else min(np.log10(ratio), 8)
    return total
