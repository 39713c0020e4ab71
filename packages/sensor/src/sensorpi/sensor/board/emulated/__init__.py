"""An EnviroPhat emulated at register level, under the real library."""
