"""SD-card images: Debian with one node's roles. docs/images.md describes how to build, flash and test them."""
