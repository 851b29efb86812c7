"""How much the demo's accounts use the product: daily measures, and the adoption of each feature."""

import numpy as np
import polars as pl

from storage.demo.latent import ADOPTION, Latent
from storage.demo.log import SINCE
from storage.demo.portfolio import PLANS, Portfolio
from storage.demo.span import Span, texts

CORE, ADVANCED = 8, 12


class Use:
    """Daily use, `days` x `accounts`, and uses of each feature, `days` x `accounts` x `features`."""

    def __init__(self, span: Span, who: Portfolio, latent: Latent) -> None:
        rng = span.rng("use")
        self.span, self.who, self.latent = span, who, latent
        age = np.arange(span.days)[:, None] - who.start
        self.adoption = latent.state[..., ADOPTION] * (1 - np.exp(-(np.maximum(age, 0) + 6) / 9))
        self.depth = self.adoption * np.sqrt(latent.leaving)
        self.available = self._available()
        self.active = self._active_users(rng)
        self.uses = self._feature_uses(rng)
        self.frame = self._frame(rng)

    def _active_users(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the people active each day: seats x adoption x weekday, on days when anybody works."""
        will = self.adoption * self.latent.leaving
        consumer = self.who.segment == "consumer"
        busy = np.where(consumer, 0.9, self.span.business()[:, None])
        somebody = rng.random(will.shape) < np.clip(will / 0.74, 0.04, 1)
        people = rng.binomial(self.latent.seats, np.clip(0.8 * will * busy, 0.005, 0.95))
        return np.where(self.latent.live & somebody, people, 0)

    def _feature_uses(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the uses of each feature: adopted while the depth of use exceeds the feature's threshold."""
        core = np.linspace(0.28, 0.75, CORE)
        advanced = np.linspace(0.34, 1.12, ADVANCED)
        threshold = np.concatenate([core, advanced]) + rng.normal(0, 0.06, (self.who.size, CORE + ADVANCED))
        adopted = self.depth[..., None] > threshold
        rate = np.concatenate([np.full(CORE, 0.5), np.full(ADVANCED, 0.16)])
        expected = np.minimum(self.active[..., None] * rate, 40) * adopted * self.available
        return rng.poisson(expected).astype(np.uint16)

    def _available(self) -> np.ndarray:
        """Say which features each account's plan holds, by day; trials hold those of professional."""
        lowest = [PLANS.index(p) for p in texts("names")["features"]["advanced_plans"]]
        needed = np.array([0] * CORE + lowest)
        plan = np.where(self.latent.plan == 0, 2, self.latent.plan)
        return plan[..., None] >= needed

    def _frame(self, rng: np.random.Generator) -> pl.DataFrame:
        """Lay the days with any use out as rows of the import format."""
        day, account = np.nonzero(self.active)
        active, will = self.active[day, account], self.adoption[day, account]
        sessions = active + rng.poisson(active * 1.1 * will)
        length = 3 + 39 * will * np.sqrt(self.latent.leaving[day, account])
        uses = self.uses[day, account]
        frame = pl.DataFrame(
            {
                "account": self.who.ids[account],
                "day": self.span.dates(day),
                "active_users": active,
                "sessions": sessions,
                "minutes": np.round(sessions * length * rng.lognormal(0, 0.18, len(day)), 1),
                "key_events": rng.poisson(sessions * (1 + 3 * will)),
                "api_calls": self._api_calls(rng, day, account, active),
                "storage_gb": self._storage()[day, account],
                "conversations": rng.poisson(active * 6 * will),
                "features_used": (uses > 0).sum(axis=1),
                "core_features_used": (uses[:, :CORE] > 0).sum(axis=1),
                **{name: uses[:, place] for place, name in enumerate(_feature_names())},
                SINCE: day,
            }
        )
        return frame.with_columns(pl.col(SINCE).cast(pl.Int32))

    def _api_calls(
        self, rng: np.random.Generator, day: np.ndarray, account: np.ndarray, active: np.ndarray
    ) -> np.ndarray:
        heavy = rng.gamma(0.8, 30, self.who.size) * (self.who.plan >= 2)
        return rng.poisson(active * heavy[account] * self.depth[day, account])

    def _storage(self) -> np.ndarray:
        """Grow storage with use; it does not shrink."""
        before = np.maximum(-self.who.start, 0) * 0.35 * self.who.seats
        return np.round(0.2 + 0.004 * (np.cumsum(self.active, axis=0) + before), 2)

    def rows_until(self, day: int) -> pl.DataFrame:
        """Return the account-days up to a day."""
        return self.frame.filter(pl.col(SINCE) <= day).drop(SINCE)

    def rows_on(self, day: int) -> pl.DataFrame:
        """Return the account-days of one day."""
        return self.frame.filter(pl.col(SINCE) == day).drop(SINCE)

    def features_until(self, day: int) -> pl.DataFrame:
        """Return each account's features as known at the end of a day, the never used ones included."""
        known = np.repeat((self.who.start <= day)[:, None], CORE + ADVANCED, axis=1)
        return self._features(day, known & self._ever_available(day))

    def features_on(self, day: int) -> pl.DataFrame:
        """Return the features that were used, or became part of the account's plan, on a day."""
        now = self._ever_available(day) & (self.who.start <= day)[:, None]
        before = self._ever_available(day - 1) & (self.who.start <= day - 1)[:, None]
        return self._features(day, now & ((self.uses[day] > 0) | ~before))

    def _ever_available(self, day: int) -> np.ndarray:
        """Say which features the account's plans have held since it started."""
        if day < 0:
            return np.zeros((self.who.size, CORE + ADVANCED), bool)
        started = (np.arange(day + 1)[:, None] >= self.who.start)[..., None]
        return np.any(self.available[: day + 1] & started, axis=0)

    def _features(self, day: int, chosen: np.ndarray) -> pl.DataFrame:
        account, feature = np.nonzero(chosen)
        used = self.uses[: day + 1, account, feature] > 0
        ever: np.ndarray = np.any(used, axis=0)
        last = day - np.argmax(used[::-1], axis=0)
        names = texts("names")["features"]
        return pl.DataFrame(
            {
                "account": self.who.ids[account],
                "feature": np.array(_feature_names(), dtype=object)[feature],
                "core": feature < CORE,
                "plan": np.array(["starter"] * CORE + names["advanced_plans"], dtype=object)[feature],
                "first_used_on": self.span.dates_or_none(self._first(used, account, feature), ever),
                "last_used_on": self.span.dates_or_none(last, ever),
                "use_count": self.uses[: day + 1, account, feature].sum(axis=0, dtype=np.int64),
            },
            schema_overrides={"account": pl.String, "feature": pl.String, "plan": pl.String},
        )

    def _first(self, used: np.ndarray, account: np.ndarray, feature: np.ndarray) -> np.ndarray:
        """Date the first use of accounts older than the history back to their own first weeks."""
        first = np.argmax(used, axis=0)
        earlier = (self.who.start[account] < -30) & (first < 45)
        return np.where(earlier, self.who.start[account] + 3 + 2 * feature, first)


def _feature_names() -> list[str]:
    """Name the features, the core ones first; each is a measure of usage as well, so its history is exact."""
    names = texts("names")["features"]
    return [*names["core"], *names["advanced"]]
