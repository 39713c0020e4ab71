"""The daemons of Spark's standalone cluster."""
