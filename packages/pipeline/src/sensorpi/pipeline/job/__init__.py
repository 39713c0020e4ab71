"""The Spark job: the way of one message, the way of one batch, and its place in the log."""
