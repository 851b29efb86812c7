"""When a step of a play is due: its delay, in the contact's working hours, without overtaking the step before it."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from knowledge.kinds import Play, Step

REACHING = ("email", "slack", "sms", "in_app", "call", "video")  # channels of touchpoints; tasks and webhooks are ours
IN_OFFICE_HOURS = ("email", "slack", "sms", "call", "video")
OPENS, CLOSES = time(9), time(17)
SATURDAY = 5


def reaches(step: Step) -> bool:
    """Tell whether a step is a touchpoint: it reaches a contact, or asks a colleague to ring one."""
    return step.channel in REACHING


def due_at(
    play: Play, step: Step, started_at: datetime, done: Mapping[str, datetime], zone: str, waited: timedelta
) -> datetime:
    """Return the earliest time at which a step may be done, in UTC.

    Days are days of the contact's calendar and working days are Monday to Friday; holidays are not known. Where an
    earlier touchpoint was late, the ones after it keep their distance from it.

    Args:
        done: times of the play's steps that were done, by id.
        zone: the contact's time zone.
        waited: how long the run was paused.
    """
    planned = _later(started_at, step, zone) + waited
    for other in play.steps:
        if other.id in done and reaches(other) and reaches(step) and other.hours <= step.hours and other is not step:
            planned = max(planned, done[other.id] + timedelta(hours=step.hours - other.hours))
    return open_at(play, step, planned, zone)


def open_at(play: Play, step: Step, moment: datetime, zone: str) -> datetime:
    """Return the first time from `moment` on at which a step may reach a contact.

    Messages and calls wait for a working day, 9-17 local time, unless the play is immediate.
    """
    if play.urgency == "immediate" or step.channel not in IN_OFFICE_HOURS:
        return moment.astimezone(UTC)
    local = moment.astimezone(ZoneInfo(zone))
    if local.time() >= CLOSES:
        local = datetime.combine(local.date() + timedelta(days=1), OPENS, local.tzinfo)
    while local.weekday() >= SATURDAY:
        local = datetime.combine(local.date() + timedelta(days=1), OPENS, local.tzinfo)
    if local.time() < OPENS:
        local = datetime.combine(local.date(), OPENS, local.tzinfo)
    return local.astimezone(UTC)


def _later(start: datetime, step: Step, zone: str) -> datetime:
    """The start and the step's delay; days keep the local hour also when the clocks change."""
    amount, unit = step.delay
    if unit == "h":
        return start + timedelta(hours=amount)
    local = start.astimezone(ZoneInfo(zone))
    day = local.date()
    if unit == "d":
        day += timedelta(days=amount)
    while unit == "wd" and amount:
        day += timedelta(days=1)
        amount -= day.weekday() < SATURDAY
    return datetime.combine(day, local.time(), local.tzinfo).astimezone(UTC)
