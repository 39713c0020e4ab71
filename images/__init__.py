"""SD-card images: Debian with one node's roles on it. docs/images.md says how to build, flash and test them."""
