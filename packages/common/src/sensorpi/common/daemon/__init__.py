"""What every service needs: readiness, watchdog, outages, the system clock, waiting, and a JVM's flags."""
