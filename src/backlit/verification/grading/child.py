"""Run inside the submission's own process: the job from standard input, limits, then the submission and its answers.

It imports nothing of Backlit and is given no right answer.  Usage: python -I -B child.py, whose standard output takes
"ready" and then the answers in JSON; what the submission prints goes nowhere.
"""

import contextlib
import ctypes
import errno
import json
import os
import platform
import signal
import struct
import sys
import time
import traceback
import types

NEW_USER, NEW_NET = 0x10000000, 0x40000000  # of Linux's unshare
DEATH_SIGNAL = 1  # of Linux's prctl: what a process gets when its parent is gone
ANSWER_BYTES = 32 * 2**20
FILE = "submission.py"


def limit(seconds, memory_mb):
    """Bound the process's time, memory, files and cores, where the system can."""
    try:
        import resource
    except ImportError:  # Windows
        return
    processor = int(time.process_time() + seconds) + 1  # its start, which may be slow, is not the submission's
    bounds = {
        "RLIMIT_CPU": (processor, processor + 1),  # first SIGXCPU, which says why
        "RLIMIT_AS": (int(memory_mb * 2**20),) * 2,
        "RLIMIT_FSIZE": (ANSWER_BYTES,) * 2,
        "RLIMIT_NOFILE": (64, 64),
        "RLIMIT_CORE": (0, 0),
    }
    for name, bound in bounds.items():
        with contextlib.suppress(ValueError, OSError, AttributeError):
            resource.setrlimit(getattr(resource, name), bound)


def cut_network():
    """Leave the machine's network for an empty one; whether that worked."""
    try:
        unshare = ctypes.CDLL(None, use_errno=True).unshare
    except (OSError, AttributeError, TypeError):  # not Linux
        return False
    return unshare(NEW_USER | NEW_NET) == 0 or unshare(NEW_NET) == 0


def confine(sandbox, readable):
    """Take from this process what a submission needs not; whether it has no network.  OSError if that cannot be."""
    if sandbox == "none":
        return cut_network()
    if sandbox == "landlock":
        landlock(readable)
    no_rights()
    no_calls()
    return True


