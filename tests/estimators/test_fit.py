"""What a person does with an estimator: fit on, fit in parts, store, search, pipe; and what is told of bad input."""

import pickle
import re
import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import neural_network
from sklearn.base import clone
from sklearn.datasets import load_iris
from sklearn.exceptions import ConvergenceWarning, DataConversionWarning
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.multioutput import MultiOutputRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import LabelBinarizer, StandardScaler
from tests.estimators.conftest import QUICK
from tests.helpers import raises_naming

from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.estimators import MLPClassifier, MLPRegressor
from backlit.estimators.labels import fitted_to_column

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# --- options ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [
    {"norm": "batch"}, {"norm": "layer"}, {"dropout": 0.2}, {"clip_norm": 0.5}, {"init": "he_normal"},
    {"init": {"scheme": "lsuv"}}, {"init": {"scheme": "gaussian", "sigma_w": 1.0, "sigma_b": 0.1}},
    {"activation": "gelu"}, {"activation": {"name": "leaky_relu", "alpha": 0.2}}, {"activation": "logistic"},
    {"activation": ("tanh", "silu"), "hidden_layer_sizes": [12, 8]}, {"hidden_layer_sizes": 12},
    {"hidden_layer_sizes": ()}, {"engine": "reference"}, {"batch_size": 7}, {"shuffle": False}, {"solver": "lbfgs"},
    {"solver": "lbfgs", "norm": "batch"}, {"solver": "lbfgs", "norm": "layer"},
        {"solver": "sgd", "learning_rate": "adaptive"},
        {"early_stopping": True, "n_iter_no_change": 30, "restore_best": False},
], ids=str)  # fmt: skip
def test_every_option_learns_iris(options, iris):
    model = MLPClassifier(**{**QUICK, **options}).fit(*iris)
    assert model.score(*iris) > 0.93
    assert_allclose(model.predict_proba(iris[0]).sum(axis=1), 1)


def test_options_reach_the_network(iris):
    model = MLPClassifier(
        (6, 5), ("tanh", "relu"), norm="batch", dropout=0.25, init="zeros", alpha=0.3, batch_size=50, max_iter=1
    ).fit(*iris)
    first, second, last = model.network_.layers
    assert [(layer.units, layer.activation.name, layer.norm, layer.dropout) for layer in (first, second, last)] == [
        (6, "tanh", "batch", 0.25), (5, "relu", "batch", 0.25), (3, "softmax", None, 0.0)
    ]  # fmt: skip
    assert model.network_.l2 == 0.3 / 50
    assert not model.coefs_[1].any()  # behind zeros no gradient comes


@pytest.mark.parametrize(("options", "line"), [
    ({"activation": "relo"}, ("activation", "'relo'", "relu?")),
    ({"activation": ("relu", "tanh")}, ("activation", "2", "layers", "hidden_layer_sizes", "1")),
    ({"init": "he"}, ("init scheme", "'he'")),
    ({"engine": "cuda"}, ("engine", "'cuda'")),
    ({"hidden_layer_sizes": (3, 0)}, ("hidden_layer_sizes", ">", "0")),
    ({"hidden_layer_sizes": (3.5,)}, ("hidden_layer_sizes", ">", "0")),
    ({"hidden_layer_sizes": (True,)}, ("hidden_layer_sizes", ">", "0")),
    ({"norm": "group"}, ("'norm'", "parameter", "MLPClassifier")),
    ({"dropout": 1.0}, ("'dropout'", "parameter", "MLPClassifier")),
    ({"solver": "lbfgs", "dropout": 0.1}, ("dropout", "draws", "mask", "step", "lbfgs", "follow")),
    ({"early_stopping": True, "validation_fraction": 0.005}, ("validation", "set", "small", "n_samples", "150")),
])  # fmt: skip
def test_options_that_cannot_be(options, line, iris):
    with raises_naming(ValueError, *line):
        MLPClassifier(**{**QUICK, **options}).fit(*iris)


def test_more_than_a_batch_is_clipped_with_a_warning(iris):
    with pytest.warns(UserWarning, match="`batch_size` larger than the sample size"):
        MLPClassifier(**{**QUICK, "batch_size": 1000, "max_iter": 2}).fit(*iris)


