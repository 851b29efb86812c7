"""`/tend`: a question, health, draft, the digest of this channel, the scores' honesty, who I am, help."""

import re
from dataclasses import replace
from typing import Any

from slack_bolt import App

from bot import jobs
from bot.audience import GUESTS, NARROW, TOO_MANY
from bot.blocks.asking import suggestions
from bot.blocks.parts import escape, section
from bot.listeners import honesty, outbox, people, testimonials
from bot.listeners.chat import PROMPTS, plain_question
from bot.listeners.common import person, say_only_to
from bot.listeners.feedback import post_report
from bot.listeners.review import open_review
from bot.runtime import Tend
from bot.work import Item
from storage.models import Role, Scope
from tools import digests, trials
from tools.audit_log import audit_of_draft
from tools.context import Context
from tools.errors import UserError
from tools.model_card import model_card

HELP = """*What you can type*
• `/tend <question>`: ask about accounts, for example `/tend which accounts renew next month?`
• `/tend health <account>` · `/tend draft <account>`
• `/tend review`: decide the drafts that wait for you, one after the other
• `/tend digest here [hour]`: the at-risk digest here every day (default 8) · `/tend digest off` · `/tend digest now`
• `/tend churn <account>`: how likely it is to leave, why, and what would change it
• `/tend grow [account]`: where accounts could grow, or how one could · `/tend offer <account>`: draft the offer
• `/tend trial start <account>[, <trial>]` · `/tend trials`: trials of premium features
• `/tend value <account>`: what it is still to pay
• `/tend outbox`: messages that wait, failed or are unclear, and what to do about them
• `/tend model`: how well losses are foretold, and how that was measured
• `/tend honesty`: how far the scores could be trusted over the last year, each scorecard beside the others
• `/tend simulate <scorecard> ["factor"=weight …]`: what other weights would change (admins)
• `/tend feedback [days]`: what people thought of my answers, and which questions went wrong (admins)
• `/tend testimonial <account>`: enter what a customer said, approve or withdraw it
• `/tend audit <draft number>`: who did what with a draft (admins)
• `/tend whoami`: how I know you, what you may do and see
• `/tend people` · `/tend role @person csm` · `/tend scope @person own|all|team <name>`: who may do what (admins)
You can also mention me in a channel or write to me directly."""

WITH_GUESTS = " Mind that guests, or people of other organisations, read in this channel, too."


def register(app: App) -> None:
    app.command("/tend")(on_command)


def on_command(ack: Any, command: dict[str, Any], context: Any, client: Any) -> Any:
    """Store the command, then answer; everything else happens in the worker."""
    tend: Tend = context["tend"]
    text = (command.get("text") or "").strip()
    if text.lower() in ("", "help"):
        return ack(
            response_type="ephemeral",
            text=HELP,
            blocks=[section(HELP), *suggestions("Or press one:", PROMPTS[:3])],
        )
    if text.lower() == "review":
        return _review(ack, command, tend, client)
    payload = {
        "team": command["team_id"],
        "user": command["user_id"],
        "channel": command["channel_id"],
        "text": text,
        "ts": None,
        "thread_ts": None,
    }
    tend.queue.put(tend.workspace_of(command["team_id"]), "command", f"cmd:{command['trigger_id']}", payload)
    return ack()


def _review(ack: Any, command: dict[str, Any], tend: Tend, client: Any) -> Any:
    """Open the review at once: a modal can only be opened within three seconds."""
    ctx = tend.context(tend.workspace_of(command["team_id"]))
    try:
        actor = tend.actor(ctx, command["user_id"], command["team_id"])
        open_review(tend, ctx.acting(actor), client, command["trigger_id"])
    except UserError as error:
        return ack(response_type="ephemeral", text=str(error))
    return ack()


def run_command(tend: Tend, item: Item) -> None:
    """Do what the command says; answers are for the person who typed it."""
    ctx = person(tend, item)
    if ctx is None:
        return
    text = plain_question(item.payload["text"])
    word, _, rest = text.partition(" ")
    said: str | None = None
    try:
        if word.lower() == "digest":
            said = _digest(tend, ctx, item, rest.strip().lower())
        elif word.lower() == "honesty":
            honesty.honesty(tend, ctx, item)
        elif word.lower() == "feedback":
            post_report(tend, ctx, item, rest.strip())
        elif word.lower() == "simulate":
            honesty.simulation(tend, ctx, item, rest.strip())
        elif word.lower() == "model":
            said = model_card(ctx).text
        elif text.lower() == "outbox":
            outbox.show(tend, ctx, item)
        elif word.lower() == "audit":
            said = audit_of_draft(ctx, rest.strip())
        elif word.lower() == "testimonial":
            testimonials.of_account(tend, ctx, item, rest.strip())
        elif word.lower() == "trial":
            said = _trial(ctx, rest.strip())
        elif word.lower() == "grow":
            said = _ask(
                tend, ctx, item, f"what can we sell to {rest.strip()}?" if rest.strip() else "where can we expand?"
            )
        elif word.lower() in people.WORDS:
            said = people.answer(ctx, word.lower(), item.payload["text"].partition(" ")[2].strip())
        else:
            said = _ask(tend, ctx, item, text)
    except UserError as error:
        said = str(error)
    if said:
        say_only_to(tend, ctx, item.payload, said)


