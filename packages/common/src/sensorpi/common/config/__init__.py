"""Renders the cluster file for the services of this node, and restarts those that a change affects."""
