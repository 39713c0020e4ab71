"""The life of a service: readiness, watchdog, outages, the system clock, waiting for what is missing."""
