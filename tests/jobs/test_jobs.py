"""Jobs give the same results, in the same order, whoever runs them; and nothing hangs or stays behind."""

import ast
import multiprocessing.connection
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from tests.helpers import HANGS, assert_names, quick_first, raises_naming
from tests.jobs import work
from tests.test_layering import MODULES, imports
from threadpoolctl import threadpool_limits

from backlit.errors import BacklitError, Divergence, ProblemError
from backlit.jobs import Executor, Job, Processes, Serial, Threads, run_jobs
from backlit.processors import available_processors

HOW = [("serial", 1), ("threads", 2), ("processes", 2), ("threads", 1), ("threads", 3), ("processes", 1)]
ONE_PROCESS = [*HOW[:2], HOW[-1], *HOW[2:-1]]  # to begin with, for one takes half as long as two
ROOT = Path(__file__).parents[2]


def alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and waits to be collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def until(condition, seconds=HANGS):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="module")
def two_processes():
    """An executor for jobs that do no harm to it; a process takes longer to begin than such a job."""
    with Processes(2) as executor:
        yield executor


@pytest.mark.parametrize(("how", "workers"), quick_first([*HOW[:2], ("given", None), *HOW[2:]], 3))
def test_results_are_in_the_order_of_the_jobs(how, workers, two_processes):
    told, how = [], two_processes if how == "given" else how
    jobs = [Job(work.power, (3, k)) for k in range(11)]
    found = run_jobs(jobs, how=how, workers=workers, show=lambda *said: told.append((*said, threading.get_ident())))
    assert list(found) == [3**k for k in range(11)]
    assert told == [(done, 11, threading.get_ident()) for done in range(1, 12)]


def test_no_job_is_no_result():
    assert [list(run_jobs([], how=how)) for how in ("serial", "threads", "processes")] == [[], [], []]


@pytest.mark.parametrize(("how", "workers"), quick_first(HOW[1:]))
@pytest.mark.parametrize("function", [work.trained, work.product], ids=lambda f: f.__name__)
def test_the_bits_are_the_same_whoever_runs_them(function, how, workers):
    args = [(engine, seed) for engine in ("native", "reference") for seed in range(2)]
    jobs = [Job(function, each if function is work.trained else each[1:]) for each in args]
    with threadpool_limits(2, user_api="blas"):  # which alone changes the bits of a product
        serial, found = list(run_jobs(jobs)), list(run_jobs(jobs, how=how, workers=workers))
    assert found == serial
    assert len(set(serial)) == (4 if function is work.trained else 2)


@pytest.mark.parametrize("how", quick_first(["serial", "threads", "processes"], 2))
def test_numpys_settings_are_the_callers(how):
    jobs = [Job(work.divided, (x,)) for x in (1.0, -1.0)]
    with np.errstate(divide="ignore"):
        assert list(run_jobs(jobs, how=how)) == [np.inf, -np.inf]
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError, match="divide"):
        list(run_jobs(jobs, how=how))


