"""What several parts ask of Kafka."""
