"""What to look at in a backward pass of one's own."""

from backlit.derivation.document import Points, Section, Text
from backlit.derivation.expressions import Sym
from backlit.derivation.scene import Scene


def section(s: Scene) -> Section:
    """The general points, and those that this network adds."""
    worst = max((c.error for checks in s.checks.values() for c in checks if c.kind == "complex step"), default=0.0)
    agree = all(c.ok for checks in s.checks.values() for c in checks)
    items: list[Text] = [
        ("Every gradient has the shape of its parameter.",),
        ("The slope of the activation is taken at ", Sym("z", "l"), ", not at ", Sym("a", "l"), "."),
        ("The weights on the way down are those of the way up: the update comes after the whole pass.",),
        ("The mean over the examples, 1/m, is taken once, in the gradients of W and b, and not in δ.",)
        if s.net.reduction == "mean"
        else ("The cost is a sum over the examples: there is no 1/m.",),
    ]
    if s.net.l2:
        items.append(("L2 adds λW to the gradient of the weights, and nothing to that of the biases.",))
    if any(layer.norm == "batch" for layer in s.net.layers):
        items.append(
            ("Through batch norm the mean and the variance are functions of z too: δ sums to 0 over the batch.",)
        )
    if any(layer.dropout for layer in s.net.layers):
        items.append(("The mask on the way down is the mask of the way up.",))
    if any(layer.skip_from is not None for layer in s.net.layers):
        items.append(("At the lower end of a skip two slopes are added.",))
    said = "agree" if agree else "do NOT all agree"
    items.append(
        (
            f"Here, complex steps and central differences {said}; the largest relative error of a complex step is "
            f"{worst:.1e}.",
        )
    )
    return Section("checklist", "Checklist", (Points(tuple(items)),))
