"""Work that can run apart: the same jobs, here, in threads, in processes or on a cluster, give the same results."""

from backlit.jobs.cluster import Dask
from backlit.jobs.executors import Executor, Pending, Processes, Serial, Threads
from backlit.jobs.run import Job, on, run_jobs

__all__ = ["Dask", "Executor", "Job", "Pending", "Processes", "Serial", "Threads", "on", "run_jobs"]
