"""`make run`: the whole pipeline on one machine, in one folder, from the same commands that the packages ship."""
