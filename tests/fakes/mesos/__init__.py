"""A stand-in for Mesos 1.11, which no registry has: its programs, tested against recordings of the real ones.

The folder needs Python 3.11 and kazoo only. Copy it anywhere and put links to the two programs on PATH.
"""
