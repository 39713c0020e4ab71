"""Small notations of the command line: which brokers, how long, which settings, which constraints."""
