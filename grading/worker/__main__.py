"""Import what the lab needs once, then fork a worker whenever the grader asks for one (a zygote).

TensorFlow survives a fork only while no op has run and the process has one thread; where that
does not hold, or there is no fork, the grader starts this file afresh for each worker.
"""

import contextlib
import gc
import importlib
import json
import os
import shutil
import signal
import socket
import sys

from grading.worker.limits import ENVIRONMENT
from grading.worker.serve import serve


def become_worker(pipe: socket.socket, output: int, scratch: str, builders: str) -> None:
    """Serve in this process, its prints going to `output`; never returns."""
    if os.getpgrp() != os.getpid():
        os.setsid()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signal_number, signal.SIG_DFL)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    try:
        serve(pipe, scratch, builders)
    finally:
        os._exit(70)


def one_thread() -> bool:
    """Whether a fork is safe here."""
    try:
        return len(os.listdir("/proc/self/task")) == 1
    except OSError:
        return False


def main() -> None:
    """Speak JSON lines with the grader on the control socket: fork, end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    settings = json.loads(sys.argv[2])
    # Ctrl-C reaches the whole terminal group: the grader decides what ends
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in settings["preload"]:
        importlib.import_module(name)
    gc.freeze()  # what is imported stays: no worker walks through it again
    can_fork = hasattr(os, "fork") and one_thread() and not settings["fresh"]
    control.sendall(json.dumps({"fork": can_fork, "environment": ENVIRONMENT}).encode() + b"\n")
    while True:
        message, fds, _, _ = socket.recv_fds(control, 1 << 16, 2)
        if not message:  # the grader is gone, killed perhaps: leave nothing behind
            shutil.rmtree(os.getcwd(), ignore_errors=True)
            break
        request = json.loads(message)
        if request["do"] == "work":  # fresh: this very process becomes the worker
            control.sendall(json.dumps({"pid": os.getpid()}).encode() + b"\n")
            become_worker(socket.socket(fileno=fds[0]), fds[1], **request["worker"])
        elif request["do"] == "fork":
            pid = os.fork()
            if pid == 0:
                control.close()
                become_worker(socket.socket(fileno=fds[0]), fds[1], **request["worker"])
            for fd in fds:
                os.close(fd)
            control.sendall(json.dumps({"pid": pid}).encode() + b"\n")
        elif request["do"] == "end":
            for kill in (os.killpg, os.kill):
                with contextlib.suppress(OSError):
                    kill(request["pid"], signal.SIGKILL)
            _, status = os.waitpid(request["pid"], 0)
            control.sendall(json.dumps({"status": status}).encode() + b"\n")


if __name__ == "__main__":
    main()
