"""What came back from a customer, told to the owner of the account."""

from bot.blocks.parts import said
from bot.jobs import tell_owner
from bot.runtime import Tend
from bot.work import Item


def tell(tend: Tend, item: Item) -> None:
    """Tell the owner once."""
    text = item.payload["text"]
    tell_owner(tend, tend.context(item.workspace_id), item.payload["owner"], item.key, text, said(text))


HANDLERS = {"inbound_news": tell}
