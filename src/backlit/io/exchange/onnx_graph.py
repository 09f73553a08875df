"""An ONNX graph in the making: nodes and constants, each known by the name of what it gives."""

from collections.abc import Sequence
from typing import Any

import numpy as np


class Graph:
    """Collects nodes and constants; each method gives the name of its result."""

    def __init__(self, dtype: np.dtype):
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []

    def constant(self, value: Any, name: str) -> str:
        """A constant array, floats in the model's dtype."""
        from onnx import numpy_helper

        array = np.asarray(value)
        array = array.astype(self.dtype) if array.dtype.kind == "f" else array
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, inputs: list[str], name: str, **attributes: Any) -> str:
        """An operator's output."""
        from onnx import helper

        self.nodes.append(helper.make_node(operator, inputs, [name], name=f"node_{name}", **attributes))
        return name

    def between(self, operator: str, *inputs: str, **attributes: Any) -> str:
        """The output of an operator on the way to another one's, under a name of its own."""
        return self.add(operator, list(inputs), f"step{len(self.nodes)}", **attributes)

    def number(self, x: float) -> str:
        """A number."""
        return self.constant(x, f"number{len(self.constants)}")

    def split(self, a: str, sizes: Sequence[int], name: str) -> list[str]:
        """The columns of each group."""
        from onnx import helper

        names = [f"{name}{k}" for k in range(len(sizes))]
        lengths = self.constant(np.array(sizes, np.int64), f"{name}_sizes")
        self.nodes.append(helper.make_node("Split", [a, lengths], names, name=f"node_{name}", axis=1))
        return names
