"""What every tool needs to be called at all, for tests that walk over all of them."""

from typing import Any

from tools.registry import Tool

NEEDED: dict[str, Any] = {"question": "escalations", "by": "segment", "text": "call them"}


def needed(tool: Tool, account: str, other: str = "Globex") -> dict[str, Any]:
    """The arguments that a tool cannot do without, about an account."""
    found = {name: value for name, value in NEEDED.items() if name in tool.parameters}
    found |= {"account": account} if tool.of_one_account else {}
    return found | ({"accounts": [account, other]} if "accounts" in tool.parameters else {})
