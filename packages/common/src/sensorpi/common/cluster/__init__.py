"""The cluster file: its model, its checks, which node this machine is, and the secrets derived from its key."""
