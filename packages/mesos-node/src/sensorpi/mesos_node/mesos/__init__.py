"""Talks to Mesos over its v1 HTTP API: no libmesos, no binding."""
