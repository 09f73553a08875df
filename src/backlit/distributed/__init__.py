"""One network on many workers: each step's parts are computed on a Dask cluster, with the bits of one process."""

from backlit.distributed.crew import Workers, engine_on

__all__ = ["Workers", "engine_on"]
