"""The loop: it learns, it repeats itself to the bit, it goes on where it ended, and the schedules reach the engine."""

import time

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import raises_naming
from tests.training.runs import classifier, curve, digits, learned, regressor, run_curve

from backlit.engine import ReferenceEngine, State
from backlit.errors import Divergence, ProblemError, ShapeError
from backlit.optim import Adam, Sgd, get_schedule
from backlit.training import Settings, fit


@pytest.mark.parametrize("engine", ["auto", "reference"])
@pytest.mark.parametrize(("before", "now"), [(Sgd(), Adam()), (Adam(), Sgd()), (Adam(), Adam(amsgrad=True))])
def test_a_state_of_another_optimizer_is_refused(engine, before, now):
    data, net = curve(), regressor()
    state = State.start(net, net.init(), before)
    with raises_naming(ShapeError, now.name, "state", "init(theta)"):
        fit(net, net.init(), data, Settings(epochs=1, optimizer=now, engine=engine), state=state)
    assert state.step == 0


def test_loss_falls_on_real_digits_and_what_is_learned_holds_on_others():
    train, held_out = digits()
    net = classifier(norm="batch", dropout=0.1)
    settings = Settings(epochs=25, batch_size=50, optimizer=Adam(learning_rate=0.01), patience=None)
    outcome = fit(net, net.init(seed=0), train, settings, validation=held_out)
    losses = outcome.history.column("loss")
    assert losses[0] > 0.5
    assert losses[-1] < 0.1 * losses[0]
    predicted = outcome.engine.predict(outcome.params, outcome.statistics, held_out.X).argmax(axis=1)
    assert (predicted == held_out.Y.argmax(axis=1)).mean() > 0.9
    assert outcome.history.stopped == "epochs"
    assert outcome.divergence is None


def test_the_same_seed_gives_the_same_run_to_the_bit():
    runs = {}
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        train, held_out = digits()
        net = classifier(norm="batch", dropout=0.3)
        settings = Settings(epochs=3, batch_size=64, seed=seed)
        runs[name] = fit(net, net.init(seed=0), train, settings, validation=held_out)
    assert_array_equal(learned(runs["a"]), learned(runs["b"]))
    assert runs["a"].history.column("loss") == runs["b"].history.column("loss")
    assert (runs["a"].params.theta != runs["c"].params.theta).any()


def test_parameters_given_are_not_written_to():
    net = regressor()
    params = net.init(seed=0)
    before = params.theta.copy()
    fit(net, params, curve(), Settings(epochs=2))
    assert_array_equal(params.theta, before)


@pytest.mark.parametrize("schedule", ["constant", {"name": "cosine", "total": 6}, {"name": "exponential", "rate": 0.9}])
def test_three_epochs_and_three_more_are_six(schedule):
    whole = run_curve(epochs=6, schedule=get_schedule(schedule))
    half = run_curve(epochs=3, schedule=get_schedule(schedule))
    rest = run_curve(epochs=3, schedule=get_schedule(schedule), state=half.state, history=half.history)
    assert_array_equal(learned(rest), learned(whole))
    assert rest.history.column("number") == [1, 2, 3, 4, 5, 6]
    for name in ("loss", "learning_rate", "gradient_norms"):
        assert rest.history.column(name) == whole.history.column(name)


def test_a_run_that_goes_on_has_a_schedule_that_is_not_over():
    half = run_curve(epochs=4, schedule=get_schedule("cosine"))
    rest = run_curve(epochs=4, schedule=get_schedule("cosine"), state=half.state, history=half.history)
    assert_allclose(
        rest.history.column("learning_rate")[4:],
        0.001 * get_schedule({"name": "cosine", "total": 8}).factor(np.arange(4, 8)),
    )


# --- what the engine is told ------------------------------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch) -> list[dict]:
    """Each call of the engine's run: rows in order, rates."""
    calls, run = [], ReferenceEngine.run

    def recorded(self, state, data, order, learning_rates, stop):
        calls.append({"order": order.copy(), "rates": np.array(learning_rates)})
        return run(self, state, data, order, learning_rates, stop)

    monkeypatch.setattr(ReferenceEngine, "run", recorded)
    return calls


def test_a_schedule_per_epoch_gives_all_steps_of_an_epoch_one_rate(told):
    outcome = run_curve(
        epochs=3, optimizer=Sgd(learning_rate=0.1), schedule=get_schedule({"name": "exponential", "rate": 0.5})
    )
    assert_allclose([call["rates"] for call in told], np.outer([0.1, 0.05, 0.025], np.ones(4)))  # ⌈60/16⌉ = 4 steps
    assert_allclose(outcome.history.column("learning_rate"), [0.1, 0.05, 0.025])


def test_a_schedule_per_step_counts_steps_over_all_epochs(told):
    warm = {"name": "warm_up", "length": 5, "after": {"name": "cosine", "per": "step"}}
    outcome = run_curve(epochs=3, optimizer=Sgd(learning_rate=0.1), schedule=get_schedule(warm))
    bound = get_schedule({**warm, "after": {"name": "cosine", "per": "step", "total": 12 - 5}})
    assert_allclose([call["rates"] for call in told], 0.1 * bound.factor(np.arange(12)).reshape(3, 4))
    assert outcome.history.epochs[0].learning_rate == told[0]["rates"][-1]


def test_reduce_on_plateau_lowers_the_rate_of_the_epochs_that_follow(told):
    """A rate of 0 keeps the loss where it is (one batch, no shuffling), so every epoch is without improvement."""
    plateau = get_schedule({"name": "reduce_on_plateau", "patience": 1, "rate": 0.5})
    run_curve(epochs=7, batch_size=60, optimizer=Sgd(learning_rate=1e-12), schedule=plateau, shuffle=False)
    assert_allclose([call["rates"][0] / 1e-12 for call in told], [1, 1, 1, 0.5, 0.5, 0.25, 0.25])


