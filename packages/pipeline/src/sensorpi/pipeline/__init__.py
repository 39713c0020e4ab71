"""From Kafka to InfluxDB by Spark, and the dashboard on top."""
