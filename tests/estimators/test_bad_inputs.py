"""The table of scripts/bad_inputs.py: bad inputs are typed errors that name the argument, and change nothing."""

import warnings

import numpy as np
import pytest
from sklearn.exceptions import ConvergenceWarning
from tests.helpers import raises_naming
from tests.scripts import load_script

from backlit.errors import Divergence
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.validation import unchanged_on_error

bad_inputs = load_script("bad_inputs")
CASES = list(bad_inputs.cases())
USABLE = list(bad_inputs.usable())


def test_there_are_three_hundred_and_more():
    assert len(CASES) >= 300
    assert len({(case.kind, case.name) for case in CASES}) == len(CASES)


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
def test_each_is_an_error_that_names_the_argument_and_changes_nothing(kind):
    faults = [f"{case.name}: {said}" for case in CASES if case.kind == kind and (said := bad_inputs.fault(case))]
    assert not faults, "\n".join(faults)


@pytest.mark.parametrize(("name", "value"), USABLE, ids=[name for name, _ in USABLE])
def test_odd_inputs_work(name, value):
    assert not bad_inputs.unusable(name, value)


def test_the_table_sees_a_call_that_works_a_line_that_names_nothing_and_a_change():
    """Test the tester."""
    X, y = bad_inputs.X, bad_inputs.LABELS

    def change(model):
        model.t_ += 1
        raise ValueError("X")

    for call, said in [
        (lambda m: m.predict(X), "no error"), (lambda m: m.predict(X[:, :2]), "does not name nothing"),
        (change, "the fitted state changed"), (lambda m: m.nothing.more[1], "does not name"),
        (lambda m: {}[1], "of the wrong kind"),
    ]:  # fmt: skip
        words = ("X",) if call is change else ("nothing at all",)
        found = bad_inputs.fault(bad_inputs.Case("planted", "classifier", call, words))
        assert said.removesuffix(" nothing") in found
    assert bad_inputs.fault(bad_inputs.Case("good", "classifier", lambda m: m.fit(X[:, :0], y), ("feature",))) == ""


def test_what_diverges_keeps_its_last_finite_parameters():
    X = bad_inputs.X
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = MLPRegressor(hidden_layer_sizes=(4,), max_iter=2, random_state=0).fit(X, bad_inputs.NUMBERS)
        with raises_naming(Divergence, "diverged"):
            model.fit(X, np.full(24, 1e300))
    assert np.isfinite(model.coefs_[0]).all()


def test_a_warning_points_to_the_line_that_called(recwarn):
    for call in (
        lambda: MLPClassifier((2,), max_iter=1).fit(bad_inputs.X, bad_inputs.LABELS),
        lambda: MLPClassifier((2,), solver="lbfgs", max_iter=1).fit(bad_inputs.X, bad_inputs.LABELS),
        lambda: MLPRegressor(batch_size=99).partial_fit(bad_inputs.X, bad_inputs.NUMBERS),
        lambda: MLPRegressor(batch_size=99, early_stopping=True, validation_fraction=0.5).partial_fit(
            bad_inputs.X, bad_inputs.NUMBERS
        ),
        lambda: MLPRegressor(batch_size=99, max_iter=1).fit_chunks([(bad_inputs.X, bad_inputs.NUMBERS)]),
    ):
        warnings.simplefilter("always")
        recwarn.clear()
        call()
        assert [each.filename for each in recwarn if "test_bad_inputs" not in each.filename] == []
        assert len(recwarn)


@pytest.mark.parametrize("again", ["fit", "partial_fit"])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_callback_that_raises_leaves_nothing_half_learned(again, early_stopping):
    """Parameters, optimizer, history, held-out sample and generator: the next call does what it would have done."""

    def raises(run):
        raise KeyError("mine")

    X, y = np.random.default_rng(0).standard_normal((400, 3)), np.arange(400.0) % 7
    options = {"hidden_layer_sizes": (4,), "norm": "batch", "max_iter": 2, "warm_start": True, "random_state": 0}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        one, other = (
            MLPRegressor(**options, early_stopping=early_stopping).partial_fit(X[:200], y[:200]) for _ in range(2)
        )
        with pytest.raises(KeyError, match="mine"):
            getattr(one.set_params(callbacks=[raises]), again)(X[200:], y[200:])
        assert (one.predict(X) == other.predict(X)).all()
        assert len(one.history_) == len(one.loss_curve_) == 1
        if early_stopping:
            assert len(one._stopping.sample) == len(other._stopping.sample)
        one.set_params(callbacks=None)
        assert (one.partial_fit(X, y).predict(X) == other.partial_fit(X, y).predict(X)).all()


def test_the_generator_is_put_back():
    class Draws:
        def __init__(self):
            self._random = np.random.RandomState(0)

        @unchanged_on_error
        def fit(self):
            self._random.randint(9)
            raise ValueError("drawn")

    model = Draws()
    with raises_naming(ValueError, "drawn"):
        model.fit()
    assert model._random.randint(10**6) == np.random.RandomState(0).randint(10**6)


def test_a_regressor_refuses_words_in_one_line():
    with raises_naming(ValueError, "y", "text", "'red'", "give", "numbers", "use", "MLPClassifier", "classes"):
        MLPRegressor(max_iter=2).fit(np.ones((4, 2)), ["red", "green"] * 2)
