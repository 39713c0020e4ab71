"""Cards: prepares a freshly flashed card of Raspberry Pi OS, and sets up a card of our own images at each boot."""
