"""What is wrong with a table is said where it is planted, and not said of a table that is in order."""

import numpy as np
import polars as pl
import pytest

from backlit.tables import read_target, split
from backlit.tabular.datasets import DATASETS, load_dataset
from backlit.tabular.remarks import correlation, distance, in_runs, remarks

N = 400


def table(seed: int = 0, rows: int = N) -> pl.DataFrame:
    """A table in order: numbers, whole numbers, words with few values, dates in any order, gaps."""
    draw = np.random.default_rng(seed)
    income, age = draw.lognormal(10, 0.5, rows), draw.integers(18, 80, rows)
    noise = draw.normal(0, 1, rows)
    return pl.DataFrame({
        "income": np.where(draw.random(rows) < 0.05, np.nan, income),
        "salary": draw.integers(20_000, 90_000, rows),
        "age": age,
        "color": draw.choice(["red", "green", "blue"], rows),
        "day": pl.Series(draw.integers(0, 9000, rows)).cast(pl.Int32).cast(pl.Date),
        "price": age * 1.0 + 10 * noise,
        "bought": np.where(age + 10 * noise > 50, "yes", "no"),
    }).with_columns(pl.col("income").fill_nan(None))  # fmt: skip


def said(frame: pl.DataFrame, target: str = "bought") -> list[str]:
    """Remarks on a table, whose two targets are no features of each other."""
    read = read_target(frame, target)
    kept, held_out = split(read.y if read.classes else len(read.y), test_size=0.2)
    return remarks(frame.drop("price", "bought", strict=False).drop(target, strict=False), read, kept, held_out)


@pytest.mark.parametrize("target", ["bought", "price"])
@pytest.mark.parametrize("seed", range(5))
def test_a_table_in_order_is_not_spoken_of(target, seed):
    assert said(table(seed), target) == []


@pytest.mark.parametrize("name", DATASETS)
def test_known_tables_leak_nothing(name):
    assert not any("alone tells" in remark or "identifier" in remark for remark in said(load_dataset(name), "target"))


PLANTED = {
    "a counter": (pl.int_range(1000, 1000 + N).shuffle(seed=1).alias("mark"), "'mark' looks like an identifier"),
    "a number by name": (
        pl.int_range(N).mul(1_000_003).mod(999_983).shuffle(seed=1).alias("customer_id"),
        "leave the column out (--drop customer_id)",
    ),
    "words that differ": (
        pl.format("c{}", pl.int_range(N).clip(5)).shuffle(seed=1).alias("who"),
        "'who' looks like an identifier (",
    ),
    "the answer in other words": (
        pl.when(pl.col("bought") == "yes").then(pl.lit("sold")).otherwise(pl.lit("open")).alias("state"),
        "'state' alone tells 'bought' nearly always (it takes away 100.0% of the mistakes",
    ),
    "the answer as a gap": (
        pl.when(pl.col("bought") == "yes").then(pl.col("age") * 1.5).alias("paid"),
        "'paid' alone tells 'bought'",
    ),
}


@pytest.mark.parametrize("plant", PLANTED)
def test_a_planted_column_is_found(plant):
    column, sentence = PLANTED[plant]
    (remark,) = said(table().with_columns(column))
    assert sentence in remark


@pytest.mark.parametrize(
    "leak", [pl.col("price") * 0.3048, pl.col("price").exp(), pl.col("price") + pl.col("age") / 50]
)
def test_a_target_in_another_unit_is_found(leak):
    (remark,) = said(table().with_columns(leak.alias("feet")), "price")
    assert "'feet' alone tells 'price' nearly always (it takes away" in remark


def test_a_good_feature_is_no_leak():
    noisy = pl.col("price") + 5 * pl.Series(np.random.default_rng(1).normal(size=N))
    assert said(table().with_columns(noisy.alias("offer")), "price") == []


def test_rows_over_again_are_counted():
    (remark,) = said(pl.concat([table(rows=200)] * 2).sample(fraction=1, shuffle=True, seed=0))
    repeats, of = (int(word) for word in remark.split() if word.isdigit())
    assert of == 80
    assert 50 < repeats < 80
    assert "equal a training row in every column" in remark
    gaps = pl.DataFrame({"a": [None, 1.0] * 50, "price": np.arange(100.0)})
    assert "held-out rows equal" in said(gaps, "price")[0]


def test_classes_of_few_rows_are_named():
    frame = table().with_columns(
        pl.when(pl.int_range(N) % 100 == 7).then(pl.lit("maybe")).otherwise("bought").alias("bought")
    )
    (remark,) = said(frame)
    assert remark == "1 of 3 classes have under 10 training rows ('maybe' 3): their scores tell little"


def test_classes_that_no_row_tests_are_named():
    frame = table().with_columns(
        pl.when(pl.int_range(N) == 7).then(pl.lit("never")).otherwise("bought").alias("bought")
    )
    assert any("no held-out row" in remark and "'never'" in remark and "ROC AUC" in remark for remark in said(frame))


def test_rows_that_drift_are_told():
    later = (pl.int_range(N) >= 250).cast(pl.Float64)
    (remark,) = said(table().with_columns(pl.col("salary") + later * 40_000, speed=pl.col("age") * 0.1))
    assert remark.startswith("rows of the second half differ from the first, most in 'salary': if rows to predict")
    (remark,) = said(table().sort("day"))
    assert remark.startswith("'day' rises from row to row: if")
    assert "(--time day)" in remark
    (remark,) = said(table().with_columns(pl.col("price") + 30 * later), "price")
    assert "most in 'price'" in remark


def test_a_table_sorted_by_its_target_does_not_drift():
    assert said(table().sort("bought")) == []
    assert in_runs(np.array([2, 2, 1, 1, 3, 3]))
    assert in_runs(np.array([0.3, 0.2, 0.1]))
    assert not in_runs(np.array([1, 2, 1]))
    assert not in_runs(np.array([0.3, 0.1, 0.2]))


def test_measures():
    assert distance(np.array([0, 1, 2, 3])) == 1
    assert distance(np.array([0, 1, 0, 1])) == 0
    x = np.array([1.0, 2.0, np.nan, 4.0])
    assert correlation(x, np.array([2.0, 4.0, 9.0, 8.0])) == pytest.approx(1)
    assert correlation(np.ones(3), np.arange(3.0)) == 0
