"""The built-in dashboard: one web page and its data, made from Grafana's dashboard files."""
