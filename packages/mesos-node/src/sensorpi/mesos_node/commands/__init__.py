"""The commands of this distribution. Those of the operator know an engine only by its interface."""
