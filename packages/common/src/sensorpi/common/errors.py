"""A mistake that the person at the keyboard can mend."""


class UserError(Exception):
    """Its text is one line: what is wrong, where, what to do. The command prints it and exits with 2."""
