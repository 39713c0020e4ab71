"""The commands of this package. Those that an operator uses know an engine only by its interface."""
