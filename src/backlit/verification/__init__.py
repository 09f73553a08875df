"""Is this gradient right, and if not, which mistake made it wrong?

Names are loaded when they are first used: PyTorch users don't wait for grading, nor the trainer for the catalogue.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from backlit.verification.function_check import check_function, check_torch
    from backlit.verification.grading.grade import grade
    from backlit.verification.network_check import check_network
    from backlit.verification.problem_check import assert_gradients_match, check
    from backlit.verification.telling_numbers import suggest_inputs

HOME = {
    "assert_gradients_match": "problem_check",
    "check": "problem_check",
    "check_function": "function_check",
    "check_network": "network_check",
    "check_torch": "function_check",
    "grade": "grading.grade",
    "suggest_inputs": "telling_numbers",
}

__all__ = [
    "assert_gradients_match",
    "check",
    "check_function",
    "check_network",
    "check_torch",
    "grade",
    "suggest_inputs",
]


def __getattr__(name: str) -> Any:
    if name not in HOME:
        raise AttributeError(f"module 'backlit.verification' has no attribute {name!r}")
    return getattr(import_module(f"backlit.verification.{HOME[name]}"), name)
