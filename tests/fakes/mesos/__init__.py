"""A stand-in for Mesos 1.11, which no registry has: programs mesos-master and mesos-agent, held against recordings.

The folder needs Python 3.11 and kazoo only. Copy it anywhere and put links to the two programs on PATH.
"""
