"""Run one of Etude's commands: `python -m toolkit labs.run lab3`.

While its modules are imported there is nothing to lose, and nobody who would catch Ctrl-C: until
`run_command` takes over, it ends the process without a word.
"""

import runpy
import signal
import sys

if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
