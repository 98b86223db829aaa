"""The exception for mistakes of the user."""


class UserError(Exception):
    """An error that the user can fix; the message says what is wrong, where, and what to do.

    The command line prints it without a traceback and exits with code 2. Each line of the message is a mistake.
    """
