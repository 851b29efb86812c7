"""Learn who grows from those that did, and let the model forecast only where it beats the rules."""

from dataclasses import dataclass

from sqlmodel import func, select

from scoring.churn.training import TooLittleDataError
from scoring.churn.trees import PARAMETERS
from scoring.expansion.opportunities import growth_scores
from scoring.expansion.propensity import HORIZON, Judged, fit_propensity, judge
from storage.models import ModelVersion
from tools.context import Context
from tools.facts import FactSheet, Result
from tools.forecasts import CHALLENGER, CHAMPION, GROWTH, RETIRED, champion
from tools.honesty import interval
from tools.opportunities import expansion_events
from tools.replay import newest_day
from tools.training import History, code_version, learning_history

LEAST_AUC = 0.55  # the low end of its interval: a forecast that is less sure to beat chance is no forecast


@dataclass(frozen=True)
class GrowthTraining(Result):
    """What a training run found; `judged` is None with too little history."""

    version: int | None = None
    adopted: bool = False
    judged: Judged | None = None


def train_growth(ctx: Context, history: History | None = None) -> GrowthTraining:
    """Train the model of growth; it forecasts if it beats chance and is not worse than the rules' score.

    Args:
        history: what `learning_history` returned, where it is there already.
    """
    known = history or learning_history(ctx)
    with ctx.session() as session:
        events = expansion_events(session)
    until = newest_day(ctx)
    rows = known.rows.with_columns(growth_scores(ctx.offers, known.rows).alias("_rule"))
    try:
        judged = judge(rows.drop("_rule"), events, until, rows["_rule"])
        model = fit_propensity(known.rows, events, until)
    except TooLittleDataError as error:
        return GrowthTraining(f"Growth is told by the rules: {error}.")
    refused = _refusal(judged)
    with ctx.session() as session:
        newest = session.exec(select(func.max(ModelVersion.number)).where(ModelVersion.kind == GROWTH)).one()
        before = champion(session, GROWTH)
        if before is not None:  # a model that lost to the rules does not go on forecasting
            before.state = RETIRED
            session.add(before)
        version = ModelVersion(
            kind=GROWTH,
            number=(newest or 0) + 1,
            state=CHALLENGER if refused else CHAMPION,
            trained_at=ctx.now(),
            data_from=known.rows["day"].min(),  # type: ignore[arg-type]
            data_until=until,
            code_version=code_version(),
            parameters=PARAMETERS,
            metrics=_metrics(judged),
            note=refused,
            model=model.to_text(),
        )
        session.add(version)
        session.commit()
        number = version.number
    text = _words(judged, refused, number)
    return GrowthTraining(text, _facts(judged, ctx, number), (), number, not refused, judged)


def _refusal(judged: Judged) -> str | None:
    if judged.model is None:
        return f"{judged.grown} of {judged.rows} forecasts could be judged: too few"
    if judged.model.low < LEAST_AUC:
        return f"it is not surely better than chance: AUC {interval(judged.model)}"
    if judged.rule is not None and judged.model.value < judged.rule.low:
        return f"the rules are better: AUC {interval(judged.rule)} against {interval(judged.model)}"
    return None


def _words(judged: Judged, refused: str | None, number: int) -> str:
    if refused:
        return f"Growth model {number} was trained and does not forecast: {refused}. The rules stand in."
    rule = f", the rules' score {interval(judged.rule)}" if judged.rule else ""
    return (
        f"Growth model {number} forecasts from now on: on later days than it knew, AUC {interval(judged.model)}{rule}; "
        f"it stated {judged.stated:.1%} on average, {judged.observed:.1%} grew within {HORIZON} days."
    )


def _metrics(judged: Judged) -> dict[str, object]:
    def shown(estimate: object) -> object:
        return vars(estimate) if estimate is not None else None

    return {
        "model": shown(judged.model), "rule": shown(judged.rule), "stated": judged.stated,
        "observed": judged.observed, "rows": judged.rows, "grown": judged.grown, "lost": judged.grown,
    }  # fmt: skip


def _facts(judged: Judged, ctx: Context, number: int) -> tuple:
    sheet = FactSheet(newest_day(ctx))
    for name, estimate in (("model", judged.model), ("rules", judged.rule)):
        for end in ("value", "low", "high"):
            sheet.add(f"growth, {name}", f"AUC, {end}", getattr(estimate, end, None), "score", f"growth model {number}")
    return tuple(sheet)
