"""Where a submission runs: workers, how they are locked in, and the proxy that asks them.

`files` reads what was handed in, and runs nothing.
`worker` alone runs a student's code; it is copied out of the repository and imports nothing of
`grading` but itself.
"""
