"""The scorecards of a workspace: which there are, which scores whom, choosing one, and trying other weights."""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sqlmodel import col, select

from scoring.scorecard import Scorecard, ScorecardError, load_scorecard
from storage import queries
from storage.models import Account, Audit, Role, Workspace
from tools.context import Context
from tools.errors import UserError
from tools.facts import Result
from tools.refresh import BACKFILL, Progress, no_progress, score_day

EVERYBODY = "*"  # the key of the default in a workspace's choice


@dataclass(frozen=True)
class ScorecardLine:
    """One scorecard; `segments` that it scores now, `*` for all that have no other."""

    id: str
    title: str
    version: int
    indicators: int
    factors: tuple[tuple[str, float], ...]
    segments: tuple[str, ...]


@dataclass(frozen=True)
class ScorecardList(Result):
    """Every scorecard, those in use first."""

    lines: tuple[ScorecardLine, ...] = ()


def list_scorecards(ctx: Context) -> ScorecardList:
    """List the scorecards, and which segment uses which."""
    cards = ctx.scorecards
    used = {card.id: _segments_of(ctx, card.id) for card in cards.cards.values()}
    lines = sorted((_line(card, used[card.id]) for card in cards.cards.values()), key=lambda c: (not c.segments, c.id))
    own = ", ".join(f"{segment}: {name}" for segment, name in cards.choice.items())
    return ScorecardList(f"{cards.default} scores every segment" + (f" but {own}." if own else "."), lines=tuple(lines))


def use_scorecard(ctx: Context, scorecard: str, segment: str | None = None) -> str:
    """Let a scorecard score a segment, or every segment without its own. Returns what was done, in words.

    Args:
        scorecard: its id.
        segment: left out, it becomes the default.

    Raises:
        UserError: for an unknown id or segment, with the nearest one.
        NotAllowedError: for anybody but admins.
    """
    ctx.require(Role.ADMIN)
    card = card_of_id(ctx, scorecard)
    if segment is not None:
        segment = _known("segment", segment, _segments(ctx))
    key = segment or EVERYBODY
    with ctx.session() as session:
        workspace = session.get_one(Workspace, ctx.workspace_id)
        before = dict(workspace.scorecards or {})
        workspace.scorecards = {**before, key: card.id}
        made = Audit(at=ctx.now(), actor=ctx.actor.email, action="scorecard.chosen", subject=f"segment:{key}")
        made.before, made.after = before, workspace.scorecards
        session.add(made)
        session.add(workspace)
        session.commit()
    return f"“{card.title}” ({card.id}) now scores {f'the segment {segment}' if segment else 'every other segment'}."


def score_with_choice(ctx: Context, progress: Progress = no_progress) -> int:
    """Score the days that trends and loss rates need with scorecards that were not in use on them.

    What is stored stays; without this, lists would have no score and trends no past until the next days.

    Args:
        ctx: made after the choice.

    Returns:
        How many days were scored.
    """
    with ctx.session() as session:
        newest = queries.scored_day(session, ctx.today())
        first = session.exec(select(col(Account.started_on)).order_by(col(Account.started_on))).first()
    if newest is None or first is None:
        return 0
    days = [day for back in BACKFILL if (day := newest - timedelta(days=back)) >= first + timedelta(days=28)]
    usage = ctx.usage.table(ctx.workspace_id, in_memory=True)
    for done, day in enumerate([*days, newest]):
        score_day(ctx, usage, day)
        progress(done + 1, len(days) + 1)
    return len(days) + 1


def card_of_id(ctx: Context, scorecard: str) -> Scorecard:
    """Return a scorecard by its id.

    Raises:
        UserError: when there is none; with the nearest id.
    """
    return ctx.scorecards.cards[_known("scorecard", scorecard, ctx.scorecards.cards)]


def read_candidate(file: Path) -> Scorecard:
    """Read a scorecard file that is not in use.

    Raises:
        UserError: when it is not there or has a mistake; with line and reason.
    """
    try:
        return load_scorecard(file)
    except OSError as error:
        raise UserError(f"I cannot read {file}: {error.strerror}.") from error
    except (ScorecardError, UnicodeDecodeError) as error:
        raise UserError(f"The scorecard cannot be used: {error}") from error


def reweighted(card: Scorecard, weights: Mapping[str, float]) -> Scorecard:
    """Return a card with other weights of some factors; everything else stays.

    Args:
        weights: points of 100 by the factor's name, in any case.

    Raises:
        UserError: for an unknown factor, with the nearest; for weights that do not sum to 100, with all of them.
    """
    names = {factor.name.lower(): factor.name for factor in card.factors}
    given = {names[_known("factor", name.lower(), names)]: weight for name, weight in weights.items()}
    all_weights = {factor.name: given.get(factor.name, factor.weight) for factor in card.factors}
    _check(all_weights)
    # Not `model_copy`: it keeps what the card has worked out from its old weights.
    changed = card.model_dump(by_alias=True)
    for factor in changed["factors"]:
        factor["weight"] = all_weights[factor["name"]]
    changed["title"] = f"{card.title}, changed" if given else card.title
    return Scorecard.model_validate(changed)


def _check(weights: Mapping[str, float]) -> None:
    if wrong := next((name for name, weight in weights.items() if not 0 < weight <= 100), None):
        raise UserError(f"The weight of “{wrong}” must lie above 0 and not above 100.")
    total = sum(weights.values())
    if abs(total - 100) > 1e-9:
        shown = ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
        raise UserError(f"The weights must sum to 100; these sum to {total:g}: {shown}.")


def _known(what: str, name: str, known: Iterable[str]) -> str:
    names = list(known)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, 1, 0.4)
    hint = f"did you mean “{near[0]}”?" if near else f"there are: {', '.join(names) or 'none'}."
    raise UserError(f"I know no {what} “{name[:80]}”; {hint}")


def _segments(ctx: Context) -> list[str]:
    with ctx.session() as session:
        found = session.exec(select(col(Account.segment)).distinct().order_by(col(Account.segment))).all()
    return [segment for segment in found if segment]


def _segments_of(ctx: Context, scorecard: str) -> tuple[str, ...]:
    own = [segment for segment, name in ctx.scorecards.choice.items() if name == scorecard]
    return (*([EVERYBODY] if ctx.scorecards.default == scorecard else []), *own)


def _line(card: Scorecard, segments: tuple[str, ...]) -> ScorecardLine:
    factors = tuple((factor.name, factor.weight) for factor in card.factors)
    return ScorecardLine(card.id, card.title, card.version, len(card.indicators), factors, segments)
