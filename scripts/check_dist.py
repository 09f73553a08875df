"""Install a built wheel as a newcomer would, on a machine without a compiler, and run the first commands from it.

    python scripts/check_dist.py dist/backlit-*.whl

A fresh environment gets the wheel and its base dependencies; CC and CXX name nothing, so that whatever would have to be
compiled fails.  Then: the compiled engine is there, `train --dataset digits` scores and writes its report, commands of
the README that need no file of one's own run, and so does all of the first page of the site: nothing there may need
more than the base dependencies.  Prints a line a step, and how long it took.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import time
import venv
from pathlib import Path

NO_COMPILER = {"CC": "/nonexistent/cc", "CXX": "/nonexistent/c++"}
COMMANDS = (
    "--version",
    "example worked -o problem.json",
    "explain problem.json --format html -o it.html",
    "explain --example worked --entry grad_W[1][0,1]",
    "diagnose --depth 10 --width 32 --activation sigmoid",
    "cost --sizes 784,512,512,10 --batch 128",
    "train --dataset digits --out digits.safetensors --report digits.html --epochs 5",
)
FIRST_DOOR = Path(__file__).parents[1] / "docs/start/train.md"  # a newcomer's first page, of which all is run


def main() -> int:
    """Run the steps; 1 at the first that fails."""
    (wheel,) = map(Path, sys.argv[1:])
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | NO_COMPILER
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder)
        venv.create(here / "venv", with_pip=True)
        programs = here / "venv" / ("Scripts" if os.name == "nt" else "bin")
        pip = [
            str(programs / "python"),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--only-binary",
            ":all:",
            str(wheel.resolve()),
        ]
        steps = [pip, [str(programs / "python"), "-c", "import backlit._native as n; print(n.instruction_sets())"]]
        steps += [[str(programs / "backlit"), *command.split()] for command in COMMANDS]
        code = ""
        for language, block in re.findall(r"```(python|sh)\n(.*?)```", FIRST_DOOR.read_text("utf-8"), re.DOTALL):
            if language == "python":
                code += block
                steps.append([str(programs / "python"), "-c", code])
            else:
                steps += [[str(programs / "backlit"), *line.split()[1:]] for line in block.splitlines()]
        for step in steps:
            started = time.perf_counter()
            done = subprocess.run(step, cwd=here, env=environment, capture_output=True, text=True)
            print(
                f"{'ok' if done.returncode == 0 else 'FAILED'}  {time.perf_counter() - started:5.1f} s  {shown(step)}"
            )
            if done.returncode:
                print(done.stdout[-2000:], done.stderr[-2000:], sep="\n")
                return 1
        problem = json.loads((here / "problem.json").read_text(encoding="utf-8"))
        pages = [(here / name).stat().st_size for name in ("it.html", "digits.html")]
        print(f"a problem of {len(problem['layers'])} layers, pages of {pages} bytes")
    return 0


def shown(step: list[str]) -> str:
    """A step as it is typed."""
    words = " ".join(step[1:]).splitlines()
    return f"{Path(step[0]).name} {words[0] if len(words) == 1 else '-c, the code of the page so far'}"


if __name__ == "__main__":
    sys.exit(main())
