"""scikit-learn's own checks of an estimator, and the interface of its two classes, read from the classes themselves."""

import inspect
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.estimator_checks import parametrize_with_checks
from tests.helpers import quick_every

from backlit.estimators import MLPClassifier, MLPRegressor

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),  # runs are short on purpose
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning"),
]

PAIRS = [(MLPClassifier, neural_network.MLPClassifier), (MLPRegressor, neural_network.MLPRegressor)]
SHORT = {"hidden_layer_sizes": (16,), "max_iter": 80, "learning_rate_init": 0.02}
REPEATED = "an example repeated is not one of weight 2: {}"
ON_DENSE, ON_SPARSE = (f"check_sample_weight_equivalence_on_{kind}_data" for kind in ("dense", "sparse"))
# a batch's moments are those of its rows, however heavy; repeated rows have masks of their own, a heavy row has one
BATCH = dict.fromkeys((ON_DENSE, ON_SPARSE), REPEATED.format("batch norm sees it twice"))
DROPOUT = dict.fromkeys((ON_DENSE, ON_SPARSE), REPEATED.format("the masks are drawn by row"))
CASES = [
    ({}, {}),
    ({"early_stopping": True, "validation_fraction": 0.25}, {}),
    ({"norm": "batch"}, BATCH),
    ({"dropout": 0.2}, DROPOUT),
]
ESTIMATORS = [(cls(**SHORT, **options), failing) for options, failing in CASES for cls in (MLPClassifier, MLPRegressor)]


def expected_to_fail(estimator) -> dict[str, str]:
    return next(failing for other, failing in ESTIMATORS if other is estimator)


PLAIN, OTHERS = [estimator for estimator, _ in ESTIMATORS[:2]], [estimator for estimator, _ in ESTIMATORS[2:]]


@quick_every(parametrize_with_checks(PLAIN, expected_failed_checks=expected_to_fail), 2)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


@pytest.mark.slow
@parametrize_with_checks(OTHERS, expected_failed_checks=expected_to_fail)
def test_scikit_learns_checks_of_other_options(estimator, check):
    check(estimator)


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_every_constructor_parameter_is_there_with_its_default(ours, theirs):
    mine, other = (inspect.signature(cls.__init__).parameters for cls in (ours, theirs))
    for name, parameter in other.items():
        assert name in mine, name
        assert mine[name].default == parameter.default, name
    shared = [name for name in mine if name in other]
    assert shared == list(other)  # so that positions mean the same
    positional = [name for name, p in other.items() if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert [name for name, p in mine.items() if p.kind is p.POSITIONAL_OR_KEYWORD] == positional


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_every_public_method_is_there_with_its_arguments(ours, theirs):
    for name, method in inspect.getmembers(theirs, callable):
        if name.startswith("_") or name in ("set_fit_request", "set_partial_fit_request", "set_score_request"):
            continue
        wanted = inspect.signature(method).parameters
        found = inspect.signature(getattr(ours, name)).parameters
        assert [arg for arg in found if arg in wanted] == list(wanted), name
        assert {arg: found[arg].default for arg in wanted} == {arg: wanted[arg].default for arg in wanted}, name


def fitted_names(model) -> set[str]:
    return {name for name in dir(model) if name.endswith("_") and not name.startswith("_") and hasattr(model, name)}


@pytest.mark.parametrize("options", [{}, {"early_stopping": True}, {"solver": "sgd"}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_fitted_attributes_are_scikit_learns(ours, theirs, options):
    """Names, types, lengths and None-ness of everything that ends in _; of ours a few are more."""
    pd = pytest.importorskip("pandas")
    X, y = load_iris(return_X_y=True)
    frame = pd.DataFrame(X, columns=["a", "b", "c", "d"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        mine, other = (cls(max_iter=7, random_state=0, **options).fit(frame, y) for cls in (ours, theirs))
    more = set() if options.get("solver") == "lbfgs" else {"validation_losses_", "stopped_"}
    assert fitted_names(mine) - fitted_names(other) == {"network_", "history_", *more}
    assert not fitted_names(other) - fitted_names(mine)
    for name in fitted_names(other):
        found, wanted = getattr(mine, name), getattr(other, name)
        assert (found is None) == (wanted is None), name
        if isinstance(wanted, list):
            assert isinstance(found, list), name
            if name != "loss_curve_":
                assert [np.shape(part) for part in found] == [np.shape(part) for part in wanted], name
        elif isinstance(wanted, np.ndarray):
            assert (found == wanted).all(), name
        elif isinstance(wanted, int | str) and name != "n_iter_":
            assert found == wanted, name


def test_lbfgs_leaves_no_loss_curve():
    X, y = load_iris(return_X_y=True)
    model = MLPClassifier(solver="lbfgs", max_iter=5).fit(X, y)
    assert not hasattr(model, "loss_curve_")
    assert not hasattr(model, "best_loss_")
