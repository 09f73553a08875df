"""Cases that people met, from the file to the prediction: what a column means is decided in training and kept."""

import datetime as dt
import json
from functools import partial

import numpy as np
import polars as pl
import pytest
from tests.commands import run_command
from tests.helpers import raises_naming
from tests.needs import needs_native

from backlit import TabularRegressor
from backlit.errors import TableError
from backlit.formats.models import load_model
from backlit.tabular import predict, train
from backlit.tabular.scoring import activations_of

pytestmark = pytest.mark.usefixtures("small_presets")
START = dt.date(2023, 1, 1)
DAYS = [START + dt.timedelta(days=k * 7 % 700) for k in range(300)]


def homes():
    draw = np.random.default_rng(3)
    rows = [(int(a), int(r) / 2) for a, r in zip(draw.integers(300, 2500, 300), draw.integers(2, 10, 300), strict=True)]
    german = "".join(
        f"{f'{a:,}'.replace(',', '.')};{f'{r:g}'.replace('.', ',')};{a * 150 + r * 20000:.0f}\n" for a, r in rows
    )
    return "area;rooms;price\n" + german


@pytest.fixture
def write(tmp_path):
    def file(content, name="t.csv"):
        path = tmp_path / name
        path.write_text(content, encoding="utf-8")
        return path

    return file


def test_a_number_does_not_hang_on_its_neighbors(write, tmp_path):
    """`1.234` beside `2,5`, and alone; before, it was 242,761 with company and 71,164 without."""
    model = tmp_path / "m.safetensors"
    train(write(homes()), "price", hidden=(16,), epochs=100, out=model, compare=False)
    two = predict(model, write("area;rooms\n1.234;3\n800;2,5\n", "two.csv")).table["price"]
    one = predict(model, write("area;rooms\n1.234;3\n", "one.csv")).table["price"]
    other = predict(model, write('"rooms","area"\n"3","1.234"\n', "comma.csv")).table["price"]
    assert one[0] == two[0] == other[0] == pytest.approx(1234 * 150 + 3 * 20000, rel=0.05)
    with raises_naming(TableError, "other.csv", "'area'", "'1,234.5'", "row 2", "training"):
        predict(model, write('area,rooms\n800,3\n"1,234.5",3\n', "other.csv"))


def test_the_order_of_day_and_month_is_that_of_training(write, tmp_path):
    rows = "".join(f"{d:%d/%m/%Y},{(d - START).days}\n" for d in DAYS)
    model = train(write("day,visits\n" + rows), "visits", hidden=(16,), epochs=100, compare=False).model
    later = predict(model, write("day\n05/12/2024\n", "later.csv")).table["visits"]
    assert later[0] == pytest.approx((dt.date(2024, 12, 5) - START).days, abs=40)
    assert predict(model, write("day\n2024-12-05\n", "iso.csv")).table["visits"][0] == later[0]


STAMPS = {  # as databases, spreadsheets and logs write a day
    "Postgres": lambda d: f"{d} 00:00:00+00",
    "BigQuery": lambda d: f"{d} 00:00:00 UTC",
    "American": lambda d: f"{d.month}/{d.day}/{d:%y}",
    "German": lambda d: f"{d:%d.%m.%y}",
    "words": lambda d: f'"{d:%b %d, %Y}"',
}


def test_every_way_to_write_a_day_gives_the_same_model(write):
    def outputs(form):
        rows = "".join(f"{form(d)},{(d - START).days}\n" for d in DAYS)
        return train(write("created_at,y\n" + rows), "y", hidden=(8,), epochs=20, compare=False).test_outputs

    right = outputs(str)
    for name, form in STAMPS.items():
        np.testing.assert_allclose(outputs(form), right, rtol=1e-3, err_msg=name)


def test_money_is_a_number_as_target_too(write):
    rows = "".join(f'{k},"${25 * k:,.2f}"\n' for k in range(1, 121))
    result = train(write("n,price\n" + rows), "price", epochs=60, compare=False)
    assert result.task == "regression"
    assert result.metrics["test"]["r2"] > 0.95
    assert result.notes[0].startswith("column 'price': read as numbers in $, with a comma between thousands")


def test_strings_of_json_are_numbers_as_target_too(write):
    lines = "".join(json.dumps({"qty": str(k), "total": str(2.5 * k)}) + "\n" for k in range(1, 121))
    result = train(write(lines, "t.jsonl"), "total", epochs=60, compare=False)
    assert (result.task, [column.kind for column in result.model.encoder.summary()]) == ("regression", ["number"])


DRAWN = ("loss", "norms", "against", "residuals")


def spoiled():
    rows = "".join(f"{d},{k % 5},{k}\n" for k, d in enumerate(DAYS))
    return "day,kind,y\n0000-00-00,1,3\n" + rows


def test_what_was_done_to_a_column_is_said_everywhere(capsys, write, tmp_path, monkeypatch):
    monkeypatch.setattr("backlit.render.report.figures", lambda result: dict.fromkeys(DRAWN, ""))
    report = tmp_path / "r.html"
    call = ["train", write(spoiled()), "--target", "y", "--epochs", 2, "--hidden", "4", "--no-compare"]
    _, out, _ = run_command(capsys, *call, "--format", "json")
    result = json.loads(out)
    said = "column 'day': 1 of 301 cells (0.332 %), such as '0000-00-00', are no dates, and count as missing"
    assert said in result["notes"]
    day, kind = result["columns"]
    assert (day["read_as"], day["not_so"], day["features"]) == ("dates", pytest.approx(1 / 301), 2)
    assert (kind["read_as"], kind["not_so"], kind["note"]) == ("numbers", 0, "")
    _, out, _ = run_command(capsys, *call, "--report", report)
    assert said in " ".join(out.split())
    assert "1 of 301 cells" in report.read_text(encoding="utf-8")


