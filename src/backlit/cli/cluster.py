"""`--workers` and `--cluster`: who runs what can run apart."""

from typing import Annotated, Any

from typer import Option

from backlit.errors import ProblemError

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
