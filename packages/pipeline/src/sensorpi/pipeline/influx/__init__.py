"""InfluxDB: its clients, its set-up, its service."""
