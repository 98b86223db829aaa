"""The one exception that people see as a single line."""


class UserError(Exception):
    """Something the user can mend: the message says what, where and what to do.

    The command line prints it without a traceback and exits with code 2.
    """


class Preempted(Exception):
    """The run was asked to stop and has saved its state; the text says how to go on."""