@pytest.mark.parametrize("how", quick_first(["threads", "processes"]))
def test_jobs_times_threads_are_no_more_than_there_are_processors(monkeypatch, how):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    job, here = Job(work.threads_here), available_processors()
    workers = min(here, 4)
    assert list(run_jobs([job] * workers, how=how, workers=workers)) == [(here // workers, {1})] * workers
    [(threads, blas)] = run_jobs([job], how=how)
    assert (threads, blas) == (here, {1}), "a job that is alone has them all"
    [(threads, _)] = run_jobs([job], how=how, n_threads=1)
    assert threads == 1


def test_blas_is_left_alone_if_asked():
    with threadpool_limits(2, user_api="blas"):
        [(_, inside)] = run_jobs([Job(work.threads_here)], hold_blas=False)
        [(_, held)] = run_jobs([Job(work.threads_here)])
        [(_, after)] = run_jobs([Job(work.threads_here)], hold_blas=False)
    assert (inside, held, after) == ({2}, {1}, {2})


@pytest.mark.parametrize(("how", "workers"), quick_first(ONE_PROCESS, 3))
def test_the_first_error_is_raised_where_it_is_and_the_rest_is_not_begun(tmp_path, how, workers):
    jobs = [Job(work.fails, (str(tmp_path), k, 3), f"fold {k}") for k in range(100)]
    found = run_jobs(jobs, how=how, workers=workers)
    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(KeyError, match="layer 3") as caught:
        next(found)
    assert caught.value.__notes__ == ["(in fold 3)"]
    assert "in fails" in "".join(map(str, caught.traceback)) + str(caught.value.__cause__)
    assert len(list(tmp_path.glob("*.begun"))) <= 4 + 2 * workers
    assert list(found) == []


@pytest.mark.parametrize(("how", "workers"), quick_first([("threads", 2), ("given", None), ("processes", 2)], 2))
def test_few_jobs_are_taken_ahead(how, workers, two_processes):
    taken, how = [], two_processes if how == "given" else how

    class Jobs(list):
        def __iter__(self):
            for k in range(50):
                taken.append(k)
                yield Job(work.power, (1, k))

        def __len__(self):
            return 50

    found = run_jobs(Jobs(), how=how, workers=workers)
    for k in range(50):
        next(found)
        assert len(taken) <= k + 4
    assert len(taken) == 50


def test_an_iterator_that_is_left_ends_the_rest(tmp_path):
    jobs = [Job(work.mark, (str(tmp_path), 0)), *(Job(work.mark, (str(tmp_path), k, HANGS)) for k in range(1, 9))]
    found = run_jobs(jobs, how="processes", workers=2)
    next(found)
    assert until(lambda: len(list(tmp_path.glob("*.begun"))) >= 2)
    found.close()  # and not when its jobs are over
    assert not list(tmp_path.glob("[1-9].done"))
    assert not any(alive(int(file.read_text() or 0)) for file in tmp_path.glob("*.begun"))


def test_processes_are_others_and_end_when_all_is_done(tmp_path):
    pids = set(run_jobs([Job(work.mark, (str(tmp_path), k)) for k in range(6)], how="processes", workers=2))
    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 2
    assert not any(map(alive, pids))


def test_a_process_that_dies_by_chance_has_its_job_run_again(tmp_path):
    jobs = [Job(work.power, (2, 4)), Job(work.dies, (str(tmp_path), 1), "fold 1"), Job(work.power, (2, 5))]
    assert list(run_jobs(jobs, how="processes", workers=2)) == [16, "alive", 32]


def test_a_process_that_dies_while_it_answers_is_no_wait_without_end(tmp_path):
    jobs = [Job(work.dies_while_it_answers, (str(tmp_path),))]
    assert list(run_jobs(jobs, how="processes", workers=1)) == ["alive"]
    assert (tmp_path / "death").exists()


@pytest.mark.parametrize("workers", quick_first([1, 2]))
def test_a_job_that_kills_its_process_is_named(tmp_path, workers):
    jobs = [Job(work.power, (2, 4)), Job(work.dies, (str(tmp_path), 9), "fold 1"), *[Job(work.power, (2, 5))] * 9]
    found = run_jobs(jobs, how="processes", workers=workers)
    assert next(found) == 16
    with raises_naming(BacklitError, "fold 1", "signal 9", "memory"):
        next(found)
    assert len(list(tmp_path.glob("death*"))) == 2


@pytest.mark.slow
def test_a_worker_that_is_killed_from_outside(tmp_path):
    jobs = [Job(work.waits, (str(tmp_path), k)) for k in range(2)]
    found = run_jobs(jobs, how="processes", workers=2)
    killed = []

    def kill():
        file = tmp_path / "1.begun"
        until(lambda: file.exists() and file.read_text())
        killed.append(int(file.read_text()))
        os.kill(killed[0], signal.SIGKILL)
        (tmp_path / "go").touch()

    killer = threading.Thread(target=kill)
    killer.start()
    pids = list(found)
    killer.join()
    assert len(pids) == 2
    assert not set(killed) & set(pids)


def test_ctrl_c_is_the_callers_alone(tmp_path):
    """A terminal sends it to all; a process that has it goes on, until its caller ends it."""
    file = tmp_path / "0.begun"

    def interrupt():
        until(lambda: file.exists() and file.read_text())
        os.kill(int(file.read_text()), signal.SIGINT)
        (tmp_path / "go").touch()

    sender = threading.Thread(target=interrupt)
    sender.start()
    [pid] = run_jobs([Job(work.waits, (str(tmp_path), 0))], how="processes")
    sender.join()
    assert pid == int(file.read_text())


def test_errors_of_processes_are_those_of_this_one(two_processes):
    with pytest.raises(Divergence, match="infinite") as caught:
        list(run_jobs([Job(work.diverges)], how=two_processes))
    assert (caught.value.step, caught.value.layer) == (7, 2)
    with pytest.raises(RuntimeError, match="Stubborn: a fault in layer 3"):
        list(run_jobs([Job(work.raises_stubborn)], how=two_processes))
    with pytest.raises((AttributeError, TypeError, ValueError), match="lambda"):
        list(run_jobs([Job(work.unsendable)], how=two_processes))


def test_what_cannot_be_sent_is_said():
    with raises_naming(ProblemError, "fold 2", "threads"):
        list(run_jobs([Job(lambda: 1, name="fold 2")], how="processes"))


@pytest.mark.parametrize(("how", "workers"), quick_first(ONE_PROCESS, 3))
def test_what_jobs_share_is_sent_to_a_process_once(monkeypatch, how, workers):
    sent, send = [], multiprocessing.connection.Connection.send_bytes
    monkeypatch.setattr(
        multiprocessing.connection.Connection,
        "send_bytes",
        lambda self, data: (sent.append(len(data)), send(self, data)),
    )
    for k in range(2):  # another run, other things to share
        table = np.full(100_000, k)
        jobs = [Job(work.total, ({"in it": [table]}, i)) for i in range(9)]
        found = list(run_jobs(jobs, how=how, workers=workers, shared=(table,)))
        assert found == [k * 100_000 + i for i in range(9)]
    large = [size for size in sent if size > table.nbytes]
    assert len(large) == (2 * workers if how == "processes" else 0)
    assert len(sent) in (0, 18)


def test_what_is_shared_and_cannot_be_sent_is_said():
    held = [lambda: 1]
    with raises_naming(ProblemError, "fold 2", "threads"):
        list(run_jobs([Job(len, (held,), "fold 2")], how="processes", shared=(held,)))


@pytest.mark.parametrize(("options", "names"), [
    ({"how": "thread"}, ["thread", "threads"]),
    ({"how": "threads", "workers": 0}, ["workers", "0"]),
    ({"how": "processes", "n_threads": 1.5}, ["n_threads", "1.5"]),
    ({"how": "serial", "workers": 2}, ["serial", "2", "threads"]),
])  # fmt: skip
def test_options_are_looked_at_at_once(options, names):
    with raises_naming(ProblemError, *names):
        run_jobs([Job(work.power, (2, 3))], **options)


def test_an_executor_that_is_given_is_used_and_left_open():
    jobs = [Job(work.power, (2, k)) for k in range(5)]
    for executor in (Serial(), Threads(2), Processes(1)):
        with executor:
            assert list(run_jobs(jobs, how=executor)) == list(run_jobs(jobs, how=executor)) == [1, 2, 4, 8, 16]


class Reversed:
    """Another executor: keeps what is submitted and runs the latest first, as a scheduler of many machines may."""

    workers = 2

    def __init__(self):
        self.tasks, self.results, self.cancelled = {}, {}, []

    def submit(self, task, name):
        self.tasks[name] = task
        return self.Pending(self, name)

    class Pending:
        def __init__(self, executor, name):
            self.executor, self.name = executor, name

        def result(self):
            while self.name not in self.executor.results:
                name, task = self.executor.tasks.popitem()
                self.executor.results[name] = task()
            return self.executor.results[self.name]

        def cancel(self):
            self.executor.cancelled.append(self.name)

    def __enter__(self):
        return self

    def __exit__(self, *error): ...


def test_whoever_keeps_the_protocol_may_run_jobs():
    executor: Executor = Reversed()
    found = run_jobs([Job(work.power, (2, k), name=f"job {k}") for k in range(9)], how=executor)
    assert [next(found) for _ in range(3)] == [1, 2, 4]
    found.close()
    assert executor.cancelled == ["job 3"] or executor.cancelled == [f"job {k}" for k in (3, 4, 5)]
    assert list(executor.results) != sorted(executor.results)


# --- scripts: the caller is a process that is interrupted, killed, or that forgot the guard --------------------------

SCRIPT = """
import sys
from backlit.jobs import Job, run_jobs
from tests.jobs import work

def own(k):
    return 2 * k

def main():
    if sys.argv[1] == "own":
        print(list(run_jobs([Job(own, (k,)) for k in range(4)], how="processes", workers=2)))
    else:
        jobs = [Job(work.mark, (sys.argv[2], k, 600.0)) for k in range(6)]
        list(run_jobs(jobs, how="processes", workers=2))

"""
GUARDED = SCRIPT + 'if __name__ == "__main__":\n    main()\n'


@pytest.fixture
def started(tmp_path):
    """Start a script in a session of its own; whatever is left of it is ended after the test."""
    running = []

    def start(text, *args):
        file = tmp_path / "script.py"
        file.write_text(text)
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(
                [sys.executable, file, *args], env=environment, stdout=pipe, stderr=pipe, text=True,
                start_new_session=True,
            )
        )  # fmt: skip
        return running[-1]

    yield start
    for process in running:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
def test_a_script_may_send_its_own_functions(started):
    process = started(GUARDED, "own")
    out, error = process.communicate(timeout=HANGS)
    assert (out, error, process.returncode) == ("[0, 2, 4, 6]\n", "", 0)


@pytest.mark.slow
def test_a_script_without_the_guard_is_told_so_in_one_line(started):
    process = started(SCRIPT + "main()\n", "own")
    _, error = process.communicate(timeout=HANGS)
    assert process.returncode == 1
    last = error.strip().splitlines()[-2:]
    assert last[-1] == "(in own)"
    assert_names(last[0], "own", "__main__", "exit code 1")


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["the caller", "the whole group"])
def test_ctrl_c_leaves_no_process_behind(started, tmp_path, whom):
    process = started(GUARDED, "mark", str(tmp_path))
    assert until(lambda: len([file for file in tmp_path.glob("*.begun") if file.read_text()]) == 2)
    children = [int(file.read_text()) for file in tmp_path.glob("*.begun")]
    (os.kill if whom == "the caller" else os.killpg)(process.pid, signal.SIGINT)
    _, error = process.communicate(timeout=HANGS)
    assert error.strip().splitlines()[-1] == "KeyboardInterrupt"
    assert error.count("Traceback") == 1, "the children are silent"
    assert not any(map(alive, children))
    assert len(list(tmp_path.glob("*.begun"))) == 2
    assert not list(tmp_path.glob("*.done"))


