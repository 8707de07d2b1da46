"""The system calls that code in a `bubblewrap` sandbox may not make, as a filter program for the kernel (seccomp BPF).

No new processes (threads are allowed), no sockets but the pair that asyncio wakes itself with, nothing that mounts, traces, loads,
or keeps memory that the limits do not count.
"""

from __future__ import annotations

import errno
import struct

__all__ = ["MACHINES", "program"]

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_KILL, _REFUSE, _ALLOW = 0x80000000, 0x00050000, 0x7FFF0000
_THREAD = 0x00010000
_INTERNET = (2, 10)

# Calls that have the same number on every machine.
_NEW = {
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427, "pidfd_open": 434, "pidfd_getfd": 438, "memfd_secret": 447,
}  # fmt: skip
_X86_64 = {
    "fork": 57, "vfork": 58, "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "mount": 165, "umount2": 166,
    "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308, "add_key": 248, "request_key": 249, "keyctl": 250, "bpf": 321,
    "perf_event_open": 298, "userfaultfd": 323, "kexec_load": 246, "init_module": 175, "finit_module": 313, "delete_module": 176,
    "swapon": 167, "swapoff": 168, "reboot": 169, "quotactl": 179, "acct": 163, "open_by_handle_at": 304, "name_to_handle_at": 303,
    "memfd_create": 319, "shmget": 29, "shmat": 30, "msgget": 68, "semget": 64, "mq_open": 240, "syslog": 103, "settimeofday": 164,
    "clock_settime": 227, "adjtimex": 159, "personality": 135, "iopl": 172, "ioperm": 173, "modify_ldt": 154, "mbind": 237,
    "set_mempolicy": 238, "migrate_pages": 256, "move_pages": 279, "fanotify_init": 300, "vmsplice": 278, "kcmp": 312, "vhangup": 153,
}  # fmt: skip
_AARCH64 = {
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51,
    "unshare": 97, "setns": 268, "add_key": 217, "request_key": 218, "keyctl": 219, "bpf": 280, "perf_event_open": 241,
    "userfaultfd": 282, "kexec_load": 104, "init_module": 105, "finit_module": 273, "delete_module": 106, "swapon": 224, "swapoff": 225,
    "reboot": 142, "quotactl": 60, "acct": 89, "open_by_handle_at": 265, "name_to_handle_at": 264, "memfd_create": 279, "shmget": 194,
    "shmat": 196, "msgget": 186, "semget": 190, "mq_open": 180, "syslog": 116, "settimeofday": 170, "clock_settime": 112,
    "adjtimex": 171, "personality": 92, "mbind": 235, "set_mempolicy": 237, "migrate_pages": 238, "move_pages": 239,
    "fanotify_init": 262, "vmsplice": 75, "kcmp": 272, "vhangup": 58,
}  # fmt: skip
_CLONE_WITH_STRUCT = 435

MACHINES = {"x86_64": (0xC000003E, _X86_64, 41, 56), "aarch64": (0xC00000B7, _AARCH64, 198, 220)}
"""By `platform.machine()`: the kernel's name for it, what is refused, and the numbers of `socket` and `clone`."""


def program(machine: str, *, network: bool) -> bytes:
    """The filter for one machine.

    >>> len(program("x86_64", network=False)) % 8
    0
    """
    name, refused, socket, clone = MACHINES[machine]
    refuse, absent = _REFUSE | errno.EPERM, _REFUSE | errno.ENOSYS
    lines = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_EQUAL, 1, 0, name),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NUMBER),
        # The second set of numbers that x86 has for the same calls.
        (_AT_LEAST, 0, 1, 0x40000000),
        (_RETURN, 0, 0, absent),
    ]
    for number in sorted({*refused.values(), *_NEW.values()}):
        lines += [(_EQUAL, 0, 1, number), (_RETURN, 0, 0, refuse)]
    # With its flags in memory, out of sight of a filter; without it, the C library takes the old call.
    lines += [(_EQUAL, 0, 1, _CLONE_WITH_STRUCT), (_RETURN, 0, 0, absent)]
    lines += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_ANY_BIT, 0, 1, _THREAD), (_RETURN, 0, 0, _ALLOW)]
    lines += [(_RETURN, 0, 0, refuse)]
    families = _INTERNET if network else ()
    lines += [(_EQUAL, 0, 2 + 2 * len(families), socket), (_LOAD, 0, 0, _FIRST_ARGUMENT)]
    for family in families:
        lines += [(_EQUAL, 0, 1, family), (_RETURN, 0, 0, _ALLOW)]
    lines += [(_RETURN, 0, 0, refuse), (_RETURN, 0, 0, _ALLOW)]
    return b"".join(struct.pack("=HBBI", *line) for line in lines)
