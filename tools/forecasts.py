"""The churn model in use: reading it, storing each day's forecasts, going back to an earlier one."""

from datetime import date

import polars as pl
import structlog
from sqlmodel import Session, col, select

from scoring.churn.model import ChurnModel, ModelFileError
from scoring.expansion.propensity import chances
from storage.database import insert_frame
from storage.models import ModelVersion, Prediction
from tools.context import Context
from tools.errors import UserError

CHURN, GROWTH = "churn", "expansion"  # kinds of models
CHAMPION, CHALLENGER, RETIRED = "champion", "challenger", "retired"
FORECAST_DAYS = (30, 60, 90)
log = structlog.get_logger()


def champion(session: Session, kind: str = CHURN) -> ModelVersion | None:
    """Return the version that forecasts; None before a model was good enough."""
    mine = (ModelVersion.kind == kind, ModelVersion.state == CHAMPION)
    return session.exec(select(ModelVersion).where(*mine)).first()


def read_model(version: ModelVersion) -> ChurnModel:
    """Read a stored model.

    Raises:
        UserError: when it was changed or belongs to another version of Tend.
    """
    try:
        return ChurnModel.from_text(version.model)
    except ModelFileError as error:
        raise UserError(
            f"{version.kind.capitalize()} model {version.number}: {error} (`python -m bot train`)."
        ) from error


def store_forecasts(session: Session, table: pl.DataFrame, as_of: date) -> int:
    """Write a day's forecasts of every account, once. The caller commits.

    Days that the model was trained on get none: it knows how they ended. A model that cannot be read forecasts
    nothing, and everything else goes on with the rates of the health bands.

    Args:
        table: the day's features with measures.
    """
    version = champion(session)
    if version is None or as_of < version.data_until or table.is_empty():
        return 0
    try:
        model = read_model(version)
    except UserError as error:
        log.error("churn_model_unreadable", reason=str(error))
        return 0
    lost = 1 - model.survival(table, FORECAST_DAYS)
    frame = table.select("account_id", pl.lit(as_of).alias("day"), pl.lit(version.number).alias("model_version"))
    columns = (pl.Series(f"within_{d}", lost[:, k].round(6)) for k, d in enumerate(FORECAST_DAYS))
    frame = frame.with_columns(columns)
    insert_frame(session, Prediction, frame, unless=("day", "account_id"))
    return frame.height


def growth_chances(session: Session, table: pl.DataFrame) -> pl.DataFrame | None:
    """Return `account_id, chance` to grow within a quarter; None without a model that can be read."""
    version = champion(session, GROWTH)
    if version is None or table.is_empty():
        return None
    try:
        model = read_model(version)
    except UserError as error:
        log.error("growth_model_unreadable", reason=str(error))
        return None
    return table.select("account_id").with_columns(pl.Series("chance", chances(model, table)))


def model_versions(ctx: Context) -> list[ModelVersion]:
    """Return every version, the newest first."""
    with ctx.session() as session:
        mine = select(ModelVersion).where(ModelVersion.kind == CHURN)
        return list(session.exec(mine.order_by(col(ModelVersion.number).desc())))


def use_version(ctx: Context, number: int) -> str:
    """Let an earlier version forecast again, from the next scoring on. Returns what was done.

    Raises:
        UserError: there is no such version, or it cannot be read.
    """
    with ctx.session() as session:
        found = {v.number: v for v in session.exec(select(ModelVersion).where(ModelVersion.kind == CHURN))}
        if number not in found:
            known = ", ".join(map(str, sorted(found))) or "none"
            raise UserError(f"There is no churn model {number}. There are: {known}.")
        read_model(found[number])
        for version in found.values():
            if version.state == CHAMPION:
                version.state = RETIRED
        found[number].state = CHAMPION
        session.add_all(found.values())
        session.commit()
    return f"Churn model {number} forecasts from the next scoring on."
