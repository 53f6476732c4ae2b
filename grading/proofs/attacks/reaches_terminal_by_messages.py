"""Puts escape sequences, HTML, markup and marks of direction into its messages.

Expected: nothing on 3.3.
"""


def build_vocabulary(pieces, min_count=1):
    evil = "\x1b[2J\x1b]0;title\x07 <script>alert(1)</script> [bold red] \u202egnp.exe \r=1+1"
    print(evil, flush=True)
    raise ValueError(evil)
