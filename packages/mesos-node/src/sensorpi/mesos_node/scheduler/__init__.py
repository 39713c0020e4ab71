"""The Mesos framework that keeps the brokers and the Spark job running."""
