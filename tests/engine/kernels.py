"""What C++ has a kernel for, over which the native engine's tests run: a file alone adds to Python's tables only."""

from tests.optim.cases import OPTIMIZER_CASES

from backlit.core import ACTIVATIONS, LOSSES
from backlit.engine.native_support import extension
from backlit.optim import OPTIMIZERS

# Where it was not built, what Backlit ships; the tests are skipped then.
HAS = {table.kind: table.shipped for table in (ACTIVATIONS, LOSSES, OPTIMIZERS)}
if (module := extension()) is not None:
    HAS = {"activation": module.activations(), "loss": module.losses(), "optimizer": module.optimizers()}

DRAWN = {"activation_names": list(HAS["activation"]), "loss_names": list(HAS["loss"])}  # for `problems` to draw from
ELEMENTWISE = [name for name in HAS["activation"] if name != "softmax"]
CASES = {name: case for name, case in OPTIMIZER_CASES.items() if case.name in HAS["optimizer"]}
