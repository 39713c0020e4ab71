"""What the scheduler decides, without threads or I/O: events, commands and the time in, calls to Mesos out."""
