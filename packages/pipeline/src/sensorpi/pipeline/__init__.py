"""The Spark job from Kafka to InfluxDB, and the built-in dashboard."""
