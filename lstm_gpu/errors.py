"""The one exception for failures that are expected: wrong input, a bad file, no space, no GPU."""

__all__ = ["InputError"]


class InputError(ValueError):
    """A failure whose cause lies outside the program, explained in one line.

    The command line and the workflow scripts print the message alone, without a traceback, and
    end with exit code 2. Every other exception is a defect of the program and keeps its traceback.

    Parameters
    ----------
    message : str
        Names the field or file in backticks, the rule it breaks, the value and the remedy. Line
        breaks are folded into spaces, so that a log shows one line whatever the message quotes.
    """

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
