"""How long the first things take: importing the package, and the command's help.

Each is run as a process of its own; the figures are the median and the range over the runs.
"""

import statistics
import subprocess
import sys
import time

RUNS = 11
COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "import numpy": ["-c", "import numpy"],
    "import backlit": ["-c", "import backlit"],
    "import backlit, first network": ["-c", "import backlit; backlit.Network(2, [backlit.Dense(1)])"],
    "backlit --help": ["-m", "backlit", "--help"],
}


def seconds(arguments: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started


def main() -> None:
    for name, arguments in COMMANDS.items():
        seconds(arguments)  # the first run compiles and fills caches
        times = [seconds(arguments) for _ in range(RUNS)]
        print(f"{name:32} {statistics.median(times):.3f} s   ({min(times):.3f} to {max(times):.3f})")


if __name__ == "__main__":
    main()
