"""The few errors that a person gets to see; each message is a kind sentence that says what to do."""

from dataclasses import dataclass


class UserError(Exception):
    """Something that the person who asked can put right; the text is shown to them as it is."""


@dataclass(frozen=True)
class Choice:
    """One possible meaning of a name, offered as a button."""

    label: str
    value: str


class AmbiguousError(UserError):
    """A name fits several things; the choices are offered as buttons."""

    def __init__(self, question: str, choices: list[Choice]) -> None:
        super().__init__(question)
        self.question = question
        self.choices = choices


class UnknownAccountError(UserError):
    """No account has this name; the nearest names are offered."""

    def __init__(self, name: str, nearest: list[Choice]) -> None:
        near = f" Did you mean {' or '.join(choice.label for choice in nearest)}?" if nearest else ""
        super().__init__(f"I know no account called “{name[:80]}”.{near}")
        self.name = name
        self.choices = nearest


class NotAllowedError(UserError):
    """The person may not do this."""


class StaleError(UserError):
    """The thing was changed or decided in the meantime; the surface shows how it stands now."""
