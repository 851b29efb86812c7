"""The one exception of the Web API: an error code the way Slack answers it."""

from collections.abc import Sequence


class SlackError(Exception):
    """A refused call: Slack's error code and, for bad arguments, messages that name the place."""

    def __init__(self, code: str, messages: Sequence[str] = ()) -> None:
        super().__init__(code, *messages)
        self.code = code
        self.messages = list(messages)