def test_a_fit_that_is_not_finished_says_so(iris):
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(3\) reached"):
        MLPClassifier(max_iter=3).fit(*iris)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLPClassifier(max_iter=500, tol=10.0).fit(*iris)


# --- targets ----------------------------------------------------------------------------------------------------------


def test_classes_may_be_words(iris):
    X, y = iris
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    model = MLPClassifier(**QUICK).fit(X, words)
    assert_array_equal(model.classes_, ["setosa", "versicolor", "virginica"])
    assert set(model.predict(X)) == set(words)
    assert_array_equal(model.predict(X), MLPClassifier(**QUICK).fit(X, y).predict(X).choose(model.classes_))


def test_two_classes_are_one_sigmoid(iris):
    X, y = iris
    model = MLPClassifier(**QUICK).fit(X, y == 2)
    assert (model.n_outputs_, model.out_activation_) == (1, "logistic")
    p = model.predict_proba(X)
    assert p.shape == (150, 2)
    assert_array_equal(model.predict(X), p[:, 1] > 0.5)


def test_labels_are_learned_each_for_itself(iris):
    X, y = iris
    labels = np.column_stack([y == 0, y == 2, np.ones_like(y), np.zeros_like(y)]).astype(int)
    model = MLPClassifier(**QUICK, early_stopping=True, n_iter_no_change=60, restore_best=False).fit(X, labels)
    assert model.out_activation_ == "logistic"
    assert (model.predict(X) == labels).mean(axis=0).min() > 0.93
    assert_array_equal(model.predict(X), model.predict_proba(X) > 0.5)


def test_a_class_with_one_member_can_be_held_out_or_not(iris):
    """scikit-learn splits several classes without regard to them; where classes allow it we keep their shares."""
    X, y = iris
    rare = y.copy()
    rare[0] = 7
    assert MLPClassifier(**QUICK, early_stopping=True).fit(X, rare).classes_.tolist() == [0, 1, 2, 7]
    many = np.arange(150) % 40
    assert len(MLPClassifier(**QUICK, early_stopping=True).fit(X, many).classes_) == 40


def test_several_numbers_and_a_column(diabetes):
    X, y = diabetes
    two = MLPRegressor(**QUICK).fit(X, np.column_stack([y, -2 * y]))
    assert two.predict(X).shape == (442, 2)
    assert two.score(X, np.column_stack([y, -2 * y])) > 0.4
    with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
        column = MLPRegressor(**QUICK).fit(X, y[:, None])
    assert_array_equal(column.predict(X), MLPRegressor(**QUICK).fit(X, y).predict(X))


def test_counts_by_poisson(diabetes):
    X, _ = diabetes
    rate = np.exp(0.8 * X[:, 0] + 0.3)
    y = np.random.default_rng(0).poisson(rate)
    model = MLPRegressor("poisson", **QUICK).fit(X, y)
    assert (model.out_activation_, model.network_.loss.name) == ("exp", "poisson")
    assert (model.predict(X) > 0).all()
    assert np.corrcoef(np.log(model.predict(X)), np.log(rate))[0, 1] > 0.8
    with raises_naming(ValueError, "y", "-1", "loss", "poisson", "targets", ">=", "0"):
        model.fit(X, y - 1)


# --- again, in parts, and on ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"dropout": 0.3}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
def test_the_same_random_state_gives_the_same_bits(options, iris):
    models = [MLPClassifier(**{**QUICK, "max_iter": 8, **options}).fit(*iris) for _ in range(2)]
    other = MLPClassifier(**{**QUICK, "max_iter": 8, "random_state": 1, **options}).fit(*iris)
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])
    assert (models[0].coefs_[0] != other.coefs_[0]).any()
    refitted = models[0].fit(*iris)
    assert_array_equal(refitted.coefs_[0], models[1].coefs_[0])
    assert refitted.t_ == models[1].t_


def test_partial_fit_learns_in_parts_and_keeps_the_optimizers_memory(iris):
    X, y = iris
    parts = MLPClassifier(**{**QUICK, "shuffle": False, "batch_size": 50, "alpha": 0.0})
    for _ in range(4):
        parts.partial_fit(X, y, classes=[0, 1, 2])
    whole = clone(parts).set_params(max_iter=4).fit(X, y)
    assert_allclose(parts.coefs_[0], whole.coefs_[0], rtol=1e-12)  # which forgetting Adam's moments would not give
    assert (parts.n_iter_, parts.t_, len(parts.loss_curve_)) == (1, 600, 4)