def test_reduce_on_plateau_watches_a_score_the_right_way_up(told):
    plateau = get_schedule({"name": "reduce_on_plateau", "patience": 0, "rate": 0.5})
    scores = iter([0.5, 0.6, 0.6, 0.7, 0.65, 0.6])
    run_curve(epochs=6, schedule=plateau, monitor="validation_score", score=lambda *_: next(scores))
    assert_allclose([call["rates"][0] / 0.001 for call in told], [1, 1, 1, 0.5, 0.5, 0.25])


def test_every_epoch_sees_each_row_once_in_an_order_of_its_own(told):
    run_curve(epochs=3)
    orders = [call["order"] for call in told]
    assert all((np.sort(order) == np.arange(60)).all() for order in orders)
    assert (orders[0] != orders[1]).any()
    assert (orders[1] != orders[2]).any()
    run_curve(epochs=2, shuffle=False)
    assert all((call["order"] == np.arange(60)).all() for call in told[3:])


def test_a_batch_larger_than_the_data_is_the_data(told):
    outcome = run_curve(epochs=2, batch_size=1000)
    assert [len(call["rates"]) for call in told] == [1, 1]
    assert outcome.state.step == 2


# --- what it records --------------------------------------------------------------------------------------------------


def test_history_records_each_epoch():
    seen, began = [], time.perf_counter()
    outcome = run_curve(
        epochs=4,
        validation=curve(20),
        score=lambda engine, params, statistics: 0.25,
        callbacks=[lambda run: seen.append(learned(run))],
    )
    history = outcome.history
    assert len(history) == 4
    assert history.column("number") == [1, 2, 3, 4]
    assert all(len(norms) == 2 and min(norms) > 0 for norms in history.column("gradient_norms"))
    assert history.column("validation_score") == [0.25] * 4
    assert history.epochs[-1].validation_loss == outcome.engine.loss(outcome.params, outcome.statistics, curve(20))
    assert len(set(history.column("validation_loss"))) == 4
    assert history.seconds == sum(history.column("seconds")) > 0
    assert history.seconds <= time.perf_counter() - began
    assert [epoch.number for epoch in history] == [1, 2, 3, 4]
    described = history.to_dict()
    assert described["stopped"] == "epochs"
    assert described["epochs"][2]["loss"] == history.epochs[2].loss
    assert_array_equal(seen[-1], learned(outcome))


def test_the_loss_recorded_is_the_mean_of_the_batches_before_their_steps():
    """With a rate of 0 nothing moves: the mean over full batches is the loss of the data, moments aside."""
    train, _ = digits()
    net = classifier()
    settings = Settings(epochs=1, batch_size=300, optimizer=Sgd(learning_rate=0.0))
    outcome = fit(net, net.init(seed=0), train, settings)
    whole = outcome.engine.loss(outcome.params, outcome.statistics, train)
    assert_allclose(
        outcome.history.epochs[0].loss, whole, rtol=1e-12
    )  # the last batch has 100 rows, and counts as such


def test_callbacks_are_called_in_order_and_true_stops():
    calls = []

    def first(run):
        calls.append(("first", len(run.history)))
        return len(run.history) == 2

    def second(run):
        calls.append(("second", len(run.history)))
        return "yes"  # not True: no wish to stop

    outcome = run_curve(epochs=5, callbacks=[first, second])
    assert calls == [("first", 1), ("second", 1), ("first", 2), ("second", 2)]
    assert outcome.history.stopped == "callback"
    assert len(outcome.history) == 2


@pytest.mark.parametrize(("options", "line"), [
    ({"monitor": "validation_loss"}, ("monitor", "validation_loss", "validation", "data", "give", "loss")),
    ({"monitor": "validation_score"}, ("monitor", "validation_score", "score", "give", "loss")),
    ({"engine": "cuda"}, ("engine", "'cuda'")),
])  # fmt: skip
def test_a_run_that_cannot_be(options, line):
    with raises_naming(ProblemError, *line):
        run_curve(**options)


# --- divergence -------------------------------------------------------------------------------------------------------


def test_a_huge_rate_ends_the_run_and_the_last_finite_numbers_are_kept():
    outcome = run_curve(epochs=50, optimizer=Sgd(learning_rate=1e200))
    assert isinstance(outcome.divergence, Divergence)
    assert outcome.history.stopped == "diverged"
    assert outcome.divergence.step == outcome.state.step + 1
    assert outcome.state.step >= 1
    assert np.isfinite(learned(outcome)).all()


def test_infinity_in_the_data_ends_the_run_at_its_step_and_names_the_layer():
    """Row 37 is in the third batch of sixteen: two steps are kept."""
    bad = curve()
    bad.X[37] = np.inf
    outcome = run_curve(data=bad, shuffle=False)
    assert (outcome.divergence.step, outcome.divergence.layer, outcome.state.step) == (3, 0, 2)
    good = run_curve(data=type(bad)(curve().X[:32], bad.Y[:32]), shuffle=False, epochs=1)
    assert_array_equal(learned(outcome), learned(good))
    assert len(outcome.history) == 0


def test_restore_best_after_a_divergence_gives_the_best_epoch():
    kept = []

    def poison(run):
        kept.append(learned(run))
        if len(run.history) == 3:
            run.data.Y[:] = 1e308

    outcome = run_curve(data=curve(), epochs=6, restore_best=True, callbacks=[poison])
    assert outcome.history.stopped == "diverged"
    best = int(np.argmin(outcome.history.column("loss")))
    assert outcome.history.best_epoch == best + 1
    assert_array_equal(learned(outcome), kept[best])