def end_with_the_grader():
    """Have Linux end this process when the grader is killed; now, as what changes a process's rights forgets it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # not Linux
        ctypes.CDLL(None).prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)


def load(source):
    """The submission as a module."""
    module = types.ModuleType("submission")
    module.__file__ = FILE
    sys.modules["submission"] = module
    exec(compile(source, FILE, "exec"), module.__dict__)
    return module


def plain(value):
    """Arrays as lists."""
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def where(error):
    """The error in one line, with the last line of the submission that took part."""
    name, text = type(error).__name__, " ".join(str(error).encode("utf-8", "backslashreplace").decode().split())[:300]
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg} (line {error.lineno})"
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == FILE]
    return f"{name}: {text}" + (f" (line {lines[-1]})" if lines else "")


def answers_of(job, np):
    """What the submission says of each network."""
    function = getattr(load(job["source"].encode("latin-1")), job["function"], None)
    if not callable(function):
        raise NameError(f"there is no function {job['function']}")
    for given in job["inputs"]:
        W, b = ([np.array(value) for value in given[key]] for key in ("W", "b"))
        yield plain(function(W, b, np.array(given["X"]), np.array(given["y"])))


def main():
    """Read the job, run it, write the answers."""
    job = json.load(sys.stdin)
    import numpy as np

    out = open(os.dup(1), "w", encoding="utf-8", newline="\n")  # noqa: SIM115  closed by the end of the process
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    limit(job["seconds"], job["memory_mb"])
    network_cut = confine(job["sandbox"], job["readable"])
    end_with_the_grader()
    out.write("ready\n")
    out.flush()  # the submission's time begins
    answer = {"network_cut": network_cut, "answers": []}
    try:
        answer["answers"] = list(answers_of(job, np))
        text = json.dumps(answer, default=str)
    except BaseException as error:  # a submission may raise anything, SystemExit too
        text = json.dumps({"network_cut": network_cut, "answers": [], "error": where(error)})
    out.write(text)
    out.flush()
    os._exit(0)  # threads that the submission left running end here


# --- what Linux lets a process take from itself for good --------------------------------------------------------------

# `landlock` leaves only some folders to read and nothing to write, `no_calls` takes the system calls by which a program
# starts others, signals or watches them, opens sockets or changes the machine, and `no_rights` drops the rights of an
# administrator.  Each raises OSError where the kernel cannot do it.

PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 24, 38, 22, 2
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, ABI = 444, 445, 446, 1  # Landlock's calls, alike on every processor
READ_FILE, READ_DIR = 1 << 2, 1 << 3
RIGHTS = {1: 13, 2: 14, 3: 15, 5: 16}  # Landlock's version: kinds of access to files that it knows, a bit each
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050000, 0x80000000
NOT_THREAD, OTHER, OWNER = "no new process", "no other process", "no other process's signals"
MACHINES = {"x86_64": (0, 0xC000003E), "aarch64": (1, 0xC00000B7)}  # column of CALLS; as seccomp names the processor

# name: numbers on x86-64 and 64-bit ARM (None: it has none), and on what condition it is refused (None: always)
CALLS = {
    "fork": (57, None, None), "vfork": (58, None, None), "clone": (56, 220, NOT_THREAD), "clone3": (435, 435, None),
    "execve": (59, 221, None), "execveat": (322, 281, None), "ptrace": (101, 117, None),
    "kill": (62, 129, OTHER), "tkill": (200, 130, None), "tgkill": (234, 131, OTHER), "prlimit64": (302, 261, OTHER),
    "rt_sigqueueinfo": (129, 138, None), "rt_tgsigqueueinfo": (297, 240, None), "pidfd_send_signal": (424, 424, None),
    "pidfd_open": (434, 434, None), "pidfd_getfd": (438, 438, None), "process_madvise": (440, 440, None),
    "process_vm_readv": (310, 270, None), "process_vm_writev": (311, 271, None), "kcmp": (312, 272, None),
    "socket": (41, 198, None), "memfd_create": (319, 279, None), "mq_open": (240, 180, None),
    "shmget": (29, 194, None), "msgget": (68, 186, None), "semget": (64, 190, None),
    "io_uring_setup": (425, 425, None), "bpf": (321, 280, None), "perf_event_open": (298, 241, None),
    "userfaultfd": (323, 282, None), "fanotify_init": (300, 262, None), "open_by_handle_at": (304, 265, None),
    "add_key": (248, 217, None), "request_key": (249, 218, None), "keyctl": (250, 219, None),
    "mount": (165, 40, None), "umount2": (166, 39, None), "pivot_root": (155, 41, None), "chroot": (161, 51, None),
    "open_tree": (428, 428, None), "move_mount": (429, 429, None), "fsopen": (430, 430, None),
    "mount_setattr": (442, 442, None), "unshare": (272, 97, None), "setns": (308, 268, None),
    "setpriority": (141, 140, None), "sched_setscheduler": (144, 119, None), "sched_setparam": (142, 118, None),
    "sched_setattr": (314, 274, None), "ioprio_set": (251, 30, None), "personality": (135, 92, None),
    "init_module": (175, 105, None), "finit_module": (313, 273, None), "kexec_load": (246, 104, None),
    "reboot": (169, 142, None), "swapon": (167, 224, None), "swapoff": (168, 225, None), "syslog": (103, 116, None),
    "settimeofday": (164, 170, None), "clock_settime": (227, 112, None), "adjtimex": (159, 171, None),
    "clock_adjtime": (305, 266, None), "sethostname": (170, 161, None), "quotactl": (179, 60, None),
    "sched_setaffinity": (203, 122, OTHER), "migrate_pages": (256, 238, None), "move_pages": (279, 239, None),
    "fcntl": (72, 25, OWNER), "ioctl": (16, 29, OWNER),
    # what Landlock leaves free in files that it closes
    "chmod": (90, None, None), "fchmod": (91, 52, None), "fchmodat": (268, 53, None), "fchmodat2": (452, 452, None),
    "chown": (92, None, None), "fchown": (93, 55, None), "lchown": (94, None, None), "fchownat": (260, 54, None),
    "setxattr": (188, 5, None), "lsetxattr": (189, 6, None), "fsetxattr": (190, 7, None),
    "removexattr": (197, 14, None), "lremovexattr": (198, 15, None), "fremovexattr": (199, 16, None),
    "setxattrat": (463, 463, None), "removexattrat": (466, 466, None), "file_setattr": (469, 469, None),
    "utime": (132, None, None), "utimes": (235, None, None), "futimesat": (261, None, None),
    "utimensat": (280, 88, None), "truncate": (76, 45, None),
    "inotify_init": (253, None, None), "inotify_init1": (294, 26, None),
}  # fmt: skip
CLONE_THREAD = 0x10000
OWNERS = (8, 15, 0x8901, 0x8902)  # F_SETOWN, F_SETOWN_EX of fcntl; FIOSETOWN, SIOCSPGRP of ioctl: who gets SIGIO


def library():
    """The C library."""
    return ctypes.CDLL(None, use_errno=True)


def called(value, what):
    """The result of a call of the C library; OSError if it failed."""
    if value < 0:
        raise OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
    return value


def landlock_version():
    """The version of Landlock that the kernel has, 0 if none."""
    try:
        return max(library().syscall(CREATE_RULESET, None, ctypes.c_size_t(0), ABI), 0)
    except (OSError, AttributeError, TypeError):  # no Linux
        return 0


def landlock(readable):
    """Leave these files and folders to read, and nothing else; TCP and signals go too, where the kernel can."""
    version = landlock_version()
    if version < 1 or platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, "this kernel has no Landlock")
    handled = (1 << max(bits for since, bits in RIGHTS.items() if since <= version)) - 1
    fields = struct.pack("QQQ", handled, 3, 3)[: 8 if version < 4 else 16 if version < 6 else 24]
    ruleset = called(library().syscall(CREATE_RULESET, fields, ctypes.c_size_t(len(fields)), 0), "landlock")
    for path, rights in readable:
        try:
            place = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:
            continue  # what is not there needs no rule
        rule = struct.pack("=Qi", rights if os.path.isdir(path) else rights & READ_FILE, place)
        called(library().syscall(ADD_RULE, ruleset, 1, rule, 0), f"landlock: {path}")
        os.close(place)
    called(library().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    called(library().syscall(RESTRICT_SELF, ruleset, 0), "landlock")
    os.close(ruleset)


def no_rights():
    """Drop every right of the administrator, also those that a later program would get."""
    for right in range(64):
        library().prctl(PR_CAPBSET_DROP, right, 0, 0, 0)  # refused to who is no administrator, and beyond the last
    header, nothing = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    called(library().capset(header, nothing), "capset")


def no_calls():
    """Refuse the system calls of CALLS from here on, for good."""
    if platform.machine() not in MACHINES:
        raise OSError(errno.ENOSYS, "its processor is not known here")
    program = b"".join(struct.pack("=HBBI", *step) for step in steps(*MACHINES[platform.machine()], os.getpid()))
    held = ctypes.create_string_buffer(program, len(program))
    filters = struct.pack("@HP", len(program) // 8, ctypes.addressof(held))
    called(library().prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs")
    called(library().prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, filters, 0, 0), "seccomp")


def steps(column, machine, own):
    """The filter as steps (operation, skipped if true, skipped if not, value) of the kernel's packet filter."""
    load, equal, more, any_bit, leave = 0x20, 0x15, 0x35, 0x45, 0x06
    number, processor, first, second = 0, 4, 16, 24  # where a call's data begin; the lower halves of its arguments
    yield from [(load, 0, 0, processor), (equal, 1, 0, machine), (leave, 0, 0, KILL), (load, 0, 0, number)]
    if column == 0:
        yield from [(more, 0, 1, 0x40000000), (leave, 0, 0, KILL)]  # x86-64's second way in
    for name, (*numbers, condition) in CALLS.items():
        if numbers[column] is None:
            continue
        answer = (leave, 0, 0, REFUSE | (errno.ENOSYS if name == "clone3" else errno.EPERM))
        if condition is None:
            yield from [(equal, 0, 1, numbers[column]), answer]
        elif condition == NOT_THREAD:
            test = [(load, 0, 0, first), (any_bit, 1, 0, CLONE_THREAD), answer, (leave, 0, 0, ALLOW)]
            yield from [(equal, 0, len(test), numbers[column]), *test]
        elif condition == OWNER:
            owners = [(equal, len(OWNERS) - k, 0, owner) for k, owner in enumerate(OWNERS)]
            test = [(load, 0, 0, second), *owners, (leave, 0, 0, ALLOW), answer]
            yield from [(equal, 0, len(test), numbers[column]), *test]
        else:  # its own number, or 0, which means itself (of kill: its own group)
            own_ones = [(equal, 2, 0, own), (equal, 0 if name == "kill" else 1, 0, 0)]
            test = [(load, 0, 0, first), *own_ones, answer, (leave, 0, 0, ALLOW)]
            yield from [(equal, 0, len(test), numbers[column]), *test]
    yield (leave, 0, 0, ALLOW)


if __name__ == "__main__":
    main()
