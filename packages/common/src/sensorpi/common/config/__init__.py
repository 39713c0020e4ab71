"""Renders the cluster file for this node's services, and restarts the services that a change affects."""
