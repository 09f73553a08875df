"""How long `explain` takes cold from the shell: the worked example, beside the interpreter alone and NumPy alone.

    python scripts/explain_speed.py [RUNS]

Seconds hold for this machine; the ratios hold elsewhere too.  The least of RUNS is taken, since other programs only
ever add to it.
"""

import subprocess
import sys
import time

COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "numpy": [sys.executable, "-c", "import numpy"],
    "backlit --help": [sys.executable, "-m", "backlit", "--help"],
    "explain, text": [sys.executable, "-m", "backlit", "explain", "--example", "worked"],
    "explain, html": [sys.executable, "-m", "backlit", "explain", "--example", "worked", "--format", "html"],
}


def seconds(command: list[str], runs: int) -> float:
    """The least wall-clock time of so many runs."""
    found = []
    for _ in range(runs):
        start = time.perf_counter()
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
        found.append(time.perf_counter() - start)
    return min(found)


def main() -> None:
    """Print seconds, and how many times NumPy's import they are."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 5
    made = {}
    for name, command in COMMANDS.items():
        made[name] = seconds(command, runs)
        print(
            f"{name:15} {made[name]:6.3f} s   {made[name] / made.get('numpy', float('nan')):5.2f} × numpy", flush=True
        )


if __name__ == "__main__":
    main()
