"""Runs Kafka brokers and the Spark job on a node."""
