"""Kafka clients for several parts."""
