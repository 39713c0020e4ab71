"""What every sensorpi node shares."""
