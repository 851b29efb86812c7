"""There is a play for every situation, with the timings that bind it, and each can run: messages, columns, signals."""

import itertools
import random
import re
import tomllib
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from knowledge.attributes import ATTRIBUTES
from knowledge.documents import library, observations, render, true_observations
from knowledge.kinds import PLAY_SECTIONS
from scoring.catalogue import CATALOGUE, TEXTS
from scoring.predicates import predicate
from tests.knowledge.situations import BLOCKERS, EXPANSION, SITUATIONS, THRESHOLDS, TIMINGS

REPO = Path(__file__).parents[2]
PLAYS, CASES, ARTICLES, TEMPLATES = library().plays, library().cases, library().articles, library().templates
COLUMNS = {name: pl.Float64() for name in CATALOGUE} | dict.fromkeys(TEXTS, pl.String())
COLUMNS |= {name: pl.String() if kind == "text" else pl.Float64() for name, (kind, _) in ATTRIBUTES.items()}
# Signals read a few columns of their own.
WIDE = COLUMNS | dict.fromkeys(("loss_probability", "health_change_1d"), pl.Float64())
SIGNALS = {
    signal["kind"]: signal["when"]
    for file in (REPO / "scoring" / "signals").glob("*.toml")
    for signal in tomllib.loads(file.read_text())["signals"]
}
WORDS = {
    "account": "Acme", "plan": "starter", "started_on": "4 May 2026", "renewal_on": None, "goal": None,
    "goal_attainment": None, "escalated_subject": None, "escalated_open": False, "left_name": None,
    "first_name": "Ann", "sender": "Dana",
}  # fmt: skip
NOTHING: dict[str, Any] = dict.fromkeys(CATALOGUE) | WORDS
# Accounts in different situations, each with what is known of one like it.
ACCOUNTS = {
    "new": {"tenure_days": 3, "seats_bought": 5, "goal": "Answer within an hour", "days_without_login": 3,
            "active_users": 1.0, "core_feature_share": 0.1},
    "thriving": {"goal": "Answer within an hour", "goal_attainment": 1.2, "roi_percent": 240, "nps": 9, "csat": 4.8,
                 "active_days_per_week": 5, "core_feature_share": 0.9, "advanced_feature_share": 0.6,
                 "limit_use": 0.9, "usage_change_28d": 0.2, "tenure_days": 400, "locations": 3},
    "struggling": {"usage_change_28d": -0.4, "active_days_per_week": 1, "days_since_use": 20, "nps": 3,
                   "core_feature_share": 0.3, "open_tickets": 3, "days_since_reply": 50, "failed_payments_90d": 1,
                   "days_overdue": 9, "tenure_days": 300, "seat_use": 0.4, "key_feature_idle_days": 20},
    "served": {"no_show_rate_180d": 0.3, "overdue_checkups": 1, "service_satisfaction_365d": 4.6, "tenure_days": 500,
               "insurance_changes_180d": 1, "contract_days_left": 40, "contract_use": 0.5, "warranty_followups_open": 1,
               "emergency_response_hours": 3, "milestone_satisfaction_365d": 4.5, "open_proposals": 1},
    "lost": {"goal": "Answer within an hour"},
}  # fmt: skip
PLACEHOLDER = re.compile(r"\{\{|\{%|\bNone\b|\bTODO\b|\bXXX\b|\[[A-Za-z ]+\]|  ")
# Two ways of saying the same thing would be said one after the other.
ALIKE = [
    ("customer_since", "just_started"), ("customer_since", "worked_together"), ("goal_stated", "goal_behind"),
    ("goal_stated", "goal_reached"), ("usage_stopped", "not_logged_in"),
]  # fmt: skip


def test_nothing_of_the_bundled_content_is_refused() -> None:
    assert library().errors == ()


@pytest.mark.parametrize("situation", SITUATIONS)
def test_there_is_a_play_for_every_situation(situation: str) -> None:
    assert SITUATIONS[situation] in PLAYS


def test_every_play_answers_a_situation() -> None:
    assert set(PLAYS) == set(SITUATIONS.values())


