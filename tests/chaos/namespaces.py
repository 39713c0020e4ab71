"""Runs a function in namespaces of its own: network, mounts, processes, and users unless it is root already.

Nothing that it does to networks, disks or processes can be seen outside, and when it ends, however it ends, the kernel
ends all of its processes and removes its mounts and interfaces.
"""

import ctypes
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from sensorpi.common.errors import UserError

_NEW_NAMESPACES = 0x00020000 | 0x20000000 | 0x40000000  # CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWNET
_NEW_USER = 0x10000000
_MS_REC_PRIVATE = 0x4000 | 1 << 18
_PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None, use_errno=True)


def isolated(run: Callable[[], int]) -> int:
    """The exit status of ``run``, which is called in a child. Raises UserError when namespaces cannot be made."""
    user, group = os.getuid(), os.getgid()
    flags = _NEW_NAMESPACES if user == 0 else _NEW_NAMESPACES | _NEW_USER
    if _libc.unshare(flags) != 0:
        reason = os.strerror(ctypes.get_errno())
        raise UserError(f"namespaces cannot be made here ({reason}): run this as root, or allow user namespaces")
    if user != 0:
        Path("/proc/self/setgroups").write_text("deny", encoding="ascii")
        Path("/proc/self/uid_map").write_text(f"0 {user} 1", encoding="ascii")
        Path("/proc/self/gid_map").write_text(f"0 {group} 1", encoding="ascii")
    init = os.fork()
    if init == 0:
        _in_child(lambda: _init(run))
    _leave_ctrl_c_to_the_child(init)
    return _ended(init)


def _init(run: Callable[[], int]) -> int:
    """Process 1: everything ends with it. It takes leave of processes whose parents were killed."""
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    mount(None, "/", None, _MS_REC_PRIVATE)
    mount("proc", "/proc", "proc", 0)
    main = os.fork()
    if main == 0:
        _in_child(run)
    _leave_ctrl_c_to_the_child(main)
    while True:
        pid, status = os.wait()
        if pid == main:
            return _exit_code(status)


def _in_child(run: Callable[[], int]) -> None:
    """Call ``run`` and end this process with its status."""
    status = 1
    try:
        status = run()
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _leave_ctrl_c_to_the_child(pid: int) -> None:
    """A terminal sends SIGINT to all of us, and a supervisor sends SIGTERM to one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, _frame: os.kill(pid, number))


def _ended(pid: int) -> int:
    return _exit_code(os.waitpid(pid, 0)[1])


def _exit_code(status: int) -> int:
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """The system call mount. Raises OSError."""
    encoded = [None if text is None else text.encode() for text in (source, target, kind)]
    data = None if options is None else options.encode()
    if _libc.mount(*encoded, ctypes.c_ulong(flags), data) != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"mount {target}: {os.strerror(error)}")
