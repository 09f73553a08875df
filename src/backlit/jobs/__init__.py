"""Work that can run apart: the same jobs, in this thread, in threads or in processes, give the same results."""

from backlit.jobs.executors import Executor, Pending, Serial, Threads
from backlit.jobs.processes import Processes
from backlit.jobs.run import Job, run_jobs

__all__ = ["Executor", "Job", "Pending", "Processes", "Serial", "Threads", "run_jobs"]
