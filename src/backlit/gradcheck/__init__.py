"""One gradient checker: is this the gradient of that cost, and how sure is the answer?

Differences that extrapolate and know their truncation and rounding, the complex step, kinks, and a model of rounding.
`explain`, `check` and `train` use it.
"""

from backlit.gradcheck.check import Comparison, GradientCheck, GradientChecker, check_gradient
from backlit.gradcheck.differences import (
    beside_kinks,
    off_loss_kinks,
    one_sided,
    points_at_kinks,
    richardson,
    sides_of,
    slope_along,
    slopes_between,
)
from backlit.gradcheck.error_bounds import ErrorBounds, error_bounds, term_sizes
from backlit.gradcheck.methods import Cost, Slopes, central_differences, complex_step
from backlit.gradcheck.reference_cost import reference_cost

__all__ = [
    "Comparison", "Cost", "ErrorBounds", "GradientCheck", "GradientChecker", "Slopes", "beside_kinks",
    "central_differences", "check_gradient", "complex_step", "error_bounds", "off_loss_kinks", "one_sided",
    "points_at_kinks", "reference_cost", "richardson", "sides_of", "slope_along", "slopes_between", "term_sizes",
]  # fmt: skip
