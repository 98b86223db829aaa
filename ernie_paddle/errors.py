"""The one exception that people see as a single line."""


class UserError(Exception):
    """Something the user can mend: the message says what, where and what to do.

    The command line prints it without a traceback and exits with code 2.
    """
