"""The built-in dashboard: one page and its data, from Grafana's dashboard files."""
