"""PyTorch's modules compute the same once they are Backlit's: outputs, losses and gradients."""

import numpy as np
import pytest
from tests.helpers import raises_naming

import backlit
from backlit.errors import ModelError, ProblemError, ShapeError
from backlit.formats.sources import load_source, problem_from
from backlit.tabular.scoring import outputs_of

torch = pytest.importorskip("torch")
nn = torch.nn
pytestmark = pytest.mark.interop

ACTIVATIONS = [nn.ReLU, nn.Tanh, nn.Sigmoid, nn.GELU, nn.SiLU, nn.Mish, nn.ELU, nn.SELU, nn.Softplus, nn.Softsign,
               nn.Hardtanh, nn.Identity, lambda: nn.LeakyReLU(0.2), lambda: nn.ELU(0.5)]  # fmt: skip


def drawn(seed):
    """A Sequential, a loss, and a batch."""
    draw = np.random.default_rng(seed)
    torch.manual_seed(seed)
    width, modules = int(draw.integers(1, 6)), []
    inputs = width
    if draw.random() < 0.2:
        modules.append(nn.Flatten())
    for _ in range(draw.integers(0, 4)):
        wider = int(draw.integers(1, 7))
        inner = [nn.Linear(width, wider, bias=bool(draw.random() < 0.8))]
        norm = draw.choice(["none", "batch", "layer"])
        if norm == "batch":
            inner.append(nn.BatchNorm1d(wider, eps=1e-3, affine=bool(draw.random() < 0.8)))
            inner[-1].running_mean.normal_()
            inner[-1].running_var.uniform_(0.5, 2)
        if norm == "layer" and wider > 2:
            inner.append(nn.LayerNorm(wider, elementwise_affine=bool(draw.random() < 0.8)))
        inner.append(ACTIVATIONS[draw.integers(len(ACTIVATIONS))]())
        if draw.random() < 0.3:
            inner.append(nn.Dropout(0.3))
        modules += [nn.Sequential(*inner)] if draw.random() < 0.3 else inner
        width = wider
    outputs, m = int(draw.integers(1, 4)), 6
    modules.append(nn.Linear(width, outputs))
    numbers = torch.from_numpy(draw.normal(size=(m, outputs))).float()
    kind = draw.choice(["mse", "mse_sum", "ce", "nll", "bce", "l1", "huber", "poisson", "bce_plain"])
    if outputs == 1 and kind in ("ce", "nll"):
        kind = "mse"
    classes = torch.from_numpy(draw.integers(0, outputs, m))
    yes = torch.from_numpy(draw.integers(0, 2, (m, outputs))).float()
    reduction = "mean" if outputs == 1 else "sum"
    if kind == "nll":
        modules.append(nn.LogSoftmax(1))
    if kind == "bce_plain":
        modules.append(nn.Sigmoid())
    loss, y = {
        "mse": (nn.MSELoss(), numbers),
        "mse_sum": (nn.MSELoss(reduction="sum"), numbers),
        "ce": (nn.CrossEntropyLoss(), classes),
        "nll": (nn.NLLLoss(), classes),
        "bce": (nn.BCEWithLogitsLoss(reduction=reduction), yes),
        "bce_plain": (nn.BCELoss(reduction=reduction), yes),
        "l1": (nn.L1Loss(reduction=reduction), numbers),
        "huber": (nn.HuberLoss(delta=0.5, reduction=reduction), numbers),
        "poisson": (nn.PoissonNLLLoss(reduction=reduction), numbers.abs().round()),
    }[kind]
    return nn.Sequential(*modules), loss, torch.from_numpy(draw.normal(size=(m, inputs))).float(), y


@pytest.mark.parametrize("seed", range(200))
def test_a_drawn_module(seed):
    module, loss, X, y = drawn(seed)
    module = module.double().train(seed % 2 == 0)  # float32 cancels under norms; that it agrees is tested below
    X, y = X.double(), y if y.dtype == torch.int64 else y.double()
    for dropout in (inner for inner in module.modules() if isinstance(inner, nn.Dropout) and seed % 2 == 0):
        dropout.p = 0.0  # masks are each program's own
    problem = problem_from(module, X=X, y=y, loss=loss)
    X.requires_grad_()
    cost = loss(module(X), y)
    cost.backward()
    _, grad = problem.passes()
    np.testing.assert_allclose(grad.loss, cost.item(), rtol=1e-9, atol=1e-9)
    scale = max(float(p.grad.abs().max()) for p in module.parameters()) + 1e-3
    linears = [inner for inner in module.modules() if isinstance(inner, nn.Linear)]
    for l, linear in enumerate(linears, start=1):
        np.testing.assert_allclose(grad.W[l], linear.weight.grad, rtol=1e-6, atol=1e-9 * scale)
        if linear.bias is not None:
            np.testing.assert_allclose(grad.b[l], linear.bias.grad, rtol=1e-6, atol=1e-9 * scale)
    norms = [inner for inner in module.modules() if isinstance(inner, nn.BatchNorm1d | nn.LayerNorm)]
    gammas = [gamma for gamma in grad.gamma if gamma is not None]
    for norm, gamma in zip(norms, gammas, strict=True):
        if norm.weight is not None:
            np.testing.assert_allclose(gamma, norm.weight.grad, rtol=1e-6, atol=1e-9 * scale)
    m = 1 if problem.net.reduction == "sum" else len(X)
    np.testing.assert_allclose(grad.a[0] / m, X.grad, rtol=1e-6, atol=1e-9 * scale)


