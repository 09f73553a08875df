"""ONNX files that are chains of dense layers are read back as the networks that they were."""

import numpy as np
import pytest
from hypothesis import given
from tests.helpers import raises_naming
from tests.strategies import SHIPPED, problems

from backlit import cost, problem_from
from backlit.core import Dense, Network
from backlit.core.parameters import Statistics
from backlit.errors import ModelError
from backlit.formats.models import Model
from backlit.tabular.scoring import outputs_of

onnx = pytest.importorskip("onnx")

from backlit.formats.onnx import export_onnx  # noqa: E402  # they need onnx
from backlit.formats.onnx_graphs import from_onnx  # noqa: E402  # likewise

OWN = ["identity", "sigmoid", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "mish",
       "hard_tanh", "softsign", "exp"]  # fmt: skip


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OWN)
def test_every_activation_is_read_back(tmp_path, name, dtype):
    net = Network(2, [Dense(3, name), Dense(4, name, norm="layer"), Dense(2, "softmax")], loss="cross_entropy")
    model = Model(net.init(seed=1, dtype=dtype), Statistics(net, dtype))
    export_onnx(model, tmp_path / "net.onnx")
    found = from_onnx(tmp_path / "net.onnx")
    assert [layer.activation.name for layer in found.net.layers] == [name, name, "softmax"]
    X = np.random.default_rng(0).normal(size=(9, 2)).astype(dtype)
    np.testing.assert_allclose(outputs_of(found, X), outputs_of(model, X), rtol=1e-6)


@given(problems(skips=False, **SHIPPED))
def test_a_drawn_network_is_read_back(tmp_path_factory, problem):
    statistics = problem.statistics or Statistics(problem.net)
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    model = Model(problem.params, statistics)
    try:
        export_onnx(model, path)
    except ModelError:
        return  # an activation without a form in ONNX
    found = from_onnx(path)
    assert found.net.n == problem.net.n
    X = problem.X.astype(np.float64)
    np.testing.assert_allclose(outputs_of(found, X), outputs_of(model, X), rtol=1e-5, atol=1e-7)


def graph_of(*nodes, inputs=1):
    """A small file with these nodes, from x (n, 2) to y."""
    from onnx import TensorProto, helper, numpy_helper

    constants = {"W": np.ones((2, 2)), "b": np.ones(2), "two": np.full(1, 2.0), "cubed": np.full(1, 3.0)}
    tensors = [numpy_helper.from_array(array.astype(np.float32), name) for name, array in constants.items()]
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", 2]) for name in ["x", "other"][:inputs]]
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 2])
    made = [helper.make_node(kind, taken, [given], name=kind.lower(), **rest) for kind, taken, given, rest in nodes]
    graph = helper.make_graph(made, "test", ends, [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


MATMUL = ("MatMul", ["x", "W"], "z", {})


def test_matmul_and_add_make_a_layer(tmp_path):
    onnx.save(graph_of(MATMUL, ("Add", ["z", "b"], "u", {}), ("Tanh", ["u"], "y", {})), tmp_path / "net.onnx")
    problem = problem_from(tmp_path / "net.onnx", X=[[1.0, 2.0]], y=[[0.0, 0.0]])
    np.testing.assert_array_equal(problem.params.theta, np.ones(6))
    assert cost(tmp_path / "net.onnx").net.layer(1).activation.name == "tanh"


@pytest.mark.parametrize(
    ("graph", "words"),
    [
        (graph_of(MATMUL, ("Pow", ["z", "cubed"], "y", {})), ["pow (Pow)", "no activation"]),
        (graph_of(MATMUL, ("Tanh", ["z"], "a", {}), ("Add", ["a", "x"], "y", {})), ["add (Add)", "no chain"]),
        (graph_of(("MatMul", ["x", "x"], "y", {})), ["matmul (MatMul)", "no constant"]),
        (graph_of(("Relu", ["x"], "y", {})), ["before the first"]),
        (graph_of(("Add", ["x", "other"], "y", {}), inputs=2), ["2 inputs"]),
        (graph_of(MATMUL, ("Gemm", ["z", "W"], "y", {"transA": 1})), ["gemm (Gemm)", "transposes"]),
    ],
)
def test_what_is_no_chain_is_named(tmp_path, graph, words):
    onnx.save(graph, tmp_path / "net.onnx")
    with raises_naming(ModelError, "net.onnx", *words):
        from_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("content", [b"", b"no model", bytes(range(256))])
def test_a_file_that_is_not_onnx(tmp_path, content):
    (tmp_path / "net.onnx").write_bytes(content)
    with raises_naming(ModelError, "net.onnx"):
        from_onnx(tmp_path / "net.onnx")
    with raises_naming(ModelError, "folder", "ONNX file"):
        from_onnx(tmp_path)
    with raises_naming(ModelError, "no such file"):
        from_onnx(tmp_path / "none.onnx")


@pytest.mark.interop
@pytest.mark.filterwarnings("ignore")
def test_what_pytorch_exports(tmp_path):
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    nn = torch.nn
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Linear(4, 8), nn.SiLU(), nn.Linear(8, 8), nn.BatchNorm1d(8), nn.GELU(), nn.Linear(8, 5), nn.LayerNorm(5),
        nn.Mish(), nn.Dropout(), nn.Linear(5, 3), nn.LeakyReLU(0.2), nn.Linear(3, 2), nn.Softmax(1),
    ).eval()  # fmt: skip
    X = torch.randn(6, 4)
    torch.onnx.export(module, (X,), tmp_path / "net.onnx", dynamo=True, verbose=False)
    found = from_onnx(tmp_path / "net.onnx")
    np.testing.assert_allclose(outputs_of(found, X.numpy()), module(X).detach(), rtol=1e-5)
