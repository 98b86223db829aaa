"""Exceptions that the command line reports in one line, without a traceback."""

MISTAKE = 2  # exit code after a mistake of the user
RETRY = 75  # exit code that asks a scheduler to run the job again


class UserError(Exception):
    """An error that the user can fix; the message says what is wrong, where, and what to do.

    Each line of the message is a mistake.
    """

    exit_code = MISTAKE


class Forgotten(UserError):
    """Tells that earlier tasks got worse than a bound. The work is done, and the model is kept."""

    exit_code = 3


class Failure(Exception):
    """A failure of a device, a machine or another rank. The message is one line."""

    def __init__(self, message: str, exit_code: int = RETRY):
        super().__init__(message)
        self.exit_code = exit_code
