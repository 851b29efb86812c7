"""The local workspace: one object that is Slack to the app, a page to people, and a tool to tests."""

from typing import Any

from . import page
from .api import ApiCall
from .errors import SlackError
from .mailbox import Mail, Mailbox
from .people import Channel, Person
from .workspace import Workspace

__all__ = ["ApiCall", "Channel", "LocalWorkspace", "Mail", "Mailbox", "Person", "SlackError"]


class LocalWorkspace(Workspace):
    """A workspace with its page; serve ``app`` with ``bot.local.run.Running``. Arguments as for ``Workspace``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        page.add(self.app, self)
