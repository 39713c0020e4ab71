"""Prepares the boot partition of a freshly flashed Raspberry Pi OS card, so that its first boot makes it a node."""
