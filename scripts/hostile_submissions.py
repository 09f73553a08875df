"""Submissions that attack whoever grades them: an attack, how it is delivered and what comes after, drawn at random.

Each goes on to something that earns no points.  `SECRET` is a file that no submission may read, `MARK` a word in the
name of whatever one writes elsewhere; what one leaves running sleeps for `SLEEPS` seconds.
"""

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path
from textwrap import indent

MARK, SLEEPS = "backlithostile", b"9876543210"
HEAD = """import atexit, builtins, ctypes, gc, json, mmap, os, resource, signal, socket, subprocess, sys, threading
import time
import numpy as np
SECRET, MARK = {secret!r}, {mark!r}
"""
FILES = [
    "raise ValueError(open(SECRET).read())",
    "raise ValueError(os.listdir(os.path.dirname(SECRET)))",
    "raise ValueError(os.read(os.open(SECRET, os.O_RDWR), 100))",
    "raise ValueError(open('/etc/shadow').read())",
    "raise ValueError(open('/proc/self/environ').read() + open(f'/proc/{os.getppid()}/environ').read())",
    "raise ValueError([open(f'/proc/self/fd/{k}').read(9) for k in range(9)])",
    "raise ValueError(open('/proc/self/root' + SECRET).read())",
    "os.symlink(SECRET, 'x'); raise ValueError(open('x').read())",
    "os.link(SECRET, 'x'); raise ValueError(open('x').read())",
    "os.remove(SECRET)",
    "os.rename(SECRET, SECRET + 'x')",
    "os.chmod(SECRET, 0o777); os.chown(SECRET, 1, 1); os.truncate(SECRET, 0)",
    "import shutil; shutil.rmtree(os.path.dirname(SECRET))",
    "[os.remove(os.path.join(f, n)) for f, _, names in os.walk('/') for n in names]",
    "[open(f'{place}/{MARK}', 'w') for place in ('/tmp', '/dev/shm', '/var/tmp', os.path.expanduser('~'), '.')]",
    "import sqlite3; sqlite3.connect(SECRET).execute('create table x (y)')",
    "mmap.mmap(os.open(SECRET, os.O_RDWR), 0)[:] = b''",
    "open('/proc/self/mem', 'r+b').write(b'x'); open(f'/proc/{os.getppid()}/mem', 'r+b').write(b'x')",
    "open('/proc/sysrq-trigger', 'w').write('b'); open('/proc/self/oom_score_adj', 'w').write('-1000')",
    "open('/dev/mem', 'r+b').write(b'x'); open('/dev/tty', 'w').write('\\x1b[2J')",
    "import fcntl, termios; [fcntl.ioctl(fd, termios.TIOCSTI, b'x') for fd in range(3)]",
    "os.mknod('d', 0o60666, 2049); open('d', 'r+b').read()",
    "os.chroot('/'); os.mkfifo('f'); open('f')",
    "for _ in range(3000): os.mkdir('d' * 200); os.chdir('d' * 200)",
    "[open(f'{k}', 'wb').write(bytes(10**7)) for k in range(10**6)]",
    "[open(f'{k}', 'w').close() for k in range(10**7)]",
    "os.truncate(os.open('sparse', os.O_CREAT | os.O_RDWR), 10**15)",
    "os.umask(0); os.chdir('/'); os.setuid(0); os.nice(-20)",
    "sys.path[:0] = [os.path.dirname(SECRET), '.']; import rubric",
    "import importlib, pkgutil; [importlib.import_module(m.name) for m in pkgutil.iter_modules()]",
    "import backlit; raise ValueError(backlit.__path__)",
]
PROCESSES = [
    "while True: os.fork()",
    "while True: subprocess.Popen([sys.executable, '-c', 'while True: pass'])",
    "subprocess.Popen(['sleep', '9876543210'], start_new_session=True)",
    "os.fork() or (os.setsid(), os.fork() or time.sleep(9876543210))",
    "os.system(f'touch /tmp/{MARK}; (sleep 9876543210 &)')",
    "os.popen('id').read(); import pty; pty.fork()",
    "os.posix_spawn('/bin/sleep', ['sleep', '9876543210'], {})",
    "os.execv('/bin/sh', ['sh', '-c', 'kill -9 -1'])",
    "import multiprocessing as m; m.Pool(99).map(abs, range(9))",
    "ctypes.CDLL(None).fork(); ctypes.CDLL(None).vfork()",
    "ctypes.CDLL(None).syscall(56, 0, 0, 0, 0, 0); ctypes.CDLL(None).syscall(435, 0, 0)",
    "ctypes.CDLL(None).syscall(0x40000000 | 57)",
    "ctypes.CDLL(None).unshare(0x10000000); ctypes.CDLL(None).mount(b'none', b'/', b'tmpfs', 0, None)",
    "ctypes.CDLL(None).ptrace(16, os.getppid(), 0, 0); ctypes.CDLL(None).ptrace(0, 0, 0, 0)",
    "[os.kill(os.getppid(), s) for s in range(1, 65)]",
    "[os.kill(-1, s) for s in (15, 9)]",
    "os.killpg(0, 9); os.killpg(os.getpgid(os.getppid()), 9)",
    "[os.kill(p, 9) for p in range(2, 99999) if p != os.getpid()]",
    "signal.pidfd_send_signal(os.pidfd_open(os.getppid()), 9)",
    "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)); os.setpriority(os.PRIO_PROCESS, 0, -20)",
    "[threading.Thread(target=time.sleep, args=(1e6,)).start() for _ in range(10**5)]",
    "[threading.Thread(target=eval, args=('9**9**9',)).start() for _ in range(9)]",
    "threading.Thread(target=lambda: [os.kill(os.getpid(), 15) for _ in iter(int, 1)], daemon=True).start()",
]
MEMORY = [
    "x = bytearray(10**12)",
    "x = [bytearray(10**6) for _ in range(10**6)]",
    "x = 'x'\nwhile True: x += x",
    "x = np.ones(10**12)",
    "x = [np.ones(10**6) for _ in range(10**6)]",
    "x = [mmap.mmap(-1, 2**26) for _ in range(10**4)]",
    "import zlib; x = zlib.decompress(zlib.compress(bytes(2**28)) * 9); x = bytes(2**31)",
    "import re; re.match('(a+)+b', 'a' * 60)",
    "9**9**9",
    "sys.setrecursionlimit(10**9); f = lambda n: f(n + 1); f(0)",
    "os.memfd_create('x'); ctypes.CDLL(None).shmget(1, 2**30, 512)",
    "[resource.setrlimit(n, (-1, -1)) for n in range(16)]",
    "[resource.setrlimit(n, (0, 0)) for n in range(16)]",
]
NETWORK = [
    "socket.socket().connect(('127.0.0.1', 80))",
    "socket.socket(socket.AF_UNIX).connect('/run/dbus/system_bus_socket')",
    "socket.socket(socket.AF_UNIX).connect(os.path.dirname(SECRET) + '/socket')",
    "socket.socket(socket.AF_UNIX).connect('\\0' + SECRET)",
    "socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM).sendto(b'x', '/dev/log')",
    "socket.socket(socket.AF_PACKET, socket.SOCK_RAW); socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)",
    "socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).sendto(b'x', ('::1', 53))",
    "import urllib.request; urllib.request.urlopen('http://127.0.0.1')",
    "socket.create_server(('', 0)).accept()",
    "a, b = socket.socketpair(); a.send(b'x'); b.recv(1); ctypes.CDLL(None).socket(2, 1, 0)",
]
ENDS = [
    "os.kill(os.getpid(), 9)",
    "os.kill(os.getpid(), signal.SIGSTOP)",
    "os.kill(os.getpid(), signal.SIGXCPU)",
    "os.abort()",
    "ctypes.string_at(0)",
    "ctypes.memset(id(None), 255, 64)",
    "ctypes.pythonapi.Py_Exit(3)",
    "[signal.signal(s, signal.SIG_IGN) for s in range(1, 65) if s not in (9, 19, 32, 33)]\nwhile True: pass",
    "signal.alarm(1); time.sleep(1e6)",
    "signal.signal(14, lambda *_: None); signal.setitimer(signal.ITIMER_REAL, 1e-5, 1e-5); time.sleep(1e6)",
    "os._exit(0)",
    "os._exit(137)",
    "sys.exit('\\ud800')",
    "raise KeyboardInterrupt",
    "raise GeneratorExit",
    "raise BaseExceptionGroup('g', [SystemExit(0), ValueError('\\ud800')])",
    "raise ValueError('\\ud800\\x1b[2J=1+1\\n\\u202e' * 10**5)",
    "raise SyntaxError('\\x1b[2J' * 999, ('submission.py', 1, 1, 'x' * 10**6))",
    "raise type('=cmd()\\x1b[31m', (Exception,), {{}})('x')".replace("{{}}", "{}"),
    "class E(Exception):\n  def __str__(self): raise E\nraise E",
    "class E(Exception):\n  def __str__(self):\n    while True: pass\nraise E",
]
GRADER = [
    "sys.modules['__main__'].json.dumps = lambda *a, **k: '{\"answers\": [1], \"network_cut\": true}'",
    "sys.modules['__main__'].answers_of = lambda *a: iter([{'loss': 0}] * 9)",
    "json.dumps = lambda *a, **k: '[' * 10**7",
    "os._exit = lambda code: None",
    "builtins.list = builtins.isinstance = builtins.str = lambda *a: 1 / 0",
    "sys.modules.clear(); np.array = None",
    '[os.write(fd, b\'ready\\n{"answers": [{"loss": 0}]}\' * 9) for fd in range(64) if fd != 9]',
    "import fcntl; [fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK) for fd in range(9)]",
    "[os.write(fd, b'\\xff' * 2**16) for _ in range(10**4) for fd in (3, 4, 5)]",
    "[(os.write(3, b'x'), time.sleep(1e-4)) for _ in range(10**7)]",
    "os.closerange(0, 64)",
    "[os.dup2(1, fd) for fd in range(64)]",
    "os.lseek(3, 0, 0); os.ftruncate(3, 10**9)",
    "sys.stdout = sys.stderr = None; print('x' * 10**8, file=open(1, 'w', closefd=False))",
    "print('\\x1b[2J' * 10**7, flush=True); sys.stderr.write('x' * 10**8)",
    "sys.addaudithook(lambda *a: 1 / 0)",
    "sys.settrace(lambda *a: 1 / 0)",
    "sys.setprofile(lambda *a: sys.exit(0))",
    "sys._getframe(1).f_globals['answer'] = 1; sys._getframe(2).f_locals.clear()",
    "raise ValueError([o for o in gc.get_objects() if isinstance(o, dict) and 'grad_W' in o])",
    "[o.clear() for o in gc.get_objects() if isinstance(o, dict)]",
    "sys.unraisablehook = sys.excepthook = threading.excepthook = lambda *a: os._exit(0)",
    "gc.set_threshold(1); gc.callbacks.append(lambda *a: os._exit(1))",
    "sys.setswitchinterval(1e9); sys.set_int_max_str_digits(0); str(10**10**7)",
    "del builtins.__import__, builtins.open, builtins.print",
    "raise ValueError(open(sys.modules['__main__'].__file__).read())",
]
ATTACKS = [*FILES, *PROCESSES, *MEMORY, *NETWORK, *ENDS, *GRADER]
DELIVERED = {
    "on import": "{attack}\n",
    "in the function": "",
    "whatever it raises": "",
    "in a thread": "t = threading.Thread(target=attack); t.start(); t.join(0.2)\n",
    "at the end": "atexit.register(attack)\n",
    "when it is forgotten": "class D:\n  def __del__(self): attack()\nD()\n",
    "by a signal": "signal.signal(14, lambda *_: attack()); signal.setitimer(signal.ITIMER_REAL, 0.01)\n",
    "in a trace": "def t(*_):\n  sys.settrace(None); attack()\nsys.settrace(t)\n",
    "by an audit hook": "k = []\nsys.addaudithook(lambda *_: k or (k.append(1), attack()))\n",
    "in a class": "class M(type):\n  def __call__(self): attack()\nM('C', (), {})()\n",
    "in a finder": "class F:\n  def find_spec(*_): attack()\nsys.meta_path.insert(0, F)\nimport antigravity_\n",
}
CALLS = {"in the function": "attack()", "whatever it raises": "try: attack()\n    except BaseException: pass"}
AFTER = [
    "raise ValueError('done')",
    "return {'loss': float('nan'), 'grad_W': W, 'grad_b': b}",
    "return {'loss': 10**400, 'grad_W': [float('inf')], 'grad_b': [1j]}",
    "return {'loss': '\\ud800\\x1b[2J', 'grad_W': {1: set()}, 'grad_b': b''}",
    "return 'x' * 10**8",
    "x = []; x.append(x); return x",
    "x = []; exec('for _ in range(10**5): x = [x]'); return x",
    "return type('T', (), {'tolist': lambda self: self})()",
    "return type('T', (list,), {'__iter__': lambda self: iter(int, 1)})([1])",
    "return type('T', (dict,), {'items': lambda self: iter(lambda: (1, 2), 3)})()",
    "return type('T', (), {'__str__': lambda self: sys.exit(0)})()",
    "return (k for k in iter(int, 1))",
    "return np.array([{}, lambda: 1], dtype=object)",
    "return {'loss': True, 'grad_W': np.void(b'x' * 99), 'grad_b': None}",
    "return None",
    "return [1.0, [], []]",
    "os._exit(0)",
    "time.sleep(1e6)",
    "while True: pass",
]


