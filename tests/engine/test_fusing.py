"""Updates that are fused with the gradient leave the same bits as updates that wait for the whole of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.kernels import DRAWN
from tests.engine.test_training import recipes, ten_steps
from tests.strategies import Problem, problems

from backlit.core import Dense, Network
from backlit.engine import TrainConfig
from backlit.engine.native import NativeEngine
from backlit.errors import BacklitError
from backlit.optim import get_optimizer

NAMES = ("half_squared_error", "huber", "cross_entropy", "poisson")


def trained(recipe, problem, fused, threads=1, dtype=np.float32):
    """theta, slots and moments after ten steps, or what was raised."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("backlit.engine.native.useful_threads", lambda net, m, allowed: threads)
        patch.setattr("backlit.engine.plan.FUSED_FROM", 0 if fused else 1 << 40)
        engine = NativeEngine(recipe)
        plan = engine.plan(recipe.batch_size, np.dtype(dtype))
        assert (plan.start("block") >= 0, plan.start("gradient") >= 0) == (fused, not fused)
        try:
            state, _ = ten_steps(engine, problem, dtype, np.linspace(0.02, 0.01, 400))
        except BacklitError as error:
            return str(error)
    kept = [a for moments in (state.statistics.mean, state.statistics.variance) for a in moments if a is not None]
    return b"".join(array.tobytes() for array in (state.params.theta, *state.slots, *kept))


@given(st.data(), st.sampled_from([1, 2]), st.sampled_from([np.float32, np.float64]))
def test_same_bits(data, threads, dtype):
    problem = data.draw(problems(running=False, rows=(5, 7), **(DRAWN | {"loss_names": NAMES})))
    recipe = data.draw(recipes(problem.net).filter(lambda recipe: recipe.clip_norm is None))
    assert trained(recipe, problem, True, threads, dtype) == trained(recipe, problem, False, threads, dtype)


@pytest.mark.parametrize("size", [1.0, 1e10, 1e30])
@pytest.mark.parametrize("norm", [None, "batch", "layer"])
def test_what_might_overflow_waits_for_the_whole_gradient(size, norm, rng):
    net = Network(30, [Dense(200, "relu", norm=norm), Dense(70, "tanh"), Dense(3)], loss="half_squared_error", l2=0.01)
    problem = Problem(net, net.init(seed=2), size * rng.standard_normal((70, 30)), rng.standard_normal((70, 3)))
    recipe = TrainConfig(net, get_optimizer("adam"), 32)
    assert trained(recipe, problem, True, 2) == trained(recipe, problem, False, 2)


def test_a_square_that_overflows_is_found_before_anything_is_written(rng):
    """The loss and the gradient are finite, the gradient's square, which Adam keeps, is not."""
    net = Network(30, [Dense(200), Dense(3)], loss="half_squared_error")
    params = net.init(seed=2)
    params.W[2][:] *= 1e-24
    problem = Problem(net, params, 1e24 * rng.standard_normal((70, 30)), rng.standard_normal((70, 3)))
    recipe = TrainConfig(net, get_optimizer("adam"), 32)
    told = trained(recipe, problem, True, 2)
    assert told == trained(recipe, problem, False, 2)
    assert "step 1" in told


def test_only_large_steps_are_fused():
    net = Network(1100, [Dense(1100, "relu"), Dense(1)])
    plans = {
        (m, clip): NativeEngine(TrainConfig(net, get_optimizer("sgd"), m, clip_norm=clip)).plan(m, np.dtype(np.float32))
        for m, clip in [(32, None), (32, 1.0), (512, None)]
    }
    assert [plan.start("block") >= 0 for plan in plans.values()] == [True, False, False]
    assert plans[32, None].bytes < plans[32, 1.0].bytes
