"""Who may be asked for a testimonial now and why, and who not and why not."""

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any

import polars as pl
from pydantic import AfterValidator, BaseModel, ConfigDict
from sqlmodel import Session, col, func, select

from knowledge.documents import templates
from scoring.catalogue import CATALOGUE
from scoring.declared import read_declared
from storage import queries
from storage.models import Account, Interaction, MilestoneMet
from tools.account_query import scored_day
from tools.consent import refusal, standing
from tools.context import Context
from tools.facts import FactSheet, Result, plural
from tools.names import find_colleague
from tools.play_facts import play_table
from tools.testimonial_rules import CLASS, obstacles, over_the_limit

FILE = Path(__file__).parent / "testimonials.toml"
REQUEST = "testimonial_email"
SHOWN = 20
CALLS = ("call", "meeting", "video")
CALL_DAYS, MILESTONE_DAYS = 14, 90
LABELS = {
    "band_days": "days in the top band",
    "call_sentiment_14d": "tone of the last 14 days' calls (-1 to 1)",
    "days_since_milestone": "days since the last milestone",
}


def _predicate(text: str) -> str:
    pl.sql_expr(text)
    return text


class Occasion(BaseModel):
    """What makes this the moment to ask.

    Args:
        when: an SQL predicate over the table of plays, `call_sentiment_14d` and `days_since_milestone`.
        words: the reason, with the columns that it names.
        fact: the column that backs it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    when: Annotated[str, AfterValidator(_predicate)]
    words: str
    fact: str


class Occasions(BaseModel):
    """The whole file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    occasions: dict[str, Occasion]


@dataclass(frozen=True)
class Candidate:
    """An account with a reason to ask it; `not_now` says what stands against it."""

    account_id: int
    account: str
    contact: str
    because: tuple[str, ...]
    not_now: str = ""


@dataclass(frozen=True)
class Candidates(Result):
    """Who may be asked for a testimonial, and who not yet.

    Args:
        limit: why nobody is asked at all now, for the company's own limit.
        total: how many may be asked and how many not, of which the rows show the first.
    """

    rows: tuple[Candidate, ...] = ()
    held: tuple[Candidate, ...] = ()
    limit: str = ""
    total: tuple[int, int] = (0, 0)


@cache
def occasions() -> dict[str, Occasion]:
    """Read what makes a moment the right one."""
    return read_declared(FILE, Occasions).occasions


def testimonial_candidates(ctx: Context, owner: str | None = None) -> Candidates:  # noqa: PT028 (no test)
    """List who may be asked for a testimonial now, with the reason, and who not yet, with what stands against it.

    Args:
        owner: whose accounts; "me" for the person who asks.
    """
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        table = occasion_table(ctx, session, as_of)
        if owner:
            person = find_colleague(ctx, session, owner)
            table = table.filter(pl.col("owner").str.to_lowercase() == person.email.lower())
        sheet = FactSheet(as_of)
        against = obstacles(session, ctx.now())
        rows = table.sort("arr", descending=True, nulls_last=True).to_dicts()
        free = [_candidate(ctx, session, row, sheet, "") for row in rows if row["account_id"] not in against][:SHOWN]
        barred = [row for row in rows if row["account_id"] in against]
        held = [_candidate(ctx, session, row, sheet, against[row["account_id"]]) for row in barred[:SHOWN]]
        limit = over_the_limit(session, ctx.now(), ctx.governance) or ""
    asked = tuple(one for one in free if not one.not_now)
    held += [one for one in free if one.not_now]
    total = (len(rows) - len(barred) - (len(free) - len(asked)), len(barred) + len(free) - len(asked))
    sheet.add("portfolio", "accounts that may be asked for a testimonial", total[0], "accounts", CLASS)
    sheet.add("portfolio", "accounts with an occasion that may not be asked now", total[1], "accounts", CLASS)
    ids = tuple(one.account_id for one in asked)
    return Candidates(_words(asked, total, limit), tuple(sheet), ids, asked, tuple(held), limit, total)


