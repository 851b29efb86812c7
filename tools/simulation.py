"""What another scorecard would change: today's bands, and the record of both over the last year."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import polars as pl

from scoring.honesty import Honesty
from scoring.scorecard import Scorecard
from storage.models import Account
from storage.queries import read_frame
from tools.context import Context
from tools.errors import UserError
from tools.facts import Fact, FactSheet, Result, plural
from tools.honesty import SOURCE, TOLD, add_record_facts, interval, records_of, too_few
from tools.refresh import Progress, no_progress
from tools.replay import replay, replay_days


@dataclass(frozen=True)
class Move:
    """One account that changes its band. `arr` a year in `currency`."""

    account_id: int
    name: str
    before: str | None
    after: str | None
    value_before: float | None
    value_after: float | None
    arr: float | None
    currency: str


@dataclass(frozen=True)
class SimulationResult(Result):
    """What a scorecard would change today, and the records of both.

    Args:
        moves: by revenue, the largest first.
        counts: bands before and after, and how many accounts move that way; the most frequent first.
        accounts: all that were scored.
    """

    candidate: str = ""
    current: str = ""
    as_of: date = date.min
    accounts: int = 0
    moves: tuple[Move, ...] = ()
    counts: tuple[tuple[str | None, str | None, int], ...] = ()
    before: Honesty | None = None
    after: Honesty | None = None


def simulate(
    ctx: Context, candidate: Scorecard, current: Scorecard | None = None, progress: Progress = no_progress
) -> SimulationResult:
    """Show what would change if `candidate` scored the accounts that `current` scores.

    Args:
        current: left out, the card of the candidate's id, or else the default one. Where it scores nobody now,
            all accounts are compared.
    """
    current = current or ctx.scorecards.cards.get(candidate.id) or ctx.scorecards.of(None)
    segments, days = _segments(ctx, current), replay_days(ctx)
    histories = replay(ctx, [current, candidate], days, progress, segments)
    if histories[0].is_empty():
        raise UserError(f"No account is scored with “{current.title}”, so there is nothing to compare.")
    before, after = records_of(ctx, [current, candidate], histories, days[-1])
    now = histories[0].filter(pl.col("day") == days[-1])
    moves = _moves(ctx, current, candidate, histories, days[-1])
    counts = Counter((move.before, move.after) for move in moves).most_common()
    return SimulationResult(
        text=_simulation_text(current, candidate, moves, now.height, before, after),
        facts=_simulation_facts(moves, now.height, days[-1], (before, after)),
        account_ids=tuple(move.account_id for move in moves),
        candidate=_title(current, candidate),
        current=current.title,
        as_of=days[-1],
        accounts=now.height,
        moves=moves,
        counts=tuple((was, is_, number) for (was, is_), number in counts),
        before=before,
        after=after,
    )


def _segments(ctx: Context, card: Scorecard) -> pl.Expr | None:
    """The accounts that a card scores now, over the feature table; None for all."""
    cards = ctx.scorecards
    if not cards.choice or card.id not in {used.id for used in cards.used}:
        return None
    own = pl.col("segment").replace_strict(dict(cards.choice), default=cards.default, return_dtype=pl.String)
    return own.fill_null(cards.default) == card.id


def _moves(
    ctx: Context, current: Scorecard, candidate: Scorecard, histories: Sequence[pl.DataFrame], today: date
) -> tuple[Move, ...]:
    """The accounts whose band changes; between cards of different bands, those whose colour does."""
    old, new = (history.filter(pl.col("day") == today).drop("day") for history in histories)
    with ctx.session() as session:
        accounts = read_frame(session, Account, ("id", "name", "mrr", "currency"))
    both = old.join(new, on="account_id", suffix="_after").join(accounts, left_on="account_id", right_on="id")
    looks = _looks(current, candidate)
    found = [
        Move(
            account_id=row["account_id"],
            name=row["name"],
            before=row["band"],
            after=row["band_after"],
            value_before=row["value"],
            value_after=row["value_after"],
            arr=None if row["mrr"] is None else row["mrr"] * 12,
            currency=row["currency"],
        )
        for row in both.iter_rows(named=True)
        if looks[0].get(row["band"]) != looks[1].get(row["band_after"])
    ]
    return tuple(sorted(found, key=lambda move: (-(move.arr or 0), move.name)))


def _title(current: Scorecard, candidate: Scorecard) -> str:
    """A changed copy often keeps the title."""
    return f"{candidate.title}, changed" if candidate.title == current.title else candidate.title


def _looks(current: Scorecard, candidate: Scorecard) -> tuple[dict[str, str], dict[str, str]]:
    same = [band.name for band in current.bands] == [band.name for band in candidate.bands]
    one, two = ({b.name: b.name if same else b.colour for b in card.bands} for card in (current, candidate))
    return one, two


def _simulation_text(
    current: Scorecard, candidate: Scorecard, moves: Sequence[Move], accounts: int, before: Honesty, after: Honesty
) -> str:
    kind = "band" if _looks(current, candidate)[0] == {b.name: b.name for b in current.bands} else "colour"
    changed = (
        f"{len(moves):,} of {plural(accounts, 'account')} would change {kind} with “{_title(current, candidate)}”."
    )
    if before.too_few or after.too_few:
        return f"{changed} {too_few(before if before.too_few else after)}"
    was, now = (next(b for b in record.before if b.days == TOLD) for record in (before, after))
    green = f"Green {TOLD} days before leaving: {was.green} of {was.left} now, {now.green} with it."
    return f"{changed} AUC {interval(before.auc)} now, {interval(after.auc)} with it. {green}"


def _simulation_facts(
    moves: Sequence[Move], accounts: int, as_of: date, records: Sequence[Honesty]
) -> tuple[Fact, ...]:
    sheet = FactSheet(as_of)
    sheet.add("portfolio", "accounts that would change band", len(moves), "accounts", SOURCE)
    sheet.add("portfolio", "accounts compared", accounts, "accounts", SOURCE)
    for move in moves:
        sheet.add(move.name, "health now", move.value_before, "points", SOURCE)
        sheet.add(move.name, "health with the other scorecard", move.value_after, "points", SOURCE)
        sheet.add(move.name, "ARR", move.arr, move.currency, "account")
    for record, when in zip(records, ("now", "with the other scorecard"), strict=True):
        add_record_facts(sheet, record, f" {when}")
    return tuple(sheet)
