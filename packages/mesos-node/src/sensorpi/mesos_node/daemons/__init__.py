"""What runs below the tasks under Mesos: ZooKeeper, the Mesos master and the Mesos agent, each as a service."""
