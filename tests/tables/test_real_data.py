"""Tables that people measured, exported by pandas as people export them, against the numbers that pandas held."""

import itertools

import numpy as np
import polars as pl
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from tests.helpers import quick_first

from backlit.tables import TableEncoder, read_table, read_target, split, write_table

pd = pytest.importorskip("pandas")


def of_statsmodels(name):
    return getattr(pytest.importorskip("statsmodels.api").datasets, name).load_pandas().data


def of_sklearn(name):
    import sklearn.datasets

    data = getattr(sklearn.datasets, f"load_{name}")(as_frame=True)
    frame = data.frame
    if hasattr(data, "target_names"):
        frame["species"] = np.asarray(data.target_names)[frame.pop("target")]
    return frame


DATA = {
    "fair": of_statsmodels,
    "star98": of_statsmodels,
    "grunfeld": of_statsmodels,
    "modechoice": of_statsmodels,
    "iris": of_sklearn,
    "wine": of_sklearn,
    "breast_cancer": of_sklearn,
    "diabetes": of_sklearn,
}
EXPORTS = {
    "plain": {"index": False},
    "with index": {},
    "European": {"sep": ";", "decimal": ","},
    "tabs": {"sep": "\t", "index": False},
    "Windows": {"index": False, "lineterminator": "\r\n", "encoding": "utf-8-sig"},
    "all quoted": {"index": False, "quoting": 1},
    "pipes, commas decimal": {"sep": "|", "decimal": ","},
}


ROWS = 100  # at most, of each table; `make test-slow` reads all


@pytest.fixture(scope="module", params=quick_first([*DATA, *(f"all of {name}" for name in DATA)], len(DATA)))
def frame(request):
    name = request.param.removeprefix("all of ")
    whole = DATA[name](name)
    every = 1 if name != request.param else -(-len(whole) // ROWS)
    return whole.iloc[::every].reset_index(drop=True)


EACH = [*zip(DATA, itertools.cycle(EXPORTS), strict=False), ("iris", "plain")]  # every table, and every export
WHOLE = [(f"all of {name}", export) for name in DATA for export in EXPORTS]


@pytest.mark.parametrize(("frame", "export"), quick_first([*EACH, *WHOLE], len(EACH)), indirect=["frame"])
def test_every_export_gives_the_numbers_that_pandas_held(frame, export, tmp_path):
    frame.to_csv(tmp_path / "t.csv", **EXPORTS[export])
    table = read_table(tmp_path / "t.csv")
    assert table.columns == list(frame.columns)
    for name in frame.columns:
        assert table[name].to_list() == frame[name].to_list()


def test_features_are_those_of_scikit_learn(frame, tmp_path):
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    frame.to_csv(tmp_path / "t.csv", index=False)
    table = read_table(tmp_path / "t.csv")
    train, test = split(table.height, seed=1)
    encoder = TableEncoder.fit(table[train])
    X, names = encoder.transform(table[test]), list(encoder.feature_names_out)
    numeric = [row.name for row in encoder.summary() if row.kind == "number"]
    words = [row.name for row in encoder.summary() if row.kind == "category"]
    expected = (
        StandardScaler().fit(frame.iloc[train][numeric].to_numpy()).transform(frame.iloc[test][numeric].to_numpy())
    )
    assert_allclose(X[:, [names.index(name) for name in numeric]], expected, rtol=1e-9, atol=1e-9)
    for word in words:
        hot = OneHotEncoder(handle_unknown="ignore", sparse_output=False).fit(frame.iloc[train][[word]])
        columns = [names.index(f"{word}={value}") for value in hot.categories_[0]]
        assert_array_equal(X[:, columns], hot.transform(frame.iloc[test][[word]]))
    assert X.shape[1] == len(numeric) + sum(frame.iloc[train][word].nunique() + 1 for word in words)


def test_a_mixed_table_goes_all_the_way_round(tmp_path):
    """Fair's survey with holes, words, flags and dates: read, split, encode, store, read again, predict, write."""
    fair = of_statsmodels("fair")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": fair["age"].mask(rng.random(len(fair)) < 0.1),
            "job": fair["occupation"].map(
                {1: "student", 2: "farming", 3: "white-collar", 4: "teacher", 5: "manager", 6: "pro"}
            ),
            "religious": fair["religious"] > 2,
            "asked": pd.Timestamp("1974-01-01") + pd.to_timedelta(rng.integers(0, 300, len(fair)), unit="D"),
            "children": fair["children"].astype(int),
            "affair": np.where(fair["affairs"] > 0, "yes", "no"),
        }
    )
    frame["affair"] = frame["affair"].mask(rng.random(len(fair)) < 0.05)
    frame.to_csv(tmp_path / "fair.csv", index=False)

    table = read_table(tmp_path / "fair.csv")
    assert table.dtypes == [pl.Float64, pl.String, pl.Boolean, pl.Date, pl.Int64, pl.String]
    target = read_target(table, "affair")
    assert target.classes == ("no", "yes")
    assert len(target.rows) == frame["affair"].notna().sum()
    train, test = split(target.y, test_size=0.2, seed=7)
    shares = [target.y[part].mean() for part in (train, test)]
    assert_allclose(shares[0], shares[1], atol=1e-3)
    encoder = TableEncoder.fit(table[target.rows[train]], drop=["affair"])
    X = encoder.transform(table[target.rows[test]])
    again = TableEncoder.from_dict(encoder.to_dict())
    assert_array_equal(again.transform(table[target.rows[test]]), X)
    assert encoder.feature_names_out[:2] == ("age", "age (missing)")
    assert_allclose(X[:, 1].mean(), 0.1, atol=0.03)

    write_table(table[target.rows[test]].with_columns(target.codec.decode(target.y[test])), tmp_path / "out.csv")
    back = read_table(tmp_path / "out.csv", text=encoder.text_columns)
    assert back["affair"].to_list() == [target.classes[k] for k in target.y[test]]
    assert_array_equal(again.transform(back), X)
