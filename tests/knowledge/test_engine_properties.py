"""Whatever the plays and whatever happens: customers are not flooded, runs end, and decisions follow from the input."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.kinds import Play
from knowledge.play_intents import HELD_OUT, RANKS, STARTS, TOUCHES, Decisions, History, Limits, Run
from knowledge.play_times import reaches
from knowledge.plays import decide, eligible
from tests.knowledge.play_worlds import NOW, accounts, email, play, signals, task

LIMITS = Limits()
DAY = timedelta(days=1)
DELAYS = st.lists(st.sampled_from([0, 2, 24, 30, 48, 72, 120]), min_size=1, max_size=4).map(sorted)
STEPS = DELAYS.flatmap(
    lambda hours: st.tuples(*(st.sampled_from([email, task]) for _ in hours)).map(
        lambda kinds: [kind(f"s{n}", f"{h}h") for n, (kind, h) in enumerate(zip(kinds, hours, strict=True))]
    )
)
PLAYS = st.lists(
    st.builds(
        lambda urgency, steps, days, holdout, goal: {
            "urgency": urgency, "steps": steps, "goal_within_days": days, "holdout": holdout, "cool_down_days": 200,
            "goal": goal,
        },
        st.sampled_from(list(RANKS)), STEPS, st.integers(1, 10), st.sampled_from([0.0, 0.5]),
        st.sampled_from(["health >= 80", None]),
    ),
    min_size=2, max_size=4,
).map(lambda made: [play(f"p{n}", **one) for n, one in enumerate(made)])  # fmt: skip
HAPPENINGS = st.dictionaries(
    st.integers(0, 60),
    st.sampled_from([{"health": 85.0}, {"status": "churned"}, {"health": 40.0}, {"opted_out_on": NOW.date()}]),
    max_size=3,
)


@dataclass
class World:
    """Does what is decided, as the database would."""

    runs: list[Run] = field(default_factory=list)
    starts: list[tuple[Any, ...]] = field(default_factory=list)
    touches: list[tuple[Any, ...]] = field(default_factory=list)
    ended: list[int] = field(default_factory=list)

    def step(self, plays: list[Play], table: pl.DataFrame, now: datetime) -> Decisions:
        found = decide_on(self, plays, table, now)
        for stop in found.stops:
            self.ended.append(stop.run)
        self.runs = [run for run in self.runs if run.id not in self.ended]
        for intent in found.skips:
            self._change(intent.run, skipped=intent.step)
        for do in found.steps:
            self._change(do.run, done=do.step, now=now)
        for start in found.starts:
            of = next(p for p in plays if p.id == start.play)
            state = HELD_OUT if start.variant == HELD_OUT else "running"
            self.starts.append((start.account_id, start.play, now.replace(tzinfo=None)))
            self.runs.append(Run(len(self.starts), start.account_id, of, state, now, start.variant))
        return found

    def _change(self, number: int, done: str = "", skipped: str = "", now: datetime = NOW) -> None:
        at = next(n for n, run in enumerate(self.runs) if run.id == number)
        run = self.runs[at]
        step = next(step for step in run.play.steps if step.id == (done or skipped))
        if skipped:
            self.runs[at] = replace(run, skipped=run.skipped | {skipped})
            return
        assert done not in run.done
        self.runs[at] = replace(run, done={**run.done, done: now})
        if reaches(step):
            self.touches.append((run.account_id, run.play.id, now.replace(tzinfo=None)))


def decide_on(world: World, plays: list[Play], table: pl.DataFrame, now: datetime) -> Decisions:
    past = History(
        pl.DataFrame(world.starts, schema=STARTS, orient="row"),
        pl.DataFrame(world.touches, schema=TOUCHES, orient="row"),
    )
    found = eligible(plays, table, signals())
    return decide({p.id: p for p in plays}, found, world.runs, table, past, now, LIMITS)


@settings(max_examples=12)
@given(PLAYS, HAPPENINGS)
def test_no_account_hears_from_two_plays_inside_the_limit_and_every_run_ends(
    plays: list[Play], happenings: dict[int, dict[str, Any]]
) -> None:
    world, states = World(), [{}, {}, {"time_zone": "Asia/Tokyo"}]
    for hours in range(0, 55 * 24, 10):
        states[0] = states[0] | (happenings.get(hours // 24, {}))
        world.step(plays, accounts(*states), NOW + timedelta(hours=hours))
    assert world.starts
    for account, by, at in world.touches:
        for other, by_other, later in world.touches:
            if account == other and by != by_other:
                assert abs(later - at) >= LIMITS.between_plays
    assert not world.runs  # all of them began early enough to be over by now
    assert len(set(world.ended)) == len(world.starts)


@settings(max_examples=15)
@given(PLAYS, st.randoms(use_true_random=False))
def test_the_same_input_in_another_order_gives_the_same_decisions(plays: list[Play], chance: Any) -> None:
    world, table = World(), accounts({}, {}, {"arr": 5.0}, {"owner": None})
    for hours in range(0, 96, 12):
        world.step(plays, table, NOW + timedelta(hours=hours))
    now = NOW + 4 * DAY
    mixed = replace_order(world, chance)
    one = decide_on(world, plays, table, now)
    other = decide_on(mixed, chance.sample(plays, len(plays)), table.sample(fraction=1, shuffle=True, seed=3), now)
    for name in ("starts", "steps", "skips", "stops", "goals"):
        assert set(getattr(one, name)) == set(getattr(other, name))
    assert set(one.holds.iter_rows()) == set(other.holds.iter_rows())


def replace_order(world: World, chance: Any) -> World:
    return replace(
        world,
        runs=chance.sample(world.runs, len(world.runs)),
        starts=chance.sample(world.starts, len(world.starts)),
        touches=chance.sample(world.touches, len(world.touches)),
    )
