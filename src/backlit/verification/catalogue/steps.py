"""Mistakes after the gradient: in the optimizer's step, and clipping or a step handed out as the gradient."""

from backlit.optim import Adam
from backlit.verification.catalogue.base import Bug, everywhere, only_if, together
from backlit.verification.mutations import ReplayContext


def has_optimizer(s: ReplayContext) -> bool:
    """Whether the problem says how a step is made."""
    return s.problem.optimizer is not None


STEPS = (
    Bug(
        "returned_the_update",
        "What was handed out is the step, −η g, not the gradient.",
        "G = −η ∂C/∂θ",
        "G = ∂C/∂θ",
        "OPT-SGD1",
        "Return the gradient; the optimizer multiplies by −η.",
        only_if(has_optimizer, everywhere("returned", "update")),
        "with an optimizer; without one as a negative factor on all tensors",
        number=7,
    ),
    Bug(
        "clipping_included",
        "What was handed out is the gradient after clipping.",
        "G = g min(1, c/‖g‖)",
        "G = g",
        "OPT-CLIP1",
        "Return the gradient before it is clipped, or claim it as part of the update.",
        only_if(lambda s: bool(s.problem.clip_norm or s.problem.clip_value), everywhere("returned", "clipped")),
        "where the gradient is longer than the bound",
        number=35,
    ),
    Bug(
        "step_uphill",
        "The step goes up: the gradient is added, not subtracted.",
        "θ ← θ + η g",
        "θ ← θ − η g",
        "OPT-SGD1",
        "Subtract.",
        only_if(has_optimizer, everywhere("step", "ascent")),
        "in update",
    ),
    Bug(
        "learning_rate_missing",
        "The step lacks the learning rate.",
        "θ ← θ − g",
        "θ ← θ − η g",
        "OPT-SGD1",
        "Multiply by η.",
        only_if(has_optimizer, everywhere("step", "no_rate")),
        "in update, with η ≠ 1",
    ),
    Bug(
        "biases_not_updated",
        "The biases are left as they were.",
        "b ← b",
        "b ← b − η ∂C/∂b",
        "OPT-SGD1",
        "Update the biases as well as the weights.",
        only_if(has_optimizer, everywhere("step", "b_kept")),
        "in update",
    ),
    Bug(
        "weights_not_updated",
        "The weights are left as they were.",
        "W ← W",
        "W ← W − η ∂C/∂W",
        "OPT-SGD1",
        "Update the weights as well as the biases.",
        only_if(has_optimizer, everywhere("step", "W_kept")),
        "in update",
    ),
    Bug(
        "bias_correction_missing",
        "Adam's running means are used without undoing their start at 0.",
        "m / √v",
        "(m / (1 − β₁ᵗ)) / √(v / (1 − β₂ᵗ))",
        "OPT-ADAM4",
        "Divide by 1 − βᵗ, with t counted from 1.",
        only_if(
            lambda s: isinstance(s.problem.optimizer, Adam),
            together(everywhere("step", "uncorrected")),
        ),
        "in update, with Adam",
    ),
)