def test_partial_fit_may_see_a_class_late(iris):
    X, y = iris
    model = MLPClassifier(**QUICK).partial_fit(X[:50], y[:50], classes=[0, 1, 2])
    assert set(model.predict(X)) <= {0, 1, 2}
    for _ in range(60):
        model.partial_fit(X, y)
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize(("call", "line"), [
    (lambda m, X, y: m.partial_fit(X, y), ("classes", "partial_fit")),
    (lambda m, X, y: m.partial_fit(X, y, classes=[0, 1]), ("`y`", "classes", "`self.classes_`")),
    (lambda m, X, y: m.partial_fit(X, y, classes=[0, 1, 2]).partial_fit(X, y, classes=[0, 1, 3]), ("same",)),
    (lambda m, X, y: m.fit(X, y).partial_fit(X, y + 1), ("`y`", "classes", "`self.classes_`")),
    (lambda m, X, y: m.fit(X, y).partial_fit(X[:, :2], y), ("X", "2", "features")),
])  # fmt: skip
def test_partial_fit_that_cannot_be(call, line, iris):
    with raises_naming(ValueError, *line):
        call(MLPClassifier(**{**QUICK, "max_iter": 1}), *iris)


def test_partial_fit_is_not_there_for_lbfgs():
    for cls in (MLPClassifier, MLPRegressor):
        assert not hasattr(cls(solver="lbfgs"), "partial_fit")
        assert hasattr(cls(solver="sgd"), "partial_fit")


def test_warm_start_goes_on(iris):
    iris = iris[0] + 3, iris[1]
    model = MLPClassifier(**{**QUICK, "max_iter": 5, "batch_size": 150, "norm": "batch"}, warm_start=True).fit(*iris)
    before, moments = model.coefs_[0].copy(), model._statistics.mean[1].copy()
    model.set_params(max_iter=1, learning_rate_init=1e-12).fit(*iris)
    assert_allclose(model.coefs_[0], before, atol=1e-10)
    # nor are batch norm's moments begun anew: after k full batches they hold 1 − 0.9^k of the mean
    expected = moments * (1 - 0.9**6) / (1 - 0.9**5)
    assert np.linalg.norm(model._statistics.mean[1] - expected) < 0.1 * np.linalg.norm(expected)
    assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (1, 6 * 150, 6)
    model.set_params(warm_start=False).fit(*iris)
    assert (model.n_iter_, model.t_, len(model.loss_curve_)) == (1, 150, 1)


def test_warm_start_may_change_the_solver(iris):
    # without alpha, of which a batch of 30 has its own share and lbfgs, with all of the data, another
    model = MLPClassifier(**{**QUICK, "max_iter": 5}, alpha=0.0, warm_start=True).fit(*iris)
    losses = [model.loss_]
    for solver in ("sgd", "lbfgs", "adam"):
        losses.append(model.set_params(solver=solver, learning_rate_init=0.001, max_iter=30).fit(*iris).loss_)
    assert losses == sorted(losses, reverse=True)


def test_warm_start_with_other_classes_is_refused(iris):
    X, y = iris
    model = MLPClassifier(**{**QUICK, "max_iter": 2}, warm_start=True).fit(X, y)
    with raises_naming(ValueError, "warm_start", "`y`", "classes"):
        model.fit(X, y + 1)


def test_early_stopping_ends_with_the_best_epoch(iris, monkeypatch):
    X, y = iris
    parts, split = [], MLPClassifier._validation
    monkeypatch.setattr(MLPClassifier, "_validation", lambda *args: parts.extend(split(*args)) or parts)
    told = {**QUICK, "max_iter": 100, "learning_rate_init": 0.5, "early_stopping": True, "validation_fraction": 0.3}
    model = MLPClassifier(**told).fit(X, y)
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.history_.best_epoch < model.n_iter_
    assert model.score(parts[1].X, parts[1].Y.argmax(axis=1)) == model.best_validation_score_
    assert model.best_loss_ is None
    assert len(model.validation_scores_) == model.n_iter_ < 100
    assert model.t_ == model.n_iter_ * len(parts[0])
    assert abs(len(parts[1]) - 45) <= 1  # the two equal flowers stay on one side
    assert model.history_.best_epoch == 1 + int(np.argmax(model.validation_scores_))


