"""A row of a table as a trained model's problem: features and target are those of training and of `predict`."""

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose
from tests.helpers import raises_naming

from backlit.core.passes import forward
from backlit.errors import ModelError, TableError
from backlit.formats.models import Model
from backlit.formats.sources import row_problem
from backlit.render.explanation import explain
from backlit.tables import TableEncoder, TargetCodec
from backlit.tabular import predict, train


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(0)
    x, color = rng.standard_normal(60), rng.choice(["red", "blue"], 60)
    kind = np.where(x + (color == "red") > 0.5, "yes", "no")
    return pl.DataFrame({"x": x, "color": color, "kind": kind, "amount": 3 * x + (color == "red")})


@pytest.fixture(scope="module", params=["kind", "amount"])
def trained(request, table, tmp_path_factory):
    path = tmp_path_factory.mktemp("model") / "it.safetensors"
    left = "amount" if request.param == "kind" else "kind"
    train(table.drop(left), target=request.param, hidden=(5,), out=path, epochs=3, seed=0)
    return path, request.param


@pytest.mark.parametrize("row", [0, 7, 59])
def test_the_output_is_the_prediction(trained, table, row):
    path, target = trained
    problem = row_problem(path, table, row)
    trace = problem.passes()[0]
    found = predict(path, table).table[row]
    if target == "amount":
        assert trace.a[-1][0, 0] == pytest.approx(found["amount"][0], rel=1e-5, abs=1e-5)
        assert problem.y[0, 0] == table["amount"][row]
    else:
        out = trace.a[-1][0]
        yes = out[-1]
        assert yes == pytest.approx(found["probability of yes"][0], abs=1e-5)
        assert float(np.ravel(problem.y)[0]) == (table["kind"][row] == "yes")


def test_the_document_explains_the_row(trained, table):
    path, _ = trained
    made = explain(model=path, table=table, row=3)
    assert all(check.ok for step in made.derivation.steps() for check in step.checks)
    assert made.derivation.quantities["loss"] > 0
    entry = explain(model=path, table=table, row=3, entry="grad_W[1][0,1]").derivation
    (step,) = entry.steps()
    assert step.value == made.derivation.quantities["grad_W"]["1"][0][1]


def test_a_model_from_python(trained, table):
    from backlit.formats.models import load_model

    model = load_model(trained[0])
    assert explain(model, table=table, row=0).derivation.title.endswith("the model, row 0")


@pytest.mark.parametrize(("change", "row", "said"), [
    (lambda t: t, 60, ("row 60", "rows", "0", "last", "59")),
    (lambda t: t, -1, ("row -1",)),
    (lambda t: t.drop("x"), 0, ("column", "'x'", "table")),
    (lambda t: t.drop("kind", "amount"), 0, ("table", "derivation", "starts", "loss")),
    (lambda t: t.with_columns(kind=pl.lit(None, pl.String), amount=pl.lit(None, pl.Float64)), 0, ("row 0",)),
    (lambda t: t.with_columns(kind=pl.lit("maybe"), amount=pl.lit("much")), 2, ("row 2",)),
    (lambda t: t.with_columns(kind=pl.lit("Yes"), amount=pl.lit(np.inf)), 2, ("row 2",)),
])  # fmt: skip
def test_a_row_that_will_not_do_is_one_line(trained, table, change, row, said):
    with raises_naming(TableError, *said):
        row_problem(trained[0], change(table), row)


def test_a_model_that_knows_no_table(trained, table):
    from backlit.formats.models import load_model

    model = load_model(trained[0])
    bare = Model(model.params, model.statistics)
    with raises_naming(ModelError, "table", "inputs"):
        row_problem(bare, table, 0)


def test_batch_norm_takes_its_running_moments_and_nothing_is_dropped():
    from backlit.core import Dense, Network
    from backlit.core.parameters import Statistics

    net = Network(1, [Dense(3, "tanh", norm="batch", dropout=0.5), Dense(1)])
    params, statistics = net.init(seed=0, dtype=np.float32), Statistics(net, np.float32)
    statistics.mean[1][:], statistics.variance[1][:] = (0.5, -1, 0), (2, 0.5, 1)
    rows = pl.DataFrame({"x": [1.0, 2.0, 4.0], "y": [0.5, 1.5, 2.0]})
    encoder = TableEncoder.fit(rows, drop=["y"])
    model = Model(params, statistics, encoder, TargetCodec("y", "regression"))
    problem = row_problem(model, rows, 1)
    trace = problem.passes()[0]
    expected = forward(net, params, encoder.transform(rows[1], np.float32), statistics=statistics)
    assert_allclose(trace.a[-1], expected.a[-1], rtol=1e-5)
    made = explain(problem).derivation
    assert made.step("mu[1]").lines[0].chain.parts[-1].rows[0][0].value == 0.5
    assert all(check.ok for step in made.steps() for check in step.checks)
    assert "grad_h[1]" not in [step.id for step in made.steps()]
