"""Case studies: which customers are worth writing about, and a first text from an account's own numbers."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import polars as pl
from sqlmodel import Session, col, select

from knowledge.documents import Library
from storage.models import Account, Contact, Goal, PlayRun, Role, RunState, Testimonial
from tools.account_query import scored_day
from tools.context import Context
from tools.drafts import message_facts, quoted
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Listing, Result, day, plural
from tools.names import resolve_account
from tools.play_facts import play_table
from tools.testimonial_records import APPROVED

# How much each part counts for the rank; a part that is not known counts as nothing.
WEIGHTS = {"outcome": 0.35, "health": 0.2, "nps": 0.15, "relationship": 0.15, "gap": 0.15}
FULL_RETURN, FULL_GAIN = 300.0, 0.5  # a measured return of 300 %, half the work saved: more does not count more
SHOWN = 20
FEWEST_RESULTS = 2
SOURCE = "case_study"
UNPUBLISHED = "Not published. Nothing of it may be shown outside before the customer has approved it in writing."


@dataclass(frozen=True)
class CaseStudyDraft(Result):
    """The text of an unpublished case study in Markdown; every figure of it is among the facts."""

    account: str = ""
    markdown: str = ""


def case_study_candidates(ctx: Context) -> Listing:
    """Rank the customers by what a case study about them would be worth: outcome, health, NPS, relationship, gap."""
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        table = play_table(ctx, session, as_of).filter(pl.col("status") == "active")
        told = Counter(case.industry for case in ctx.library().cases.values() if not case.sample)
        ranked = table.with_columns(**_parts(told)).with_columns(_score().alias("worth"))
        ranked = ranked.filter(pl.col("outcome") > 0).sort("worth", descending=True).head(SHOWN)
        names = dict(session.exec(select(Account.id, Account.name)).all())
    sheet = FactSheet(as_of)
    rows = []
    for row in ranked.to_dicts():
        name = names[row["account_id"]]
        sheet.add(name, "worth of a case study", round(row["worth"] * 100), "points", SOURCE)
        sheet.add(name, "measured return", row["roi_percent"], "percent", "goal")
        sheet.add(name, "health score", row["health"], "points", "snapshot")
        sheet.add(name, "latest NPS answer", row["nps"], "points", "survey_response")
        shown = tuple(f"{row[part]:.0%}" for part in WEIGHTS)
        rows.append((name, (row["worth"] * 100, f"{row['worth'] * 100:.0f}"), *shown, row["industry"]))
    text = (
        f"{plural(len(rows), 'customer')} have an outcome to tell of" if rows else "No customer has a measured outcome"
    )
    text += f", first {rows[0][0]}." if rows else " yet: goals with a baseline and a current value are missing."
    head = ("Account", "Worth", *(part.capitalize() for part in WEIGHTS), "Industry")
    note = "Worth 0 to 100; its parts are shares of their most. The gap is how few published stories the industry has."
    ids = tuple(ranked["account_id"].to_list())
    return Listing(text, tuple(sheet), ids, "Case-study candidates", head, tuple(rows), len(rows), note)


def _parts(told: Counter[str]) -> dict[str, pl.Expr]:
    """Each part of the worth as a share of its most, 0 to 1."""
    known = [pl.when(pl.col("industry") == name).then(pl.lit(1 / (1 + count))) for name, count in told.items()]
    gain = (pl.col("roi_percent") / FULL_RETURN, pl.col("efficiency_gain") / FULL_GAIN, pl.col("goal_attainment") / 2)
    there = ("champion_present", "sponsor_present", "reply_rate_90d")
    return {
        "outcome": pl.max_horizontal(*gain).clip(0, 1).fill_null(0.0),
        "health": (pl.col("health") / 100).fill_null(0.0).alias("health_share"),
        "nps": (pl.col("nps") / 10).clip(0, 1).fill_null(0.0).alias("nps_share"),
        "relationship": pl.mean_horizontal(*(pl.col(name).cast(pl.Float64).fill_null(0.0) for name in there)),
        "gap": pl.coalesce(*known, pl.lit(1.0)),
    }


def _score() -> pl.Expr:
    return pl.sum_horizontal(*(pl.col(part) * weight for part, weight in WEIGHTS.items()))


def draft_case_study(ctx: Context, account: str) -> CaseStudyDraft:
    """Write a first text about a customer: situation, action, result; a quote only where a real one is approved.

    Raises:
        UserError: too few results are measured.
    """
    ctx.require(Role.CSM)
    with ctx.session() as session:
        as_of = scored_day(ctx, session)
        found = resolve_account(session, account, as_of)
        facts = message_facts(ctx, session, found, as_of)
        sheet = FactSheet(as_of)
        goals = session.exec(select(Goal).where(Goal.account_id == found.id).order_by(col(Goal.stated_on))).all()
        results = _results(sheet, found, facts, goals)
        if len(results) < FEWEST_RESULTS:
            raise UserError(
                f"I know too little of what {found.name} reached: {plural(len(results), 'result')}. Import goals with "
                "baseline, target and current value, and their return."
            )
        parts = [
            f"# {found.name}\n\n> {UNPUBLISHED}",
            "## Challenge\n\n" + " ".join(_situation(sheet, found, goals)),
            "## Action\n\n" + " ".join(_action(ctx.library(), session, sheet, found, facts)),
            "## Result\n\n" + "\n".join(f"- {one}" for one in results),
        ]
        parts += _quote(session, sheet, found)
    text = f"A first text for a case study of {found.name}, with {plural(len(results), 'result')}. {UNPUBLISHED}"
    return CaseStudyDraft(text, tuple(sheet), (found.id or 0,), found.name, "\n\n".join(parts) + "\n")


def _situation(sheet: FactSheet, account: Account, goals: Any) -> list[str]:
    _note(sheet, account, "customer since", day(account.started_on), "account")
    said = [f"{account.name} has been a customer since {day(account.started_on)}."]
    for goal in goals:
        aim = quoted(goal.objective)
        _note(sheet, account, "goal", aim, "goal", "customer")
        said.append(f"They wanted to reach: “{aim}”.")
        if goal.baseline is not None and goal.target is not None:
            unit = f" {goal.unit}" if goal.unit else ""
            span = f"from {goal.baseline:g} to {goal.target:g}{unit}"
            _note(sheet, account, f"planned for “{aim}”", span, "goal")
            said.append(f"In figures: {span}.")
    return said


def _action(library: Library, session: Session, sheet: FactSheet, account: Account, facts: dict[str, Any]) -> list[str]:
    said = []
    for name, words in (
        ("core_feature_share", "They use {} of the core features."),
        ("active_days_per_week", "Their team works with it on {} days a week."),
    ):
        if facts[name] is not None:
            shown = f"{facts[name]:.0%}" if name.endswith("share") else f"{facts[name]:.1f}"
            _note(sheet, account, name.replace("_", " "), shown, "usage")
            said.append(words.format(shown))
    ended = (PlayRun.account_id == account.id, col(PlayRun.state) == RunState.FINISHED)
    for play in session.exec(select(PlayRun.play).where(*ended).distinct()).all():
        title = library.plays[play].title if play in library.plays else play.replace("_", " ")
        _note(sheet, account, "play that ended", title, "play_run")
        said.append(f"Together we went through: {title}.")
    return said or ["What was done has still to be told by the people who did it."]


def _results(sheet: FactSheet, account: Account, facts: dict[str, Any], goals: Any) -> list[str]:
    said = []
    for goal in goals:
        if goal.baseline is None or goal.current is None:
            continue
        span = f"from {goal.baseline:g} to {goal.current:g}" + (f" {goal.unit}" if goal.unit else "")
        _note(sheet, account, f"reached of “{quoted(goal.objective)}”", span, "goal")
        said.append(f"“{quoted(goal.objective)}”: {span}.")
    if facts["roi_percent"] is not None:
        shown = f"{facts['roi_percent']:.0f}%"
        _note(sheet, account, "measured return", shown, "goal")
        said.append(f"Measured against what they pay, the return is {shown}.")
    if facts["efficiency_gain"] is not None:
        shown = f"{facts['efficiency_gain']:.0%}"
        _note(sheet, account, "efficiency gained", shown, "goal")
        said.append(f"Efficiency gained: {shown}.")
    return said


def _quote(session: Session, sheet: FactSheet, account: Account) -> list[str]:
    """The newest quote that the customer allowed with its name and that was approved; nothing is made up."""
    usable = (
        Testimonial.account_id == account.id,
        Testimonial.state == APPROVED,
        col(Testimonial.may_use_quote),
        col(Testimonial.may_use_name),
    )
    joined = select(Testimonial, Contact.name).join(Contact, col(Contact.id) == col(Testimonial.contact_id))
    found = session.exec(joined.where(*usable).order_by(col(Testimonial.given_at).desc())).first()
    if found is None:
        return []
    row, name = found
    sheet.facts.append(
        Fact(account.name, f"quote of {name}", row.quote, "text", sheet.as_of, "testimonial", "customer")
    )
    return [f"## Quote\n\n“{row.quote}”\n{name}, {account.name}"]


def _note(sheet: FactSheet, account: Account, measure: str, value: str, source: str, author: str = "") -> None:
    sheet.add(account.name, measure, value, "text", source, author)