def test_rows_of_weight_zero_are_neither_learned_from_nor_scored_by(iris):
    X, y = iris
    weight = (np.arange(150) % 3 > 0).astype(float)
    spoiled = np.where(weight == 0, (y + 1) % 3, y)
    models = [MLPClassifier(**QUICK, early_stopping=True).fit(X, target, weight) for target in (y, spoiled)]
    assert models[0].validation_scores_ == models[1].validation_scores_
    assert_array_equal(models[0].coefs_[0], models[1].coefs_[0])


@pytest.mark.parametrize(("weight", "line"), [
    (np.zeros(150), ("zero",)), (np.full(150, -1.0), ("Negative",)), (np.ones(3), ("shape",))
], ids=["zero", "negative", "short"])  # fmt: skip
def test_weights_that_cannot_be(weight, line, iris):
    with raises_naming(ValueError, *line):
        MLPClassifier(**QUICK).fit(*iris, sample_weight=weight)


# --- stored, copied, searched, piped ----------------------------------------------------------------------------------


@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_float32_stays_float32(solver, iris, diabetes):
    told = {**QUICK, "learning_rate_init": 0.01, "norm": "batch", "solver": solver}
    classifier = MLPClassifier(**told).fit(iris[0].astype(np.float32), iris[1])
    regressor = MLPRegressor(**told).fit(diabetes[0].astype(np.float32), diabetes[1])
    for model in (classifier, regressor):
        assert {array.dtype for array in (*model.coefs_, *model.intercepts_)} == {np.dtype(np.float32)}
    assert classifier.predict_proba(iris[0].astype(np.float32)).dtype == np.float32
    assert regressor.predict(diabetes[0].astype(np.float32)).dtype == np.float32
    assert classifier.score(*iris) > 0.93


@pytest.mark.parametrize(
    "told", [{"norm": "batch", "dropout": 0.1}, {"solver": "lbfgs"}, {"activation": "gelu"}], ids=str
)
def test_a_pickle_predicts_the_same_and_learns_on_alike(told, iris):
    X, y = iris
    model = MLPClassifier(**QUICK, **told).fit(X, y)
    copy = pickle.loads(pickle.dumps(model))
    assert_array_equal(copy.predict_proba(X), model.predict_proba(X))
    assert_array_equal(copy.coefs_[0], model.coefs_[0])
    if "solver" not in told:
        for each in (model, copy):
            each.partial_fit(X, y)
        assert_array_equal(copy.coefs_[0], model.coefs_[0])


def test_a_clone_has_the_parameters_and_nothing_learned(iris):
    model = MLPClassifier((5, 4), ("tanh", "relu"), norm="layer", dropout=0.1).fit(*iris)
    copy = clone(model)
    assert copy.get_params() == model.get_params()
    assert not hasattr(copy, "coefs_")
    assert not hasattr(copy, "n_layers_")


def test_coefs_are_views_of_what_predicts(iris):
    X, y = iris
    model = MLPClassifier(**QUICK).fit(X, y)
    assert [W.shape for W in model.coefs_] == [(4, 12), (12, 3)]
    for W, b in zip(model.coefs_, model.intercepts_, strict=True):
        W[:], b[:] = 0, 0
    model.intercepts_[-1][:] = [0, 1, 0]
    assert set(model.predict(X)) == {1}


def test_a_search_and_a_pipeline(iris):
    X, y = load_iris(return_X_y=True)
    pipe = make_pipeline(StandardScaler(), MLPClassifier(**{**QUICK, "max_iter": 30}))
    grid = {"mlpclassifier__norm": [None, "batch"], "mlpclassifier__hidden_layer_sizes": [(1,), (10,)]}
    search = GridSearchCV(pipe, grid, cv=3, error_score="raise").fit(X, y)
    assert search.best_params_["mlpclassifier__hidden_layer_sizes"] == (10,)
    assert search.best_score_ > 0.9
    assert cross_val_score(search.best_estimator_, X, y, cv=3, error_score="raise").min() > 0.9


