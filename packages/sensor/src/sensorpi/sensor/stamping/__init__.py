"""Timestamps: strictly increasing, and only from a synchronised clock."""
