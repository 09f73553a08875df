"""Grade a class of 300 in one command, 50 of them hostile, and hold every grade against the one that was earned.

The honest ones are the template, and the template with one of some mistakes, in a random order of names; what each must
get is known from how it was made.  Prints what it did; exits with 1 at the first wrong grade.
"""

import argparse
import csv
import os
import random
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TEMPLATE = (Path(__file__).resolve().parents[1] / "examples" / "student_template.py").read_text(encoding="utf-8")
RUBRIC = """
seconds = 5
memory_mb = 512
[points]
loss = 1
grad_b = 2
grad_W = 3
[[networks]]
shapes = [4, 5, 3]
activations = ["sigmoid", "softmax"]
loss = "cross_entropy"
"""
WRAP = "\n\nexact = backprop\n\n\ndef backprop(W, b, X, y):\n    r = exact(W, b, X, y)\n    {}\n    return r\n"
HONEST = {  # what is done to the template's answer: points that are left
    "pass": 6,
    "r['grad_W'] = [2 * w for w in r['grad_W']]": 3,
    "r['grad_b'] = [-v for v in r['grad_b']]": 4,
    "r['grad_W'] = [len(X) * w for w in r['grad_W']]; r['grad_b'] = [len(X) * v for v in r['grad_b']]": 1,
    "r['loss'] = r['loss'] + 1": 5,
    "r['grad_W'][0] = r['grad_W'][0] * (1 + 1e-3)": 3,
}
BODY = "import os, sys, signal, socket, subprocess, threading, time\ndef backprop(W, b, X, y):\n    {}\n"
HOSTILE = [
    "time.sleep(1e6)",
    "while True: pass",
    "while True: os.fork()",
    "os.kill(os.getppid(), signal.SIGKILL)",
    "os.kill(-1, signal.SIGKILL)",
    "os.kill(os.getpid(), signal.SIGKILL)",
    "return bytearray(10**12)",
    "x = [bytearray(10**6) for _ in range(10**6)]",
    "return 'x' * 10**8",
    "os._exit(0)",
    "sys.exit('bye')",
    "import ctypes; ctypes.string_at(0)",
    "subprocess.Popen(['sleep', '1000'], start_new_session=True)",
    "[open(f'{k}', 'wb').write(bytes(10**7)) for k in range(10**6)]",
    "for _ in range(3000): os.mkdir('d'); os.chdir('d')",
    "raise ValueError('\\ud800\\x1b[2J=1+1\\n' * 10**5)",
    "socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
    "return open('/proc/self/environ').read(), open('/etc/shadow').read()",
    "[os.remove(os.path.join(f, n)) for f, _, names in os.walk('/') for n in names]",
    "return {'loss': float('nan'), 'grad_W': W, 'grad_b': b}",
    "[os.write(fd, b'ready\\n{\"answers\": [') for fd in range(64) if fd != 3]",
    "import backlit; return backlit",
    "x = []; exec('for _ in range(10**5): x = [x]'); return x",
    "[threading.Thread(target=time.sleep, args=(1e6,)).start() for _ in range(10**5)]",
    "os.execv('/bin/sh', ['sh', '-c', 'kill -9 -1'])",
]


def write_class(folder: Path, honest: int, hostile: int, draw: random.Random) -> dict[str, float]:
    """Write the files; what each must get by its name."""
    points: dict[str, float] = {}
    kinds = [*range(honest), *[-1] * hostile]
    draw.shuffle(kinds)
    for number, kind in enumerate(kinds):
        path = folder / f"student_{number:04}.py"
        if kind >= 0:
            change = draw.choice(list(HONEST))
            path.write_text(TEMPLATE + WRAP.format(change), encoding="utf-8")
            points[str(path)] = HONEST[change]
            continue
        attack = draw.randrange(len(HOSTILE) + 3)
        points[str(path)] = 0
        if attack < len(HOSTILE):
            path.write_text(BODY.format(HOSTILE[attack]), encoding="utf-8")
        elif attack == len(HOSTILE):
            os.mkfifo(path)
        elif attack == len(HOSTILE) + 1:
            path.symlink_to("/dev/zero")
        else:
            path.write_bytes(draw.randbytes(1000))
    return points


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--honest", type=int, default=250)
    parser.add_argument("--hostile", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--sandbox", default="auto")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as top:
        folder, out, rubric = Path(top, "class"), Path(top, "G.csv"), Path(top, "rubric.toml")
        folder.mkdir()
        rubric.write_text(RUBRIC, encoding="utf-8")
        points = write_class(folder, options.honest, options.hostile, random.Random(options.seed))
        before, started = sorted(Path(top).iterdir()), time.perf_counter()
        command = ["grade", folder, "--rubric", rubric, "--out", out, "--sandbox", options.sandbox, "--require-sandbox"]
        done = subprocess.run([sys.executable, "-m", "backlit", *command], capture_output=True, text=True, check=False)
        took = time.perf_counter() - started
        with out.open(newline="", encoding="utf-8") as file:
            found = {row["file"]: row for row in csv.DictReader(file)}
        if done.returncode or set(found) != set(points):
            sys.exit(f"exit code {done.returncode}, {len(found)} of {len(points)} rows:\n{done.stderr[-3000:]}")
        for name, wanted in points.items():
            if float(found[name]["points"]) != wanted:
                sys.exit(f"{Path(name).name}: {wanted} points earned, got {found[name]}")
        if re.search(r"[\x00-\x08\x0b-\x1f]", done.stderr) or sorted(Path(top).iterdir()) != sorted([*before, out]):
            sys.exit("control characters on the terminal, or files left")
        sandbox = next(iter(found.values()))["sandbox"]
        print(f"{len(points)} submissions, {options.hostile} of them hostile, in one run: every grade is right")
        print(f"  sandbox {sandbox}, {took:.0f} s, {took / len(points):.2f} s a submission")
        print("  " + "\n  ".join(done.stderr.splitlines()[-12:]))


if __name__ == "__main__":
    main()
