"""The EnviroPhat: its driver over the real library, its chips, and the board that emulates them."""