def _ask(tend: Tend, ctx: Context, item: Item, text: str) -> str | None:
    """A question typed as a command is answered in the person's own messages, so that it can go on there."""
    for short, long in (
        ("health", "explain the health of"),
        ("draft", "draft outreach to"),
        ("churn", "churn probability of"),
        ("offer", "draft an upgrade proposal for"),
        ("value", "lifetime value of"),
        ("trials", "which trials of premium features are running?"),
        ("ask", ""),
    ):
        text = re.sub(rf"^{short}\s+", f"{long} ".lstrip(), text, flags=re.I)
    client = tend.messenger.client_of(ctx.workspace_id)
    channel = client.conversations_open(users=item.payload["user"])["channel"]["id"]
    payload = {**item.payload, "channel": channel, "text": text, "shown": text}
    ts = tend.messenger.post_once(ctx, f"asked:{item.key}", channel, text, [section(f"You asked: _{escape(text)}_")])
    tend.queue.put(ctx.workspace_id, "question", f"{item.key}:q", {**payload, "ts": ts, "shown": ""})
    return None if item.payload["channel"] == channel else "I answer in our messages."


def _digest(tend: Tend, ctx: Context, item: Item, rest: str) -> str | None:
    channel = item.payload["channel"]
    if rest == "off":
        return "The digest is off here." if digests.unsubscribe(ctx, channel) else "There was no digest here."
    if rest == "now":
        found = next((s for s in digests.subscriptions(ctx) if s.channel == channel), None)
        if found is None:
            raise UserError("There is no digest here yet; start it with `/tend digest here 8`.")
        ctx.require(Role.CSM)
        done = jobs.post_digest(tend, tend.context(ctx.workspace_id), found, ctx.today().isoformat())
        return f"Today's digest is in this channel: {done['accounts']} accounts at risk."
    hour = re.fullmatch(r"(?:here|on)(?: (?:at )?(\d{1,2})(?::00)?)?", rest)
    if hour is None:
        raise UserError("I know `/tend digest here [hour]`, `/tend digest off` and `/tend digest now`.")
    ctx.require(Role.CSM)
    _require_membership(tend, ctx, channel)
    warning = _require_readers(tend, ctx, channel)
    zone = tend.time_zone_of(ctx, item.payload["user"])
    made = digests.subscribe(ctx, channel, int(hour.group(1) or 8), zone)
    return f"The at-risk digest comes here every day at {made.hour}:00 ({made.time_zone}).{warning}"


def _trial(ctx: Context, rest: str) -> str:
    """`start Acme`, or with the trial after a comma: `start Acme, business plan trial`."""
    started = re.fullmatch(r"start\s+([^,]+?)\s*(?:,\s*(.+))?", rest, flags=re.I)
    if started is None:
        raise UserError("I know `/tend trial start <account>[, <trial>]` and `/tend trials`.")
    return trials.start_trial(ctx, started.group(1), started.group(2)).text


def _require_membership(tend: Tend, ctx: Context, channel: str) -> None:
    """A digest can only be posted where Tend is a member; better said now than failing every morning."""
    info = tend.messenger.client_of(ctx.workspace_id).conversations_info(channel=channel)["channel"]
    if not (info.get("is_member") or info.get("is_im")):
        raise UserError("I am not in this channel yet: type `/invite @Tend`, then start the digest again.")


def _require_readers(tend: Tend, ctx: Context, channel: str) -> str:
    """A digest shows accounts of everybody, so everybody in its channel must see all; guests are warned of."""
    everything = ctx.acting(replace(ctx.actor, scope=Scope.ALL))
    reason = tend.audience.barred(everything, channel)
    if reason in (NARROW, TOO_MANY):
        raise UserError("The digest shows accounts that not everybody in this channel may see. Use another channel.")
    return WITH_GUESTS if reason == GUESTS else ""


HANDLERS = {"command": run_command}