def test_a_type_overrules_what_was_found(capsys, write, tmp_path):
    model = tmp_path / "m.safetensors"
    call = ["train", write(spoiled()), "--target", "y", "--epochs", 2, "--out", model, "--format", "json"]
    code, out, _ = run_command(capsys, *call, "--column", "kind=category", "--column", "day=ignore")
    assert code == 0
    assert [(c["name"], c["kind"]) for c in json.loads(out)["columns"]] == [("kind", "category")]
    assert load_model(model).encoder.feature_names_out[0] == "kind=0"
    assert predict(model, pl.DataFrame({"kind": [3]})).table.equals(predict(model, pl.DataFrame({"kind": ["3"]})).table)
    for wrong, words in (("kind", "NAME=TYPE"), ("kind=word", "unknown type 'word'"), ("knd=number", "'kind'")):
        code, _, err = run_command(capsys, *call, "--column", wrong)
        assert code == 2
        assert words in err
        assert len(err.strip().splitlines()) == 1


def test_dates_that_nothing_orders_are_refused_with_the_remedy(capsys, write):
    table = write("day,y\n" + "".join(f"0{k % 9 + 1}/0{k % 7 + 1}/2024,{k}\n" for k in range(60)))
    code, _, err = run_command(capsys, "train", table, "--target", "y", "--epochs", 1)
    assert code == 2
    assert "--column day=dmy" in err
    for remedy in (["--column", "day=mdy"], ["--drop", "day", "--column", "day=dmy"]):
        code, _, err = run_command(capsys, "train", table, "--target", "y", "--epochs", 1, *remedy)
        assert (code == 0) == (remedy[0] == "--column")  # without the day no column is left


def test_several_files_are_trained_on_in_one_call(capsys, write):
    lines = [f"{k},{2 * k}\n" for k in range(60)]
    parts = [write("a,y\n" + "".join(lines[i::3]), f"{i}.csv") for i in range(3)]
    code, out, _ = run_command(capsys, "train", *parts, "--target", "y", "--epochs", 1, "--format", "json")
    result = json.loads(out)
    assert (code, result["n_train"] + result["n_test"]) == (0, 60)


def test_texts_of_a_parquet_folder_are_read_as_in_memory(tmp_path):
    table = pl.DataFrame({
        "day": [f"{d:%d/%m/%Y}" for d in DAYS],
        "price": [f"${1000 + 3 * k:,}" if k % 60 else "-" for k in range(300)],
        "y": [str((d - START).days) for d in DAYS],
    })  # fmt: skip
    folder = tmp_path / "parts"
    folder.mkdir()
    for k in range(3):
        table[100 * k : 100 * k + 100].write_parquet(folder / f"{k}.parquet")
    options = {"hidden": (8,), "epochs": 10, "optimizer": {"name": "adam", "learning_rate": 0.01}, "compare": False}
    held, streamed = train(table, "y", **options), train(folder, "y", **options)
    assert held.model.encoder.format == streamed.model.encoder.format
    assert streamed.task == "regression"
    assert streamed.metrics["test"]["r2"] == pytest.approx(held.metrics["test"]["r2"], abs=0.1)
    some = table.drop("y")
    np.testing.assert_array_equal(
        predict(streamed.model, some).table["y"][7], predict(streamed.model, some[7:8]).table["y"][0]
    )
    assert any("'price'" in note and "count as missing" in note for note in streamed.notes)


@pytest.mark.parametrize("engine", [pytest.param("native", marks=needs_native), "reference"])
def test_a_rows_outputs_do_not_hang_on_the_rows_beside_it(engine):
    draw = np.random.default_rng(0)
    table = pl.DataFrame({f"x{k}": draw.normal(size=90) for k in range(30)} | {"y": draw.normal(size=90)})
    model = train(table, "y", epochs=1, compare=False).model
    X = model.encoder.transform(table, np.float32)
    ask = partial(activations_of, model.params, model.statistics, engine=engine)
    whole, order = ask(X), draw.permutation(90)
    alone = np.concatenate([ask(X[k : k + 1]) for k in range(90)])
    np.testing.assert_array_equal(alone, whole)
    np.testing.assert_array_equal(ask(X[order]), whole[order])


def test_an_ensemble_reads_later_rows_as_its_training_table(write, tmp_path):
    path = tmp_path / "m.safetensors"
    train(write(homes()), "price", quality="fast", out=path, compare=False)
    two = predict(path, write("area;rooms\n1.234;3\n800;2,5\n", "two.csv"), interval=0.9, reasons=1).table
    one = predict(path, write("area;rooms\n1.234;3\n", "one.csv"), interval=0.9, reasons=1).table
    assert two[:1].equals(one)
    assert one["price"][0] == pytest.approx(1234 * 150 + 3 * 20000, rel=0.05)
    with raises_naming(TableError, "other.csv", "'area'", "'1,234.5'", "row 1", "training"):
        predict(path, write('area,rooms\n"1,234.5",3\n', "other.csv"))


def test_texts_of_a_data_frame_are_numbers_to_an_estimator():
    pd = pytest.importorskip("pandas")
    price = [f"${25 * k:,.2f}" for k in range(1, 61)]
    model = TabularRegressor(quality="fast", random_state=0).fit(pd.DataFrame({"price": price}), np.arange(60.0))
    assert [column.kind for column in model.ensemble_.encoder.columns] == ["number"]
    some = model.predict(pd.DataFrame({"price": price}))
    np.testing.assert_array_equal(model.predict(pd.DataFrame({"price": price[7:8]})), some[7:8])
