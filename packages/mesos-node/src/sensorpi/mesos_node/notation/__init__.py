"""The notations of the command line for brokers, times, settings and constraints."""