def hostile(draw: random.Random, secret: Path) -> str:
    """The text of one submission."""
    attack, how, after = draw.choice(ATTACKS), draw.choice(list(DELIVERED)), draw.choice(AFTER)
    body = indent("\n".join([attack, draw.choice(ATTACKS)] if draw.random() < 0.2 else [attack]), "    ")
    early = DELIVERED[how].format(attack="attack()") if how == "on import" else DELIVERED[how]
    function = f"def backprop(W, b, X, y):\n    {CALLS.get(how, 'pass')}\n    {after}\n"
    parts = [HEAD.format(secret=str(secret), mark=MARK), f"def attack():\n{body}\n", early, function]
    if draw.random() < 0.5:  # the function is there before what may never end
        parts[2], parts[3] = parts[3], parts[2]
    return "".join(parts)


ODD_TEXTS = [
    b"", b"x = 1\0", b"#" * (2**20 + 1), b"(" * 10**5, b"-" * 10**5 + b"1", b"x = " + b"[" * 10**4 + b"]" * 10**4,
    b"if 1:\n" + b" if 1:\n" * 200, b"\xff\xfe" + "x".encode("utf-16"), b"# -*- coding: rot13 -*-\nvzcbeg bf\n",
    b"# coding: nonsense\n", b"def backprop(*a, *b): pass", b"x = 1\n" * 10**5, b"lambda: " * 3000 + b"1", b"1" * 10**5,
    b"f'" + b"{" * 999, b"\xef\xbb\xbf\xef\xbb\xbfx", b"import antigravity, this, __main__; __main__.main()",
    b"backprop = 7", b"backprop = type", b"raise SystemExit", b"from __future__ import braces", b"\x1b[2J",
    b"def backprop(): return 1",
]  # fmt: skip


def a_pipe(path: Path, draw: random.Random, secret: Path) -> None:
    os.mkfifo(path)


def a_socket(path: Path, draw: random.Random, secret: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def a_link(path: Path, draw: random.Random, secret: Path) -> None:
    path.symlink_to(draw.choice(["/dev/zero", "/dev/stdin", "/proc/self/environ", "nowhere", path.name, str(secret)]))


def a_folder(path: Path, draw: random.Random, secret: Path) -> None:
    (path / "__init__.py").mkdir(parents=True)


def odd_text(path: Path, draw: random.Random, secret: Path) -> None:
    path.write_bytes(draw.choice([draw.randbytes(1000), *ODD_TEXTS]))


ODD_FILES: list[Callable[[Path, random.Random, Path], None]] = [a_pipe, a_socket, a_link, a_folder, odd_text, odd_text]


def write_hostile(path: Path, draw: random.Random, secret: Path) -> None:
    """Write one submission, now and then one that is no Python file at all."""
    if draw.random() < 0.1:
        draw.choice(ODD_FILES)(path, draw, secret)
    else:
        path.write_text(hostile(draw, secret), encoding="utf-8")
