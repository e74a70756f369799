"""The one exception for failures that are expected: wrong input, a bad file, no space, no GPU."""

__all__ = ["InputError", "printable"]

_LONGEST = 2000  # characters of a message: what a hostile file may put on a terminal


class InputError(ValueError):
    """A failure whose cause lies outside the program, explained in one line.

    The command line and the workflow scripts print the message alone, without a traceback, and
    end with exit code 2. Every other exception is a defect of the program and keeps its traceback.

    Parameters
    ----------
    message : str
        Names the field or file in backticks, the rule it breaks, the value and the remedy. Line
        breaks are folded into spaces, so that a log shows one line whatever the message quotes;
        what would steer a terminal is written out.
    """

    def __init__(self, message: str) -> None:
        line = printable(" ".join(str(message).split()))
        super().__init__(line if len(line) <= _LONGEST else line[: _LONGEST - 3] + "...")


def printable(text: str) -> str:
    r"""The text with everything that is no visible sign written out, as in \x1b and \u202e.

    Values of files are quoted in messages and tables: an escape sequence in one must not reach the
    terminal, nor a lone surrogate an encoder.
    """
    if text.isprintable():
        return text
    return "".join(
        sign if sign.isprintable() else sign.encode("unicode_escape").decode("ascii")
        for sign in text
    )
