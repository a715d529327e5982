"""The figures of srcroutd, measured side by side in one run: ``make bench``, or ``python -m bench
NAME...``.

Each group of figures runs in a process of its own inside private namespaces; nothing outside them
is seen or changed. Timings are no tests: a missed target is said in words, and the exit code stays
0.
"""
