"""docs/clusters.md: the laptop's cluster starts, works and ends as the page says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from tests.helpers import HANGS

from backlit.distributed import crew
from backlit.jobs import cluster, cluster_ends
from backlit.jobs.cluster_ends import PATIENCE

pytest.importorskip("distributed")

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/clusters.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


# of memory, by processors, which is too little for Python where they are many
NO_SHARE = {f"DASK_DISTRIBUTED__WORKER__MEMORY__{name}": "False" for name in ("TARGET", "SPILL", "PAUSE", "TERMINATE")}


def run(command, place):
    told = os.environ | NO_SHARE | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=place, env=told, capture_output=True, text=True, timeout=3 * HANGS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_the_laptops_cluster(tmp_path):
    """In bash with job control, as in a terminal, so that `kill %1` is known."""
    table, again = [text for kind, text in BLOCKS if kind == "python"]
    [commands] = [text for kind, text in BLOCKS if kind == "sh" and "dask scheduler" in text]
    run([sys.executable, "-c", table], tmp_path)
    ended = "trap 'kill $(jobs -p) 2>/dev/null' EXIT"  # where a command fails too
    out = run(["bash", "-mc", f"{ended}\nset -e\n{commands}"], tmp_path)
    assert "30,000 predictions: predictions/" in out
    (tmp_path / "again.py").write_text(again)
    assert run([sys.executable, "again.py"], tmp_path) == "30000 True\n"
    files = [sorted((tmp_path / name).iterdir()) for name in ("predictions", "again")]
    assert len(files[0]) == 6
    assert [a.read_bytes() for a in files[0]] == [b.read_bytes() for b in files[1]]


def test_what_is_not_executed_is_marked_and_reads_as_what_it_is():
    elsewhere = [text for kind, text in BLOCKS if kind == "py"]
    assert len(elsewhere) == 2
    for text in elsewhere:
        compile(text, "docs/clusters.md", "exec")
    assert PAGE.count("*Not executed here:*") == 3
    [settings] = [yaml.safe_load(text) for kind, text in BLOCKS if kind == "yaml"]
    import dask
    from distributed.security import Security

    with dask.config.set(dask.config.merge(dask.config.config, settings)):
        security = Security()
    assert (security.require_encryption, security.tls_client_key, security.tls_ca_file) == (True, "key.pem", "ca.pem")


def test_its_seconds_are_the_codes():
    assert f"for {PATIENCE['silent']:.0f} seconds; the first answer" in " ".join(PAGE.split())
    assert f"After {PATIENCE['limit']:.0f} seconds without any worker" in PAGE
    assert f"not answered after {crew.DEADLINE:.0f} seconds, or ten times as long" in " ".join(PAGE.split())
    assert cluster.LOSSES == 10
    assert "ends eleven workers" in PAGE
    assert cluster_ends.WATCH == 1 / 4
    assert "four times a second" in PAGE
