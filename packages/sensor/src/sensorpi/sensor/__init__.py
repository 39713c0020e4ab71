"""The sensor node: reads an EnviroPhat, or the emulated one, and publishes to Kafka."""
