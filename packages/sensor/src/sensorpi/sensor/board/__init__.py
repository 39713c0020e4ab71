"""The EnviroPhat: its driver on top of the real library, its chips, and the board that emulates them."""
