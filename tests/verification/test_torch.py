"""check_torch on modules with hand-written backward passes."""

import numpy as np
import pytest
from tests.helpers import raises_naming

from backlit.errors import ProblemError
from backlit.verification import check_torch

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.interop


class Swish(torch.autograd.Function):
    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return z * torch.sigmoid(z)

    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        s = torch.sigmoid(z)
        return grad * s * (1 + z * (1 - s))


class ForgetfulSwish(Swish):
    @staticmethod
    def backward(ctx, grad):
        (z,) = ctx.saved_tensors
        return grad * torch.sigmoid(z)


class Net(torch.nn.Module):
    def __init__(self, swish):
        super().__init__()
        torch.manual_seed(0)
        self.first, self.last, self.swish = torch.nn.Linear(3, 4), torch.nn.Linear(4, 2), swish

    def forward(self, X):
        return self.last(self.swish.apply(self.first(X)))


X = np.random.default_rng(0).standard_normal((5, 3))
y = np.random.default_rng(1).standard_normal((5, 2))
loss = torch.nn.functional.mse_loss


def test_a_right_backward_passes():
    result = check_torch(Net(Swish), loss, X, y)
    assert result.ok, str(result)
    assert set(result.by_name) == {"first.weight", "first.bias", "last.weight", "last.bias", "input"}


def test_a_wrong_backward_is_found_below_it_and_not_above():
    result = check_torch(Net(ForgetfulSwish), loss, X, y)
    assert result.verdict == "fail"
    assert result.by_name["first.weight"] > 1e-3
    assert result.by_name["input"] > 1e-3
    assert result.by_name["last.weight"] < 1e-8


def test_the_module_is_left_as_it_was():
    module = Net(ForgetfulSwish)
    before = {name: p.clone() for name, p in module.named_parameters()}
    check_torch(module, loss, X, y)
    assert all(torch.equal(p, before[name]) and p.dtype == torch.float32 for name, p in module.named_parameters())


def test_a_module_with_random_dropout_is_refused():
    module = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(0.5), torch.nn.Linear(8, 2))
    with raises_naming(ProblemError, "switch", "dropout"):
        check_torch(module, loss, X, y)
    assert check_torch(module.eval(), loss, X, y).ok


def test_a_backward_that_forgets_grad_output_is_noticed():
    """With the loss itself as output grad_output is 1, so its own gradient is right; a loss times c shows it."""

    class Loss(torch.autograd.Function):
        @staticmethod
        def forward(ctx, a, y):
            ctx.save_for_backward(a, y)
            return 0.5 * ((a - y) ** 2).sum()

        @staticmethod
        def backward(ctx, grad_output):
            a, y = ctx.saved_tensors
            return a - y, None

    torch.manual_seed(0)
    X, y = torch.randn(5, 3), torch.randn(5, 2)
    found = check_torch(torch.nn.Linear(3, 2), Loss.apply, X, y)
    assert found.max_relative_error < 1e-8
    assert found.verdict == "fail"
    assert "grad_output" in str(found)
    assert check_torch(torch.nn.Linear(3, 2), torch.nn.functional.mse_loss, X, y).ok
