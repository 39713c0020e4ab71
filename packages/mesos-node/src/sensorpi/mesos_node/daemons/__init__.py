"""ZooKeeper, the Mesos master and the Mesos agent as services of a node."""
