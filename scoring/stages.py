"""Where each account stands in the lifecycle: moves by rule, each with its reason, none without one."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from scoring.journeys import COLUMNS, Journeys, StageRule, prepared

STAGED = {
    "account_id": pl.Int64, "before": pl.String, "stage": pl.String, "how": pl.String, "because": pl.String,
}  # fmt: skip
# How an account came into a stage: never seen before, gone on, passed on the way to a later one, fallen back, left the
# way, returned to it.
FIRST, FORWARD, PASSED, BACK, ASIDE, RETURNED = "first", "forward", "passed", "back", "aside", "returned"
STAYS = "stays"
DIGITS = 4  # of a number in the evidence


@dataclass(frozen=True)
class _Move:
    """Accounts that stand before one and the same move: which, where to, and the rule behind it."""

    who: pl.Expr
    to: str
    how: str
    rule: str
    says: str


def stage_of(journeys: Journeys, table: pl.DataFrame, before: pl.DataFrame) -> pl.DataFrame:
    """Say in which stage each account is, and why.

    An account leaves the way (`aside`) before it falls back, and falls back before it goes on. It goes on when its
    stage's `exit` holds, to the furthest later stage whose `enter` holds. It falls back, or returns to the way, only
    while the rule by which it came no longer holds, so it never goes to and fro on the same data. What is not known
    meets no rule: an account without data stays.

    Args:
        table: the feature table of a day, one row per account, with `COLUMNS` as far as they are known.
        before: `account_id, stage`: where accounts were.

    Returns:
        `account_id, before, stage, how, because`, one row per account that has a stage; `because` is a JSON object
        of the rule, what it says and the features that it rests on; null for those who stay.
    """
    known = before.select(pl.col("account_id").cast(pl.Int64), pl.col("stage").alias("before"))
    rows = prepared(table).join(known, on="account_id", how="left", maintain_order="left")
    moves = list(_moves(journeys, [stage.name for stage in journeys.lifecycle.stages]))
    chosen = pl.coalesce(pl.when(move.who).then(pl.lit(n)) for n, move in enumerate(moves))
    placed = rows.lazy().with_columns(chosen.alias("move")).collect()  # lazily, a rule is evaluated once for all moves
    stays = placed.filter(pl.col("move").is_null() & pl.col("before").is_not_null())
    parts = [_stay(stays)]
    for (number,), group in placed.filter(pl.col("move").is_not_null()).group_by("move"):
        parts.append(_moved(journeys, group, moves[int(number)]))
    return pl.concat(parts).sort("account_id")


def passed(journeys: Journeys, table: pl.DataFrame, staged: pl.DataFrame) -> pl.DataFrame:
    """Name the stages that accounts passed on their way to a later one, with the reason.

    Args:
        table, staged: what `stage_of` was given, and what it found.

    Returns:
        `account_id, before, stage, how, because` as in `stage_of`, `how` being `passed`, in the order of the stages.
    """
    way = [stage for stage in journeys.lifecycle.stages if not stage.aside]
    place = {stage.name: n for n, stage in enumerate(way)}
    order = pl.col("before", "stage").replace_strict(place, default=None, return_dtype=pl.Int64)
    gone = staged.filter(pl.col("how") == FORWARD).with_columns(order.name.suffix("_place"))
    if gone.select((pl.col("stage_place") - pl.col("before_place") > 1).any()).item() is not True:
        return pl.DataFrame(schema=STAGED)
    rows = prepared(table).join(gone, on="account_id")
    parts = [_passing(journeys, rows, stage, place[stage.name]) for stage in way]
    return pl.concat(parts)


def _moves(journeys: Journeys, names: list[str]) -> Iterator[_Move]:
    """Every move that there is, in the order in which they are tried."""
    stages = journeys.lifecycle.stages
    at, new = pl.col("before"), pl.col("before").is_null() | ~pl.col("before").is_in(names)
    off = at.is_in([stage.name for stage in stages if stage.aside])
    for stage in stages:
        if stage.aside:
            yield _Move(~off.fill_null(False) & ~new & journeys.holds(stage.enter), stage.name, ASIDE, stage.enter,
                        stage.means)  # fmt: skip
            yield _Move(new & journeys.holds(stage.enter), stage.name, FIRST, stage.enter, stage.means)
    for stage in stages:
        if stage.back and stage.back_when and stage.back_says:
            here = (at == stage.name) & journeys.holds(stage.back_when) & ~journeys.holds(stage.enter)
            yield _Move(here, stage.back, BACK, stage.back_when, stage.back_says)
    ready = _ready(journeys)
    away = pl.any_horizontal(pl.lit(False), *(journeys.holds(stage.enter) for stage in stages if stage.aside))
    for place in range(len(stages) - 1, -1, -1):
        stage = stages[place]
        if not stage.aside:
            enters = journeys.holds(stage.enter)
            earlier = [each.name for each in stages[:place] if not each.aside]
            yield _Move(at.is_in(earlier) & ready & enters, stage.name, FORWARD, stage.enter, stage.means)
            yield _Move(off.fill_null(False) & ready & ~away & enters, stage.name, RETURNED, stage.enter, stage.means)
            yield _Move(new & enters, stage.name, FIRST, stage.enter, stage.means)


def _ready(journeys: Journeys) -> pl.Expr:
    """Whether the exit rule of the stage in which an account is holds."""
    stages = journeys.lifecycle.stages
    exits = [(pl.col("before") == stage.name) & journeys.holds(stage.exit) for stage in stages if stage.exit]
    return pl.any_horizontal(exits).fill_null(False)


def _stay(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.select(
        "account_id", "before", pl.col("before").alias("stage"), pl.lit(STAYS).alias("how"),
        pl.lit(None, pl.String).alias("because"),
    )  # fmt: skip


def _moved(journeys: Journeys, rows: pl.DataFrame, move: _Move) -> pl.DataFrame:
    return rows.select(
        "account_id", "before", pl.lit(move.to).alias("stage"), pl.lit(move.how).alias("how"),
        _because(journeys, move.rule, move.says).alias("because"),
    )  # fmt: skip


def _passing(journeys: Journeys, rows: pl.DataFrame, stage: StageRule, place: int) -> pl.DataFrame:
    """Accounts that went from a stage before this one to a stage behind it."""
    over = rows.filter((pl.col("before_place") < place) & (pl.col("stage_place") > place))
    enters = journeys.holds(stage.enter)
    later = pl.col("because").str.json_path_match("$.rule")
    parts = [
        (enters, _because(journeys, stage.enter, "passed at once: the rule of a later stage holds too")),
        (~enters, _because(journeys, stage.enter, "passed without its own rule: that of a later stage holds", later)),
    ]
    return pl.concat(
        over.filter(those).select(
            "account_id", "before", pl.lit(stage.name).alias("stage"), pl.lit(PASSED).alias("how"),
            why.alias("because"),
        )
        for those, why in parts
    )  # fmt: skip


def _because(journeys: Journeys, rule: str, says: str, later: pl.Expr | None = None) -> pl.Expr:
    """The reason as JSON: the rule, its words, and the features that it reads with their values."""
    names = journeys.reads[rule]
    values = [pl.col(n).round(DIGITS) if COLUMNS[n] == pl.Float64 else pl.col(n) for n in names]
    extra = [] if later is None else [later.alias("later_rule")]
    return pl.struct(
        pl.lit(rule).alias("rule"), pl.lit(says).alias("says"), *extra, pl.struct(values).alias("features")
    ).struct.json_encode()