def occasion_table(ctx: Context, session: Session, as_of: date) -> pl.DataFrame:
    """Return the customers that have a reason to be asked, with the ids of the occasions under `occasions`."""
    table = play_table(ctx, session, as_of).filter(pl.col("status") == "active")
    for part in (_calls(session, as_of), _milestones(session, as_of)):
        table = table.join(part, on="account_id", how="left")
    holds = [pl.when(pl.sql_expr(one.when)).then(pl.lit(name)) for name, one in occasions().items()]
    table = table.with_columns(pl.concat_list(holds).list.drop_nulls().alias("occasions"))
    return table.filter(pl.col("occasions").list.len() > 0)


def _calls(session: Session, as_of: date) -> pl.DataFrame:
    end = datetime.combine(as_of + timedelta(days=1), time.min)
    rows = session.exec(
        select(Interaction.account_id, func.avg(Interaction.sentiment))
        .where(
            col(Interaction.channel).in_(CALLS),
            col(Interaction.sentiment).is_not(None),
            col(Interaction.at) < end,
            col(Interaction.at) >= end - timedelta(days=CALL_DAYS),
        )
        .group_by(col(Interaction.account_id))
    ).all()
    schema = {"account_id": pl.Int64, "call_sentiment_14d": pl.Float64}
    return pl.DataFrame([tuple(row) for row in rows], schema=schema, orient="row")


def _milestones(session: Session, as_of: date) -> pl.DataFrame:
    # What was met on the first day that anybody watched had been met before, nobody knows when.
    watched = select(func.min(MilestoneMet.met_on)).scalar_subquery()
    recent = col(MilestoneMet.met_on) > as_of - timedelta(days=MILESTONE_DAYS)
    met = (col(MilestoneMet.met_on) <= as_of, recent, col(MilestoneMet.met_on) > watched)
    rows = session.exec(
        select(MilestoneMet.account_id, func.max(MilestoneMet.met_on))
        .where(*met)
        .group_by(col(MilestoneMet.account_id))
    ).all()
    schema = {"account_id": pl.Int64, "days_since_milestone": pl.Float64}
    return pl.DataFrame([(key, float((as_of - on).days)) for key, on in rows], schema=schema, orient="row")


def _candidate(ctx: Context, session: Session, row: dict[str, Any], sheet: FactSheet, against: str) -> Candidate:
    account = session.get_one(Account, row["account_id"])
    found = [occasions()[name] for name in row["occasions"]]
    for one in found:
        feature = CATALOGUE.get(one.fact)
        value = row[one.fact]
        if value is not None:
            shown = feature.show(value) if feature else round(value, 2)
            label = feature.label if feature else LABELS[one.fact]
            sheet.add(account.name, label, shown, "text" if feature else "number", feature.source if feature else CLASS)
    contact = queries.best_contact(session, account.id or 0, templates()[REQUEST].roles)
    if contact is None or not contact.email:
        against = against or "nobody there can be written to"
    else:
        rules = ctx.governance
        needed = "required" in (rules.of_class(CLASS).consent, rules.channels.get("email"))
        against = against or refusal(standing(session, contact, "email", CLASS), needed) or ""
    words = tuple(_filled(one.words, row) for one in found)
    return Candidate(account.id or 0, account.name, contact.name if contact else "", words, against)


def _filled(words: str, row: dict[str, Any]) -> str:
    return words.format(**{name: row[name] for name in re.findall(r"{(\w+)", words)})


def _words(asked: tuple[Candidate, ...], total: tuple[int, int], limit: str) -> str:
    if limit:
        return f"Nobody should be asked for a testimonial now: {limit}."
    if not asked:
        return "Nobody should be asked for a testimonial now" + (
            f": of {plural(total[1], 'account')} with an occasion, each has something against it." if total[1] else "."
        )
    first = asked[0]
    verb = "account may" if total[0] == 1 else "accounts may"
    said = f"{total[0]:,} {verb} be asked for a testimonial now, first {first.account}: {'; '.join(first.because)}."
    return said + (f" {plural(total[1], 'account')} with an occasion should not be asked yet." if total[1] else "")
