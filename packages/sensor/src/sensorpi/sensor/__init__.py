"""The sensor node: reads a real or an emulated EnviroPhat, and publishes the readings to Kafka."""
