"""Templates and observations are parsed strictly, say only what holds, and speak of nothing that is ours alone."""

import re
from datetime import date
from pathlib import Path

import pytest

from knowledge.documents import DocumentError, Template, observations, prompt, render, templates, true_observations
from knowledge.front_matter import read_document
from scoring.catalogue import CATALOGUE
from tools.purposes import purposes

OURS = re.compile(r"\b(health|score|risk|churn|band|segment|probability)\b", re.I)
EXTRA = ("account", "plan", "started_on", "renewal_on", "escalated_subject", "escalated_open", "goal", "left_name")
NOTHING = dict.fromkeys((*CATALOGUE, *EXTRA)) | {"account": "Acme", "escalated_open": False}
GOOD = """---
kind: template
id: t
title: A title
owner: csm
review_by: 2027-06-30
ask: a call
roles: [champion]
observations: [usage_down, quiet]
subject: "Hello {{ first_name }}"
---
Hi {{ first_name }},

{{ observations }}
"""


def written(folder: Path, text: str) -> Path:
    file = folder / "mine.md"
    file.write_text(text)
    return file


def test_there_is_a_template_for_every_purpose() -> None:
    asked_for = {name for name, template in templates().items() if template.examples}
    assert asked_for == {name for rule in purposes().values() for name in rule.templates}


@pytest.mark.parametrize("name", templates())
def test_a_template_names_only_observations_that_exist_each_once(name: str) -> None:
    names = templates()[name].observations
    assert set(names) <= set(observations())
    assert len(set(names)) == len(names)


def test_every_observation_is_used_and_backed_by_a_fact() -> None:
    used = {name for template in templates().values() for name in template.observations}
    assert used == set(observations())
    assert {observation.fact for observation in observations().values()} <= set(CATALOGUE) | set(EXTRA)


@pytest.mark.parametrize("text", [o.text for o in observations().values()] + [t.body for t in templates().values()])
def test_words_that_are_ours_alone_are_not_said_to_customers(text: str) -> None:
    said = re.sub(r"\{\{.*?\}\}|\{%.*?%\}", "", text, flags=re.S)
    assert not OURS.search(said)


@pytest.mark.parametrize("name", templates())
def test_of_an_account_without_data_nothing_is_observed(name: str) -> None:
    assert true_observations(templates()[name], NOTHING) == []


HOLDS = {
    "usage_down": ({"usage_change_28d": -0.15}, {"usage_change_28d": -0.14}),
    "usage_stopped": ({"days_since_use": 14}, {"days_since_use": 13}),
    "usage_steady": ({"active_days_per_week": 3.0}, {"active_days_per_week": 4.0, "usage_change_28d": -0.5}),
    "usage_light": ({"active_days_per_week": 2.9}, {"active_days_per_week": 3.0}),
    "core_features_low": ({"core_feature_share": 0.59}, {"core_feature_share": 0.6}),
    "goal_reached": ({"goal": "x", "goal_attainment": 1.0}, {"goal": "x", "goal_attainment": 0.99}),
    "goal_behind": ({"goal": "x", "goal_attainment": 0.89}, {"goal": None, "goal_attainment": 0.5}),
    "escalated_ticket": ({"escalated_subject": "x"}, {"escalated_subject": None}),
    "renewal_soon": ({"days_to_renewal": 0, "renewal_on": "4 May 2026"}, {"days_to_renewal": -1}),
    "payment_failed": ({"failed_payments_90d": 1}, {"failed_payments_90d": 0}),
    "open_tickets": ({"open_tickets": 2}, {"open_tickets": 1}),
    "champion_left": ({"left_name": "Ann"}, {"left_name": None}),
}


@pytest.mark.parametrize("name", HOLDS)
def test_an_observation_holds_from_its_limit_on_and_renders_whole(name: str) -> None:
    true, false = (NOTHING | facts for facts in HOLDS[name])
    only = Template(
        kind="template", id="t", title="t", owner="csm", review_by=date(2027, 6, 30), ask="a", roles=("user",),
        observations=(name, name), subject="s", body="b",
    )  # fmt: skip
    assert name in true_observations(only, true)
    assert true_observations(only, false) == []
    said = render(only.model_copy(update={"body": "{{ observations }}"}), true, [name]).body
    assert "None" not in said
    assert "{" not in said


def test_at_most_three_observations_are_said_the_preferred_ones_first() -> None:
    facts = NOTHING | {"days_since_use": 20, "usage_change_28d": -0.9, "open_tickets": 5, "days_since_reply": 60}
    assert true_observations(templates()["check_in"], facts) == ["usage_stopped", "usage_down", "quiet"]


MISTAKES = {
    "an unknown key": (
        "ask: a call",
        "asks: a call",
        r"mine\.md: ask: Field required|asks: .* \(did you mean 'ask'\?\)",
    ),
    "an unknown kind": ("kind: template", "kind: letter", r"mine\.md: kind: "),
    "one observation": ("[usage_down, quiet]", "[quiet]", r"mine\.md: observations: "),
    "nobody to write to": ("roles: [champion]", "roles: []", r"mine\.md: roles: "),
    "no front matter": ("---\nkind", "kind", r"mine\.md: no front matter"),
    "broken YAML": ("roles: [champion]", "roles: [champion", r"mine\.md: "),
    "an empty head": (GOOD.split("---\n")[1], "", r"mine\.md: "),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_template_with_a_mistake_is_refused_with_file_and_key(tmp_path: Path, mistake: str) -> None:
    right, wrong, said = MISTAKES[mistake]
    assert right in GOOD
    with pytest.raises(DocumentError, match=said):
        read_document(written(tmp_path, GOOD.replace(right, wrong, 1)))


def test_a_missing_word_stops_the_message_and_is_named(tmp_path: Path) -> None:
    template = read_document(written(tmp_path, GOOD))
    with pytest.raises(DocumentError, match="template t: 'first_name' is undefined"):
        render(template, NOTHING, [])


@pytest.mark.parametrize("attack", ["{{ ''.__class__.__mro__ }}", "{{ account.__init__.__globals__ }}"])
def test_a_template_cannot_reach_into_python(tmp_path: Path, attack: str) -> None:
    template = read_document(written(tmp_path, GOOD.replace("{{ observations }}", attack)))
    with pytest.raises(DocumentError, match="template t"):
        render(template, NOTHING | {"first_name": "Ann"}, [])


def test_what_a_customer_is_called_is_never_run_as_a_template() -> None:
    facts = NOTHING | {"first_name": "{{ 7 * 7 }}", "sender": "Dana"}
    assert "Hi {{ 7 * 7 }}," in render(templates()["check_in"], facts, []).body


def test_the_prompts_are_there() -> None:
    assert prompt("system")
    assert prompt("correct")
