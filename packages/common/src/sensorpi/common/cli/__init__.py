"""The `sensorpi` command line: its parser, its options, what it prints and how it ends."""
