"""Sends readings to Kafka: the producer, the spool on disk, and the publisher that uses both."""
