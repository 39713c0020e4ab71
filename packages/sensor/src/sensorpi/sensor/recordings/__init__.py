"""Recordings: their dialects, their column mappings, and their replay through the emulated board."""
