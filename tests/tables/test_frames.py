"""Data frames of other libraries are tables too; what is no table gets one sentence."""

import numpy as np
import pytest

from backlit import predict, train
from backlit.errors import TableError
from backlit.tables.frames import frame_of

pd = pytest.importorskip("pandas")

FRAME = {"size": [1.0, 2.0, None, 4.0] * 10, "color": ["red", "blue", None, "red"] * 10, "price": np.arange(40.0)}


def test_pandas_frames_are_trained_on_and_predicted(tmp_path):
    frame = pd.DataFrame(FRAME)
    result = train(frame, "price", hidden=[4], epochs=2, compare=False, test=frame, out=tmp_path / "m.safetensors")
    polars = train(frame_of(frame), "price", hidden=[4], epochs=2, compare=False, test=frame_of(frame))
    assert result.metrics == polars.metrics
    assert result.data_sha256 == polars.data_sha256
    found = predict(tmp_path / "m.safetensors", frame.astype({"color": "string", "size": "float64"}))
    assert found.metrics == predict(result, frame_of(frame)).metrics
    assert len(frame) == found.table.height == 40


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (np.ones((40, 2)), "ndarray"),
        ({"price": [1.0]}, "dict"),
        (5, "int"),
        (pd.DataFrame(np.ones((40, 2)), columns=["price", "price"]), "'price' is there twice"),
    ],
)
def test_what_is_no_table_is_named(table, named):
    with pytest.raises(TableError, match=named):
        train(table, "price")


def test_a_dask_frame_is_said_to_belong_on_the_disk():
    dask = pytest.importorskip("dask.dataframe")
    with pytest.raises(TableError, match="to_parquet"):
        train(dask.from_pandas(pd.DataFrame(FRAME), npartitions=2), "price")
