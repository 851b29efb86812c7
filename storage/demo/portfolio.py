"""The fixed traits of the demo's accounts: name, industry, segment, country, plan, what it expects."""

from dataclasses import dataclass

import numpy as np

from storage.demo.span import AHEAD, Span, texts

ACCOUNTS = 455
INDUSTRIES = ("saas", "healthcare", "trades", "professional_services", "ecommerce", "other")
INDUSTRY_SHARES = (0.28, 0.16, 0.16, 0.15, 0.15, 0.10)
SEGMENTS = ("smb", "mid_market", "enterprise", "consumer")
SEGMENT_SHARES = (0.50, 0.28, 0.13, 0.09)
SUB_SEGMENTS = {
    "individual_miner": "consumer",
    "crypto_trader": "consumer",
    "mining_farm": "mid_market",
    "institution": "enterprise",
}
PLANS = ("trial", "starter", "professional", "business", "enterprise")
PLAN_SHARES = {  # starter, professional, business, enterprise
    "consumer": (0.7, 0.3, 0.0, 0.0),
    "smb": (0.45, 0.45, 0.1, 0.0),
    "mid_market": (0.0, 0.35, 0.5, 0.15),
    "enterprise": (0.0, 0.0, 0.35, 0.65),
}
SEATS = {"consumer": (1, 3), "smb": (3, 22), "mid_market": (20, 110), "enterprise": (120, 600)}
COUNTRY_SHARES = (0.5, 0.06, 0.12, 0.07, 0.03, 0.04, 0.03, 0.03, 0.04, 0.04, 0.04)
# Typical adoption, satisfaction, sponsor strength and financial stress of a good, a fair and a poor account.
CHARACTERS = np.array([[0.83, 0.80, 0.78, 0.14], [0.55, 0.58, 0.50, 0.30], [0.37, 0.42, 0.36, 0.42]])
CHARACTER_SHARES = (0.67, 0.22, 0.11)


@dataclass(frozen=True)
class Portfolio:
    """Parallel arrays, one element per account; `start` is a day number, negative before the history."""

    ids: np.ndarray
    names: np.ndarray
    industry: np.ndarray
    segment: np.ndarray
    sub_segment: np.ndarray
    country: np.ndarray
    currency: np.ndarray
    plan: np.ndarray
    seats: np.ndarray
    start: np.ndarray
    trial: np.ndarray
    term: np.ndarray
    mood: np.ndarray
    first_value: np.ndarray
    locations: np.ndarray

    @property
    def size(self) -> int:
        """How many accounts there are."""
        return len(self.ids)


def make_portfolio(span: Span) -> Portfolio:
    """Draw the accounts; the first few are the family of like-sounding names."""
    rng = span.rng("portfolio")
    size, family = ACCOUNTS, texts("names")["family"]
    industry = rng.choice(INDUSTRIES, size, p=INDUSTRY_SHARES)
    segment = rng.choice(SEGMENTS, size, p=SEGMENT_SHARES)
    members = len(family["names"])
    industry[:members], segment[:members] = family["industries"], family["segments"]
    sub = _sub_segments(rng, industry, segment, members)
    start = _starts(span, rng, size)
    start[:members] = -rng.integers(100, 900, members)
    mood = _moods(rng, size)
    country = rng.choice(list(texts("names")["countries"]), size, p=COUNTRY_SHARES)
    return Portfolio(
        ids=np.array([f"A{1000 + n}" for n in range(size)]),
        names=_names(rng, industry, sub, family["names"]),
        industry=industry,
        segment=segment,
        sub_segment=sub,
        country=country,
        currency=_currencies(rng, country),
        plan=_plans(rng, segment),
        seats=_seats(rng, segment),
        start=start,
        trial=(start >= 0) & np.isin(segment, ["smb", "consumer"]) & (rng.random(size) < 0.75),
        term=np.where(segment == "enterprise", 12, rng.choice([1, 6, 12], size, p=[0.45, 0.1, 0.45])),
        mood=mood,
        first_value=np.ceil(rng.lognormal(3.4 - 1.3 * mood[:, 0], 0.5)).astype(int) + 2,
        locations=np.where(np.isin(industry, ["healthcare", "trades"]), rng.geometric(0.35, size), 1),
    )


def _sub_segments(rng: np.random.Generator, industry: np.ndarray, segment: np.ndarray, first: int) -> np.ndarray:
    """Give some accounts of the industry `other` a sub-segment, and the size that goes with it."""
    sub = np.full(len(industry), "", dtype=object)
    pool = rng.permutation(np.arange(first, len(industry)))[: 9 * len(SUB_SEGMENTS)]
    for place, (name, size) in enumerate(SUB_SEGMENTS.items()):
        chosen = pool[9 * place : 9 * (place + 1)]
        sub[chosen], industry[chosen], segment[chosen] = name, "other", size
    return sub


def _starts(span: Span, rng: np.random.Generator, size: int) -> np.ndarray:
    older = rng.random(size) < 0.62
    late = rng.integers(0, span.days - 3, size)
    late[-6:] = span.days - AHEAD - rng.integers(2, 12, 6)  # a few trials run on the first day of the demo
    older[-6:] = False
    return np.where(older, -rng.integers(20, 1400, size), late)


def _moods(rng: np.random.Generator, size: int) -> np.ndarray:
    kind = rng.choice(3, size, p=CHARACTER_SHARES)
    return np.clip(CHARACTERS[kind] + rng.normal(0, 0.05, (size, 4)), 0.05, 0.97)


def _names(rng: np.random.Generator, industry: np.ndarray, sub: np.ndarray, family: list[str]) -> np.ndarray:
    """Invent company names: one made-up word each, with a few words shared by two companies."""
    words = texts("names")
    cores = [head + tail for head in words["heads"] for tail in words["tails"]]
    rng.shuffle(cores)
    for place in range(40, 52):  # easy to mix up
        cores[place] = cores[place - 12]
    names = list(family)
    for n in range(len(family), len(industry)):
        suffixes = words["suffixes"][sub[n] or industry[n]]
        names.append(_unused(f"{cores[n % len(cores)]}", suffixes, int(rng.integers(99)), names))
    return np.array(names, dtype=object)


def _unused(core: str, suffixes: list[str], start: int, taken: list[str]) -> str:
    options = [f"{core} {suffixes[(start + k) % len(suffixes)]}" for k in range(len(suffixes))]
    free = [name for name in options if name not in taken]
    return free[0] if free else f"{options[0]} {len(taken)}"


def _currencies(rng: np.random.Generator, country: np.ndarray) -> np.ndarray:
    """Bill a minority of the European accounts in their own currency, all others in dollars."""
    own = np.array([texts("names")["countries"][name][2] for name in country])
    return np.where(rng.random(len(country)) < 0.5, own, "USD")


def _plans(rng: np.random.Generator, segment: np.ndarray) -> np.ndarray:
    edges = np.array([np.cumsum(PLAN_SHARES[name]) for name in segment])
    draw = rng.random(len(segment))[:, None]
    return 1 + (draw > edges - 1e-9).sum(axis=1).clip(0, 3)


def _seats(rng: np.random.Generator, segment: np.ndarray) -> np.ndarray:
    low, high = np.array([SEATS[name] for name in segment]).T
    return np.exp(rng.uniform(np.log(low), np.log(high))).round().astype(int)