@pytest.mark.slow
def test_a_caller_that_is_killed_leaves_no_process_behind(started, tmp_path):
    process = started(GUARDED, "mark", str(tmp_path))
    assert until(lambda: len([file for file in tmp_path.glob("*.begun") if file.read_text()]) == 2)
    children = [int(file.read_text()) for file in tmp_path.glob("*.begun")]
    assert all(map(alive, children))
    process.kill()
    assert until(lambda: not any(map(alive, children)))


# --- nobody else ------------------------------------------------------------------------------------------------------

BY_THEMSELVES = {  # who starts threads or processes, and why not as jobs
    "backlit.jobs.executors": "here they are started",
    "backlit.jobs.cluster": "waits for what others run",
    "backlit.jobs.cluster_ends": "a listener that says nothing is waited for no longer than is told",
    "backlit.costs.machine": "a process whose memory is measured does nothing else",
    "backlit.training.streaming": "one reader ahead of one learner is no set of jobs",
    "backlit.verification.grading.sandbox": "other people's code, behind limits",
}


def test_who_starts_threads_and_processes():
    starters = {"concurrent.futures", "multiprocessing", "subprocess"}
    texts = {module: path.read_text() for module, path in MODULES.items()}
    found = {
        module
        for module, text in texts.items()
        if any(name.split(".")[0] in text for name in starters)  # else there is nothing to parse it for
        and {".".join(name.split(".")[:2]) for name in imports(ast.parse(text))} & starters
    }
    assert found == set(BY_THEMSELVES)