def test_names_of_features_are_kept_and_checked(iris):
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(iris[0], columns=list("abcd"))
    model = MLPClassifier(**QUICK).fit(frame, iris[1])
    assert_array_equal(model.feature_names_in_, list("abcd"))
    assert model.n_features_in_ == 4
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(frame[list("dcba")])


def test_as_a_part_of_a_meta_estimator(diabetes):
    X, y = diabetes
    model = MultiOutputRegressor(MLPRegressor(**QUICK)).fit(X, np.column_stack([y, -y]))
    assert model.predict(X).shape == (442, 2)


@pytest.mark.parametrize("stops_early", [False, True])
def test_verbose_prints_what_scikit_learn_prints(stops_early, iris, capsys):
    told = {"early_stopping": stops_early, "max_iter": 50, "n_iter_no_change": 2, "tol": 0.5, "verbose": True}
    printed = []
    for cls in (MLPClassifier, neural_network.MLPClassifier):
        cls((4,), random_state=0, **told).fit(*iris)
        out, err = capsys.readouterr()
        assert err == ""
        printed.append([re.sub(r"\d+\.\d+", "x", line) for line in out.splitlines()])
    assert printed[0][:2] == printed[1][:2]
    assert printed[0][-1] == printed[1][-1]
    assert set(printed[0][-1].split()) >= {"Stopping."}


# --- divergence -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scale", [1e100, 1e200])
def test_a_divergence_is_a_value_error_and_leaves_finite_parameters(scale, diabetes):
    X, y = diabetes
    model = MLPRegressor(**{**QUICK, "solver": "sgd", "learning_rate_init": 1.0})
    with raises_naming(Divergence, "training", "diverged", "step") as error:
        model.fit(X * scale, y)
    assert isinstance(error.value, BacklitError | ValueError)
    assert all(np.isfinite(array).all() for array in (*model.coefs_, *model.intercepts_))
    assert model.history_.stopped == "diverged"


def test_problem_errors_are_value_errors():
    assert issubclass(ProblemError, ValueError)


@pytest.mark.parametrize(
    "y",
    [
        np.array([3, 1, 2, 1]),
        np.array([7, 7, -1], dtype=np.int8),
        np.array([5, 5], dtype=np.uint64),
        np.array(["b", "a", "bb"]),
        np.arange(20).repeat(2),
    ],
    ids=["three", "two", "one", "words", "twenty"],
)
def test_a_plain_column_of_labels_is_read_as_scikit_learn_reads_it(y):
    wanted, found = vars(LabelBinarizer().fit(y)), vars(fitted_to_column(y))
    assert found.keys() == wanted.keys()
    np.testing.assert_array_equal(found.pop("classes_"), wanted.pop("classes_"))
    assert found == wanted


@pytest.mark.parametrize(
    "y",
    [np.array([1.0, 2.0]), np.array([[1], [2]]), [1, 2], np.array(["a", 1], object), np.array([], int), np.arange(99)],
)
def test_other_labels_are_left_to_scikit_learn(y):
    assert fitted_to_column(y) is None


def test_a_parameter_that_equals_a_fine_one_is_looked_at_all_the_same():
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    MLPClassifier((4,), max_iter=2, random_state=0).fit(X, y)
    for wrong in ({"max_iter": 2.0}, {"random_state": 0.0}, {"alpha": -1.0}, {"hidden_layer_sizes": (4.0,)}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            MLPClassifier(**{"hidden_layer_sizes": (4,), "max_iter": 2, "random_state": 0, **wrong}).fit(X, y)


def test_a_table_without_names_forgets_those_of_the_one_before():
    pd = pytest.importorskip("pandas")
    X, y = np.arange(12.0).reshape(6, 2), np.array([0, 1] * 3)
    model = MLPClassifier((4,), max_iter=2, random_state=0).fit(pd.DataFrame(X, columns=["a", "b"]), y)
    assert model.feature_names_in_.tolist() == ["a", "b"]
    model.fit(np.hstack([X, X]), y)
    assert not hasattr(model, "feature_names_in_")
    assert model.n_features_in_ == 4
