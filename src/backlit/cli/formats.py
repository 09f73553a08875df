"""What every command does alike: the `--format` choice, JSON on standard output, files written beside and renamed."""

import json
import math
import sys
from enum import StrEnum
from typing import Annotated, Any

from typer import Option

from backlit.errors import ProblemError
from backlit.terminal import printable


class Format(StrEnum):
    """How a command shows its result."""

    text = "text"
    json = "json"


def print_json(result: dict[str, Any]) -> None:
    """Print one JSON object and nothing else; NaN and infinity, which JSON has no word for, become null."""
    text = json.dumps(plain(result), ensure_ascii=False)
    utf_8 = (sys.stdout.encoding or "utf-8").lower().replace("-", "") == "utf8"
    print(text if utf_8 and printable(text) == text else json.dumps(json.loads(text)))  # else in ASCII


def plain(value: Any) -> Any:
    """Turn arrays and NumPy numbers into lists and numbers, and what is not finite into None.

    >>> import numpy as np
    >>> plain({"a": [1.0, float("nan")], 1: True, "b": np.array([0.5, np.inf]), "c": np.float32(2)})
    {'a': [1.0, None], '1': True, 'b': [0.5, None], 'c': 2.0}
    """
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


# --- who runs what can run apart --------------------------------------------------------------------------------------

Workers = Annotated[int, Option(help="Processes of this machine for what can run apart; 0 for this one alone.", min=0)]
Cluster = Annotated[
    str | None, Option(help="In their place: the address of a Dask scheduler, or its file.", show_default=False)
]


def cluster_of(workers: int, cluster: str | None) -> Any:
    """What `cluster=` takes.

    >>> cluster_of(2, None), cluster_of(0, "tcp://10.0.0.1:8786")
    (2, 'tcp://10.0.0.1:8786')
    """
    if workers and cluster is not None:
        raise ProblemError(
            "--workers starts processes here and --cluster takes those of a cluster: give one of the two"
        )
    return workers if cluster is None else cluster
