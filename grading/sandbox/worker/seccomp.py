"""seccomp: after `restrict` the kernel refuses this process the system calls listed here.

No sockets, no processes, no signals to others, no limits raised, no modes or owners changed, no
memory that outlives the process, no marks on files that another process could see. x86_64 only; a
filter that meets another architecture's call ends the process. (man 2 seccomp; numbers:
asm/unistd_64.h)
"""

import ctypes
import os
from errno import ENOSYS, ENOTTY, EOPNOTSUPP, EPERM

from grading.sandbox.worker.kernel import prctl

SET_SECCOMP, MODE_FILTER = 22, 2
X86_64 = 0xC000003E
LAST_KNOWN = 446  # landlock_restrict_self; newer calls are as if the kernel were older
CLONE, CLONE_THREAD, CLONE_NAMESPACES = 56, 0x10000, 0x7E020000

REFUSED = {
    "start or become another program": {
        EPERM: {"fork": 57, "vfork": 58, "execve": 59, "execveat": 322},
        ENOSYS: {"clone3": 435},  # glibc then uses clone, whose flags a filter can see
    },
    "reach others through sockets": {
        EPERM: {"socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50}
        | {"socketpair": 53, "accept4": 288},
        ENOSYS: {"io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427},
    },
    "look into other processes, end or slow them": {
        EPERM: {"ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312}
        | {"tkill": 200, "rt_sigqueueinfo": 129, "rt_tgsigqueueinfo": 297}
        | {"pidfd_send_signal": 424, "pidfd_open": 434, "pidfd_getfd": 438}
        | {"process_madvise": 440, "migrate_pages": 256, "move_pages": 279}
        | {"setpgid": 109, "setsid": 112, "setpriority": 141, "ioprio_set": 251}
        | {"sched_setparam": 142, "sched_setscheduler": 144, "sched_setaffinity": 203}
        | {"sched_setattr": 314, "perf_event_open": 298, "lookup_dcookie": 212}
        | {"inotify_init": 253, "inotify_add_watch": 254, "inotify_init1": 294}
        | {"fanotify_init": 300, "fanotify_mark": 301},
    },
    "keep memory that outlives the process or has no limit": {
        EPERM: {"shmget": 29, "shmat": 30, "shmctl": 31, "shmdt": 67, "semget": 64, "semop": 65}
        | {"semctl": 66, "semtimedop": 220, "msgget": 68, "msgsnd": 69, "msgrcv": 70}
        | {"msgctl": 71, "mq_open": 240, "mq_unlink": 241, "mq_timedsend": 242}
        | {"mq_timedreceive": 243, "mq_notify": 244, "mq_getsetattr": 245}
        | {"memfd_create": 319, "add_key": 248, "request_key": 249, "keyctl": 250},
    },
    "change files that Landlock lets it see": {
        0: {"chmod": 90, "fchmod": 91, "fchmodat": 268, "utime": 132, "utimes": 235}
        | {"futimesat": 261, "utimensat": 280, "sync": 162, "syncfs": 306},  # as if it were done
        EPERM: {"chown": 92, "fchown": 93, "lchown": 94, "fchownat": 260}
        | {
            "truncate": 76,
            "mknod": 133,
            "mknodat": 259,
            "name_to_handle_at": 303,
            "open_by_handle_at": 304,
        },
        ENOSYS: {"openat2": 437},  # whose flags a filter cannot see
        EOPNOTSUPP: {"setxattr": 188, "lsetxattr": 189, "fsetxattr": 190}
        | {"removexattr": 197, "lremovexattr": 198, "fremovexattr": 199},
    },
    # Two workers of one machine share its files and the memory in which the kernel keeps them.
    "leave a mark on a file, or look for one": {
        0: {"flock": 73, "fadvise64": 221, "readahead": 187, "sync_file_range": 277},  # as if done
        EPERM: {"mincore": 27, "getrusage": 98},  # counts pages that had to be fetched
        ENOSYS: {"preadv2": 327, "pwritev2": 328}  # read only what is in memory already
        | {"io_setup": 206, "io_destroy": 207, "io_getevents": 208, "io_submit": 209}
        | {"io_cancel": 210, "io_pgetevents": 333},
    },
    "undo limits or leave the system as it is not": {
        EPERM: {"setrlimit": 160, "unshare": 272, "setns": 308, "chroot": 161, "pivot_root": 155}
        | {"mount": 165, "umount2": 166, "open_tree": 428, "move_mount": 429, "fsopen": 430}
        | {"fsconfig": 431, "fsmount": 432, "fspick": 433, "mount_setattr": 442}
        | {"bpf": 321, "userfaultfd": 323, "seccomp": 317, "personality": 135, "uselib": 134}
        | {"init_module": 175, "delete_module": 176, "finit_module": 313, "kexec_load": 246}
        | {"kexec_file_load": 320, "reboot": 169, "swapon": 167, "swapoff": 168, "acct": 163}
        | {"quotactl": 179, "quotactl_fd": 443, "syslog": 103, "vhangup": 153, "_sysctl": 156}
        | {"sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173}
        | {"modify_ldt": 154, "settimeofday": 164, "adjtimex": 159, "clock_settime": 227}
        | {"clock_adjtime": 305},
    },
}
# open and openat, and which argument is flags: to truncate what one may only read is no reading,
# but Landlock before version 3 lets it pass
OPEN_FLAGS = {2: 1, 257: 2}
ACCESS, TRUNCATE = 0o3, 0o1000
KILL, TGKILL = 62, 234  # this process only
PRLIMIT = 302  # to read limits only
IOCTL, FCNTL, MADVISE, PRCTL = 16, 72, 28, 157
# call: which argument, which values of it are refused
FORBIDDEN_VALUES = {
    MADVISE: (2, (3, 5, 20, 21, 22, 23, 25)),  # what fetches a file's pages or drops them
    PRCTL: (0, (1, 4)),  # PR_SET_PDEATHSIG, PR_SET_DUMPABLE
}
# call: which argument, which values of it alone are allowed, the error for others
ALLOWED_VALUES = {
    # TCGETS, TIOCGWINSZ, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX only: no TIOCSTI
    IOCTL: (1, (0x5401, 0x5413, 0x541B, 0x5421, 0x5450, 0x5451), ENOTTY),
    # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC only: no locks, no leases
    FCNTL: (1, (0, 1, 2, 3, 4, 1030), EPERM),
}

# Berkeley packet filter: opcodes, and where the call's data are
LOAD, AND, EQUAL, GREATER, ANY_BIT, RETURN = 0x20, 0x54, 0x15, 0x25, 0x45, 0x06
NUMBER, ARCHITECTURE = 0, 4
ALLOW, KILL_PROCESS = 0x7FFF0000, 0x80000000


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_uint16),
        ("if_true", ctypes.c_uint8),  # how many instructions to skip
        ("if_false", ctypes.c_uint8),
        ("value", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("first", ctypes.POINTER(_Instruction)))


Code = list[tuple[int, int, int, int]]


def restrict() -> None:
    """Lock this process's one thread, and all that it starts; needs no_new_privs.

    Raises
    ------
    OSError
        If the kernel has no seccomp, or this is another architecture.
    """
    if os.uname().machine != "x86_64":
        raise OSError(ENOSYS, "the filter is written for x86_64")
    code = _program(os.getpid())
    instructions = (_Instruction * len(code))(*(_Instruction(*line) for line in code))
    program = _Program(len(code), instructions)
    prctl(SET_SECCOMP, MODE_FILTER, ctypes.addressof(program))


def _program(pid: int) -> Code:
    code: Code = [
        (LOAD, 0, 0, ARCHITECTURE),
        (EQUAL, 1, 0, X86_64),
        _return(KILL_PROCESS),
        (LOAD, 0, 0, NUMBER),
        (GREATER, 0, 1, LAST_KNOWN),  # also the calls of the x32 interface
        _refuse(ENOSYS),
    ]
    for errors in REFUSED.values():
        for error, calls in errors.items():
            for number in calls.values():
                code += _of_call(number, [_refuse(error)])
    a_thread = [(ANY_BIT, 0, 2, CLONE_THREAD), (ANY_BIT, 1, 0, CLONE_NAMESPACES), _return(ALLOW)]
    code += _of_call(CLONE, [_argument(0), *a_thread, _refuse(EPERM)])
    for number, place in OPEN_FLAGS.items():
        truncates = [(AND, 0, 0, ACCESS | TRUNCATE), (EQUAL, 0, 1, TRUNCATE), _refuse(EPERM)]
        code += _of_call(number, [_argument(place), *truncates, _return(ALLOW)])
    for number in (KILL, TGKILL):
        code += _of_call(number, [_argument(0), *_only((pid,), EPERM)])
    nothing_new = [_argument(2), (EQUAL, 1, 0, 0), _refuse(EPERM), _argument(2, high=True)]
    code += _of_call(PRLIMIT, [*nothing_new, *_only((0,), EPERM)])
    for number, (place, allowed, error) in ALLOWED_VALUES.items():
        code += _of_call(number, [_argument(place), *_only(allowed, error)])
    for number, (place, values) in FORBIDDEN_VALUES.items():
        tests = [line for value in values for line in ((EQUAL, 0, 1, value), _refuse(EPERM))]
        code += _of_call(number, [_argument(place), *tests, _return(ALLOW)])
    return [*code, _return(ALLOW)]


def _of_call(number: int, then: Code) -> Code:
    return [(EQUAL, 0, len(then), number), *then]


def _only(values: tuple[int, ...], error: int) -> Code:
    tests = [line for value in values for line in ((EQUAL, 0, 1, value), _return(ALLOW))]
    return [*tests, _refuse(error)]


def _argument(place: int, high: bool = False) -> tuple[int, int, int, int]:
    return LOAD, 0, 0, 16 + 8 * place + 4 * high


def _return(value: int) -> tuple[int, int, int, int]:
    return RETURN, 0, 0, value


def _refuse(error: int) -> tuple[int, int, int, int]:
    return _return(0x00050000 | error)
