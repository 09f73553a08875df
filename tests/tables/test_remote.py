"""Folders in object storage, on a server of this machine: as on the disk, and one line for each fault."""

import polars as pl
import pytest
from tests.helpers import quick_first, raises_naming
from tests.tabular.test_train_predict import mixed

from backlit import predict, train
from backlit.cli import main
from backlit.errors import BacklitError, TableError
from backlit.tables.parquet import ParquetTable, remote

boto3 = pytest.importorskip("boto3")
QUICK = {"drop": ["price"], "hidden": (8,), "epochs": 1}
pytestmark = [pytest.mark.filterwarnings("ignore::DeprecationWarning"), pytest.mark.usefixtures("checked_once")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A bucket with a folder, and the same folder on the disk."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    folder = tmp_path_factory.mktemp("sales")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ALLOW_HTTP": "true",
        }.items():  # fmt: skip
            patch.setenv(name, value)
        client = boto3.client("s3")
        client.create_bucket(Bucket="shop")
        table = mixed(600)
        for k in range(3):
            table[k * 200 : (k + 1) * 200].write_parquet(folder / f"{k}.parquet")
            client.upload_file(str(folder / f"{k}.parquet"), "shop", f"sales/{k}.parquet")
        for name in ("_part.parquet", ".part.parquet", "readme.txt"):
            client.put_object(Bucket="shop", Key=f"sales/{name}", Body=b"none")
        client.put_object(Bucket="shop", Key="broken/1.parquet", Body=b"PAR1")
        yield folder
    server.stop()


def test_it_is_the_table_on_the_disk(shop):
    there, here = ParquetTable.open("s3://shop/sales/"), ParquetTable.open(shop)
    assert [file.name for file in there.files] == [file.name for file in here.files]
    assert (there.rows, there.schema) == (here.rows, here.schema)
    assert pl.concat(map(there.read, there.chunks(140))).equals(pl.concat(map(here.read, here.chunks(140))))
    assert len(ParquetTable.open("s3://shop/sales/1.parquet")) == 200


@pytest.mark.parametrize("cluster", quick_first([0, 2]))
def test_it_is_trained_on_and_predicted_as_on_the_disk(shop, tmp_path, cluster, capsys):
    there = train("s3://shop/sales", "grade", out=tmp_path / "there.safetensors", cluster=cluster, **QUICK)
    here = train(shop, "grade", **QUICK)
    assert there.metrics == here.metrics
    assert there.model.params.theta.tobytes() == here.model.params.theta.tobytes()
    predict(there.model, "s3://shop/sales", out=f"{tmp_path}/there/", cluster=cluster)
    predict(here.model, shop, out=f"{tmp_path}/here/")
    parts = [[pl.read_parquet(file) for file in sorted((tmp_path / name).iterdir())] for name in ("there", "here")]
    assert len(parts[0]) == 3
    assert all(a.equals(b) for a, b in zip(*parts, strict=True))
    again = predict(there.model, "s3://shop/sales", out=f"{tmp_path}/there/")
    assert again.kept == 3
    command = ["predict", f"{tmp_path}/there.safetensors", "s3://shop/sales", "-o", f"{tmp_path}/one.parquet"]
    assert main(command) == 0
    assert "600 predictions" in "".join(capsys.readouterr())
    assert pl.read_parquet(tmp_path / "one.parquet").equals(pl.concat(parts[0]))


@pytest.mark.parametrize(("address", "names"), [
    ("s3://shop/nothing", ["no Parquet file is there"]),
    ("s3://none/sales", ["NoSuchBucket", "address"]),
    ("s3://shop/sales/9.parquet", ["NoSuchKey"]),
    ("s3://shop/broken", ["broken", "could not be read"]),
])  # fmt: skip
def test_faults_are_one_line(shop, address, names):
    with raises_naming(TableError, address, *names) as caught:
        train(address, "grade", **QUICK)
    assert "\n" not in str(caught.value)


def test_predictions_are_not_written_there(shop, tmp_path):
    model = train(shop, "grade", **QUICK).model
    with raises_naming(BacklitError, "s3://shop/out", "disk"):
        predict(model, shop, out="s3://shop/out/")


@pytest.mark.parametrize("path", ["sales", "/s3/sales", "s3", "https://shop/sales", "C:/sales"])
def test_what_is_no_address_of_object_storage(path):
    assert remote(path) is None