@pytest.mark.parametrize("name", TIMINGS)
def test_binding_times_are_kept(name: str) -> None:
    steps = [(step.after, step.channel) for step in PLAYS[name].steps]
    for after, channel in TIMINGS[name]:
        assert any(after == there and channel in (None, on) for there, on in steps), (after, channel, steps)


def test_the_first_two_weeks_on_starter_have_seven_touchpoints() -> None:
    assert [step.hours <= 14 * 24 for step in PLAYS["starter_first_month"].steps] == [True] * 7


@pytest.mark.parametrize("name", [name for name in PLAYS if name.startswith("segment_")])
def test_onboarding_by_segment_has_three_actions_and_one_mark_on_each_of_five_days(name: str) -> None:
    steps = PLAYS[name].steps
    days = [0, 0, 0, 24, 24, 24, 72, 72, 72, 168, 168, 168, 336, 336, 336]
    assert [step.hours // 24 * 24 for step in steps] == days
    marks = [{step.goal for step in steps if step.hours // 24 == day} for day in (0, 1, 3, 7, 14)]
    assert all(len(mark) == 1 for mark in marks)
    assert len(set.union(*marks)) == 5


@pytest.mark.parametrize("name", THRESHOLDS)
def test_thresholds_are_kept(name: str) -> None:
    assert THRESHOLDS[name] in (PLAYS[name].trigger.when or "")


URGENCY_HOURS = {"immediate": 24, "soon": 7 * 24, "planned": 30 * 24, "routine": 92 * 24}


@pytest.mark.parametrize("name", PLAYS)
def test_a_play_begins_within_the_time_of_its_urgency(name: str) -> None:
    assert PLAYS[name].steps[0].hours <= URGENCY_HOURS[PLAYS[name].urgency]


@pytest.mark.parametrize("name", [name for name in PLAYS if name.startswith(EXPANSION)])
def test_nothing_is_offered_while_something_stands_in_the_way(name: str) -> None:
    for blocker in BLOCKERS:
        assert blocker in PLAYS[name].audience


@pytest.mark.parametrize("name", PLAYS)
def test_every_predicate_names_only_columns_that_there_are(name: str) -> None:
    for text in PLAYS[name].predicates.values():
        predicate(text, COLUMNS)  # raises, naming the column


@pytest.mark.parametrize("name", PLAYS)
def test_a_play_can_start_and_its_goal_can_be_reached(name: str) -> None:
    play = PLAYS[name]
    signals = [SIGNALS[signal] for signal in play.trigger.signals]
    rows = accounts_near(" ; ".join([*play.predicates.values(), *signals]))
    reached = those(rows, play.goal or "false")
    starts = those(rows, play.audience) & those(rows, play.trigger.when or "true") & ~reached
    if signals:
        starts = starts & pl.select(pl.any_horizontal(*[those(rows, signal) for signal in signals])).to_series()
    assert starts.any()
    assert play.goal is None or reached.any()


def accounts_near(text: str, many: int = 50_000) -> pl.DataFrame:
    """Random accounts, each figure unknown or near a limit that stands beside its name in the predicates."""
    chance = random.Random(7)
    columns: dict[str, Any] = {"status": ["active"] * many}
    for word in sorted(set(re.findall(r"[A-Za-z_]\w*", text)) & set(WIDE)):
        beside = " ".join(re.findall(rf"\b{word}\b(?=(.{{0,60}}))", text))
        limits = [float(found) for found in re.findall(r"-?\d+(?:\.\d+)?", beside)] or [1.0]
        numbers = [limit + step for limit in limits for step in (-0.1, 0.0, 0.1)]
        texts = [found.strip("%") for found in re.findall(r"'([^']*)'", beside)] + ["other"]
        known = texts if WIDE[word] == pl.String() else numbers
        columns[word] = chance.choices([*known, None], [1] * len(known) + [len(known) / 2], k=many)
    return pl.DataFrame(columns, schema={word: WIDE[word] for word in columns})


def those(rows: pl.DataFrame, text: str) -> pl.Series:
    if text in ("true", "false"):
        return pl.repeat(text == "true", rows.height, eager=True)
    return rows.select(predicate(text, WIDE)[0].alias("holds"))["holds"].fill_null(False)


@pytest.mark.parametrize("name", PLAYS)
def test_every_signal_of_a_play_is_declared(name: str) -> None:
    assert set(PLAYS[name].trigger.signals) <= set(SIGNALS)


def test_every_declared_signal_starts_a_play() -> None:
    assert {signal for play in PLAYS.values() for signal in play.trigger.signals} == set(SIGNALS)


@pytest.mark.parametrize("name", PLAYS)
def test_the_body_of_a_play_is_as_long_as_it_is_read(name: str) -> None:
    play = PLAYS[name]
    assert tuple(play.sections) == PLAY_SECTIONS
    assert 150 <= len(re.findall(r"[\w'’%-]+", " ".join(play.sections.values()))) <= 300


def test_no_sentence_stands_in_two_documents() -> None:
    documents = [*PLAYS.values(), *ARTICLES.values(), *CASES.values()]
    seen: dict[str, str] = {}
    for document in documents:
        for sentence in set(re.split(r"(?<=[.?!])\s+", " ".join(document.sections.values()))):
            if len(sentence.split()) >= 5:
                assert seen.setdefault(sentence, document.id) == document.id, sentence


def test_messages_of_the_top_offers_and_requests_for_a_quote_are_of_high_risk() -> None:
    risky = {name for name, template in TEMPLATES.items() if template.high_risk}
    wanted = ("executive", "offer", "proposal", "annual_terms", "win_back", "add_on", "testimonial", "pause_options")
    assert {name for name in TEMPLATES if name.startswith(wanted)} <= risky
    by_executives = {step.template for play in PLAYS.values() for step in play.steps if step.actor == "executive"}
    assert by_executives - {None} <= risky


def test_a_way_to_stop_it_is_in_every_play() -> None:
    for play in PLAYS.values():
        assert {"opt_out", "person", "left_audience"} <= set(play.stop), play.id


def test_a_reply_ends_a_campaign_but_no_promise_of_ours() -> None:
    promised = ("retention_moderate", "retention_critical", "low_score_critical", "support_escalation", "nps_detractor")
    assert not any("reply" in PLAYS[name].stop for name in promised)
    campaigns = [name for name in PLAYS if name.startswith((*EXPANSION, "win_back", "survey_", "referral"))]
    assert all("reply" in PLAYS[name].stop for name in campaigns)


def test_everything_is_to_be_reviewed_on_a_day_that_a_test_can_pass() -> None:
    for document in (*PLAYS.values(), *CASES.values(), *ARTICLES.values(), *TEMPLATES.values()):
        assert not document.expired(document.review_by)
        assert document.expired(document.review_by + timedelta(days=1))
        assert document.review_by > date(2026, 11, 1)


def test_one_new_customer_is_welcomed_once() -> None:
    """Several plays begin on the first day; each plan and segment gets one first message by email."""
    new = {"status": "active", "tenure_days": 0.0}
    plans = [{"plan": plan} for plan in ("starter", "professional", "business", "enterprise", "their own")]
    segments = [{"plan": "starter", "sub_segment": s} for s in ("individual_miner", "mining_farm", "crypto_trader")]
    trial = {"plan": "trial", "status": "trial"}
    for who in (*plans, *segments, trial, trial | {"sub_segment": "crypto_trader"}):
        row = pl.DataFrame([new | who], schema=COLUMNS)
        first = [
            step.template
            for play in PLAYS.values()
            if not play.trigger.signals and holds(row, play.trigger.when) and holds(row, play.audience)
            for step in play.steps
            if step.hours == 0 and step.channel == "email" and holds(row, step.when)
        ]
        assert len(first) <= 1, (who, first)
        assert first or who["plan"] in ("business", "enterprise"), who  # there the management rings first


def holds(row: pl.DataFrame, text: str | None) -> bool:
    return text is None or bool(row.select(predicate(text, COLUMNS)[0].alias("holds"))["holds"][0])


# ── messages ──


OFFERED = {"offer"}  # filled with an offer and its price, which the tests of proposals do


def test_every_message_is_used_by_a_play_or_can_be_asked_for() -> None:
    sent = {name for play in PLAYS.values() for step in play.steps for name in step.templates}
    asked = {name for name, template in TEMPLATES.items() if template.examples}
    assert set(TEMPLATES) == sent | asked | OFFERED


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name not in OFFERED])
def test_a_message_renders_whole_for_every_account_and_says_two_true_things_of_one(name: str) -> None:
    template = TEMPLATES[name]
    said = {who: true_observations(template, NOTHING | facts) for who, facts in ACCOUNTS.items()}
    for who, used in said.items():
        message = render(template, NOTHING | ACCOUNTS[who], used)
        assert not PLACEHOLDER.search(message.subject + "\n" + message.body)
        assert bool(message.subject) == (template.channel == "email")
    assert max(map(len, said.values())) >= 2, said


@pytest.mark.parametrize("name", [name for name, template in TEMPLATES.items() if template.channel == "sms"])
def test_a_text_message_is_short(name: str) -> None:
    for facts in ACCOUNTS.values():
        used = true_observations(TEMPLATES[name], NOTHING | facts)
        assert len(render(TEMPLATES[name], NOTHING | facts, used).body) <= 320  # two segments


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_message_asks_for_one_thing(name: str) -> None:
    template = TEMPLATES[name]
    assert template.ask
    assert template.body.count("{{ observations }}") == 1
    assert len(template.body.split()) <= 110


@pytest.mark.parametrize("name", TEMPLATES)
def test_a_message_does_not_say_the_same_thing_twice(name: str) -> None:
    for one, other in ALIKE:
        assert not {one, other} <= set(TEMPLATES[name].observations)


@pytest.mark.parametrize("name", [name for name in PLAYS if name.startswith("healthcare_")])
def test_no_message_in_healthcare_speaks_of_health(name: str) -> None:
    private = re.compile(r"\b(diagnos\w*|treat\w*|therap\w*|symptom\w*|check-?ups?|dental|illness|medic\w*)\b", re.I)
    for step in PLAYS[name].steps:
        for template in map(TEMPLATES.__getitem__, step.templates):
            words = [template.subject, template.body, *(observations()[o].text for o in template.observations)]
            assert not private.search(re.sub(r"\{\{.*?\}\}", "", " ".join(words)))


# ── case studies and articles ──


def test_case_studies_are_plainly_samples() -> None:
    assert len(CASES) >= 12
    for case in CASES.values():
        assert case.sample
        assert "(sample)" in case.account
        assert "invented" in case.body.split("##")[0]
        assert case.quote is None or (case.quote.sample and "invented" in case.quote.by)


def test_case_studies_cover_every_industry_and_segment() -> None:
    industries = {"saas", "healthcare", "trades", "professional_services", "ecommerce", "other"}
    assert {case.industry for case in CASES.values()} == industries
    assert {case.segment for case in CASES.values()} == {"smb", "mid_market", "enterprise", "consumer"}


def test_the_figures_of_a_case_study_stand_in_its_text() -> None:
    for case in CASES.values():
        text = re.sub(r"(?<=\d),(?=\d{3})", "", case.sections["Result"] + case.sections["Challenge"])
        for result in case.results:
            assert f"{result.after:g}" in text or NUMBERS.get(result.after, "–") in text.lower(), result


NUMBERS = {2.0: "two", 3.5: "three and a half", 6.0: "six", 8.0: "eight", 9.0: "nine"}


def test_there_are_articles_for_the_conversations_that_are_hard() -> None:
    hard = {"renewal", "pricing", "recovery", "bad_news", "testimonial", "kickoff", "review", "health"}
    for subject, there in itertools.product(hard, [set(ARTICLES)]):
        assert any(subject in name for name in there), subject
    assert all(len(article.body.split()) >= 250 for article in ARTICLES.values())
