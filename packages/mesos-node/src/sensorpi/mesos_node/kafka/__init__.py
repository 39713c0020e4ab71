"""What a Kafka broker and a topic are: their files, their settings, formatting and administration."""