@pytest.mark.parametrize("seed", range(0, 200, 2))
def test_float32_agrees(seed):
    module, loss, X, _ = drawn(seed + 1)
    model = backlit.from_torch(module.eval(), loss=loss)
    assert model.params.theta.dtype == np.float32
    applied = {"CrossEntropyLoss": lambda a: a.softmax(1), "NLLLoss": torch.exp, "BCEWithLogitsLoss": torch.sigmoid}
    outputs = applied.get(type(loss).__name__, torch.exp if isinstance(loss, nn.PoissonNLLLoss) else lambda a: a)(
        module(X)
    ).detach()
    np.testing.assert_allclose(outputs_of(model, X.numpy()).reshape(outputs.shape), outputs, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.PReLU()), ["module 1", "PReLU"]),
        (lambda: nn.Sequential(nn.Conv1d(1, 2, 3)), ["module 0", "Conv1d"]),
        (lambda: nn.Sequential(nn.BatchNorm1d(2), nn.Linear(2, 1)), ["module 0", "norm", "before the first"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.BatchNorm1d(2)), ["module 2", "norm after"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.ReLU()), ["module 2", "ReLU"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.Sigmoid()), ["module 2", "dropout"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.GELU("tanh")), ["module 1", "approximate='tanh'"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.LogSoftmax(1)), ["module 1", "NLLLoss"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Flatten()), ["module 1", "Flatten"]),
        (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softmax(0)), ["module 1", "dim=0"]),
        (lambda: nn.Sequential(), ["no modules"]),
        (lambda: nn.GRU(2, 2), ["GRU"]),
    ],
)
def test_what_is_not_understood_is_named(module, words):
    with raises_naming(ModelError, *words):
        backlit.from_torch(module())


def test_modules_that_do_not_fit():
    with raises_naming(ShapeError, "module 1", "takes 3", "gives 2"):
        backlit.from_torch(nn.Sequential(nn.Linear(2, 2), nn.Linear(3, 1)))


def test_a_forward_of_its_own():
    class Own(nn.Sequential):
        def forward(self, x):
            return super().forward(x) + 1

    with raises_naming(ModelError, "Own", "forward of its own"):
        backlit.from_torch(Own(nn.Linear(2, 1)))


@pytest.mark.parametrize(
    ("loss", "words"),
    [
        (nn.CrossEntropyLoss(label_smoothing=0.1), ["label_smoothing"]),
        (nn.CrossEntropyLoss(weight=torch.ones(2)), ["weight"]),
        (nn.L1Loss(), ["averages over the 2 outputs", 'reduction="sum"']),
        (nn.MSELoss(reduction="none"), ["reduction='none'"]),
        (nn.KLDivLoss(), ["KLDivLoss"]),
        (nn.SmoothL1Loss(reduction="sum", beta=2.0), ["beta=2.0"]),
    ],
)
def test_a_loss_that_is_not_understood(loss, words):
    with raises_naming(ModelError, *words):
        backlit.from_torch(nn.Sequential(nn.Linear(2, 2)), loss=loss)


def test_a_softmax_taken_twice_is_found():
    with raises_naming(ModelError, "CrossEntropyLoss", "softmax", "both"):
        backlit.from_torch(nn.Sequential(nn.Linear(2, 2), nn.Softmax(1)), loss=nn.CrossEntropyLoss())


def test_every_verb_takes_a_module():
    module, X, y = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), [[1.0, 2.0]], [[0.5]]
    loss = nn.MSELoss()
    told = {"X": X, "y": y, "loss": loss}
    quantities = backlit.explain(module, **told).derivation.quantities
    cost = loss(module(torch.tensor(X)), torch.tensor(y))
    cost.backward()
    np.testing.assert_allclose(quantities["grad_W"]["1"], module[0].weight.grad, rtol=1e-5)
    claims = {"grad_W": {"1": module[0].weight.grad.tolist()}, "loss": round(cost.item(), 5)}
    assert backlit.check(module, {"loss": claims["loss"]}, **told).verdict == "pass"
    assert backlit.check(module, {"loss": claims["loss"] * 2}, **told).verdict == "fail"
    assert backlit.cost(module, batch=4).ledger.matmul("forward") == 2 * 4 * (2 * 3 + 3)
    deep = nn.Sequential(*(layer for _ in range(20) for layer in (nn.Linear(16, 16), nn.Sigmoid())))
    assert backlit.diagnose(deep, remedies=False).verdict == "vanishing"


def test_estimators_of_modules():
    X = np.random.default_rng(0).normal(size=(5, 2)).astype(np.float32)
    module = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.ReLU(), nn.Linear(4, 3)).eval()
    ours = backlit.MLPClassifier.from_torch(module, loss=nn.CrossEntropyLoss(), classes=["a", "b", "c"])
    theirs = module(torch.from_numpy(X)).softmax(1).detach().numpy()
    np.testing.assert_allclose(ours.predict_proba(X), theirs, rtol=1e-5)
    assert ours.predict(X).tolist() == [["a", "b", "c"][k] for k in theirs.argmax(1)]
    regressor = backlit.MLPRegressor.from_torch(nn.Sequential(nn.Linear(2, 1)))
    assert regressor.predict(X).shape == (5,)


def test_a_function_of_a_file(tmp_path):
    file = tmp_path / "net.py"
    file.write_text(
        "from torch import nn\ndef make():\n    return nn.Sequential(nn.Linear(2, 1))\nbroken = lambda: 1 / 0\n"
    )
    assert problem_from(load_source(f"{file}:make")).net.n == (2, 1)
    for place, words in [
        (f"{file}:made", ["make"]),
        (f"{file}:broken", ["broken", "ZeroDivisionError"]),
        ("net.py:make", ["net.py", "no such file"]),
        ("make", ["FILE.py:function"]),
    ]:
        with raises_naming(ProblemError, *words):
            load_source(place)
