"""The Spark job: what becomes of a message and of a batch, and the job's position in the log."""
