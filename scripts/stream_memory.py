"""Train on Parquet folders of growing size and print the memory that it took: it must not grow with the data.

`--gb 1 2 4` are sizes of the folders.  `train` and `predict` run on each in a process of its own, whose private memory
the kernel holds below `--limit-mb` (RLIMIT_DATA, which counts what is reserved and never touched too): a run that holds
a larger table dies of it.  Prints peak memory for each size, and leaves with 1 where a run fails or the largest took
more than 1.25 times the smallest.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

COLUMNS = 24
ROWS_OF_A_FILE = 400_000
TWO_THREADS = dict.fromkeys(("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "2")  # each has a stack


def write(folder: Path, size: float, rows_of_a_file: int = ROWS_OF_A_FILE) -> None:
    """Write files of random numbers, words and a target that depends on them until they are `size` bytes."""
    import polars as pl

    folder.mkdir(parents=True)
    written = number = 0
    while written < size:
        draw = np.random.default_rng(number)
        X = draw.standard_normal((rows_of_a_file, COLUMNS))
        color = draw.integers(0, 5, rows_of_a_file)
        y = X[:, 0] - 2 * X[:, 1] + color + 0.1 * draw.standard_normal(rows_of_a_file)
        table = pl.DataFrame(X, schema=[f"x{k}" for k in range(COLUMNS)])
        table = table.with_columns(color=pl.Series(np.array(["red", "green", "blue", "black", "white"])[color]), y=y)
        path = folder / f"part-{number:04}.parquet"
        table.write_parquet(path, row_group_size=rows_of_a_file // 4)
        written, number = written + path.stat().st_size, number + 1


def child(folder: Path, limit_mb: float, buffer_mb: float, epochs: int) -> None:
    """Train and predict under the limit; print the figures as JSON."""
    from backlit import train
    from backlit.tabular.streamed_prediction import predict_streamed

    resource.setrlimit(resource.RLIMIT_DATA, (int(limit_mb * 2**20),) * 2)
    started = time.perf_counter()
    result = train(folder, "y", hidden=(32,), epochs=epochs, batch_size=256, buffer_mb=buffer_mb, seed=1)
    trained = time.perf_counter() - started
    done = predict_streamed(result.model, folder, folder.with_suffix(".predicted.parquet"))
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    print(
        json.dumps({
            "rows": done.n,
            "r2": result.metrics["test"]["r2"],
            "peak_mb": int(status["VmHWM"].split()[0]) / 1024,
            "epoch_s": result.history.seconds / len(result.history),
            "train_s": trained,
        })
    )  # fmt: skip


def measure(size: float, limit_mb: float, buffer_mb: float, epochs: int, rows_of_a_file: int) -> dict:
    """One size: write, run, remove."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "table")
        write(folder, size, rows_of_a_file)
        numbers = [str(limit_mb), str(buffer_mb), str(epochs)]
        command = [sys.executable, __file__, "--child", str(folder), *numbers]
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=os.environ | TWO_THREADS)
        if done.returncode:
            sys.exit(f"with {size / 1e6:,.0f} MB of data under {limit_mb} MB: {done.stderr.strip()[-600:]}")
        return json.loads(done.stdout) | {"mb": sum(f.stat().st_size for f in folder.iterdir()) / 1e6}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gb", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--limit-mb", type=float, default=1500.0)
    parser.add_argument("--buffer-mb", type=float, default=64.0)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--rows-of-a-file", type=int, default=ROWS_OF_A_FILE)
    parser.add_argument("--child", nargs=4)
    options = parser.parse_args()
    if options.child:
        folder, limit, buffer, epochs = options.child
        child(Path(folder), float(limit), float(buffer), int(epochs))
        return
    peaks = []
    for gb in options.gb:
        print(f"{gb:g} GB: writing, training, predicting …", file=sys.stderr, flush=True)
        found = measure(gb * 1e9, options.limit_mb, options.buffer_mb, options.epochs, options.rows_of_a_file)
        peaks.append(found["peak_mb"])
        print(
            f"{found['mb']:8,.0f} MB of data, {found['rows']:12,} rows: peak {found['peak_mb']:6.0f} MB, "
            f"{found['epoch_s']:6.1f} s an epoch, {found['train_s']:6.1f} s in all, test R² {found['r2']:.3f}",
            flush=True,
        )
    if peaks[-1] > 1.25 * peaks[0]:
        sys.exit(f"memory grew with the data: {peaks[0]:.0f} MB, then {peaks[-1]:.0f} MB")
    print(f"memory is flat: at most {max(peaks):.0f} MB (limit {options.limit_mb:.0f} MB, {os.cpu_count()} processors)")


if __name__ == "__main__":
    main()
