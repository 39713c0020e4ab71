"""Recordings: their formats, their column mappings, and their replay through the emulated board."""
