"""Documents with a mistake are refused with file, key, line and what to write instead, and do not stop the others."""

import os
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from knowledge.documents import BUNDLED, DocumentError, library, read_folder
from knowledge.front_matter import read_document

MESSAGE = """---
kind: template
id: hello
title: Hello
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
PLAY = """---
kind: play
id: mine
title: Mine
owner: csm
review_by: 2027-06-30
urgency: soon
trigger:
  signals: [usage_stopped]
audience: "status = 'active'"
goal: "days_since_use < 7"
goal_within_days: 14
success_metric: In use again within two weeks
stop: [goal_met, reply, person]
cool_down_days: 30
steps:
  - id: write
    after: 4h
    channel: email
    actor: assistant
    template: hello
    goal: a reply
  - id: call
    after: 2wd
    channel: call
    actor: csm
    text: Ring the champion.
    goal: a reason
---
## Why

Because.

## What to say

This.

## What to avoid

That.

## Steps in words

First this.

## How we know it worked

They come back.

## When to stop

At an answer.
"""
CASE = """---
kind: case_study
id: case
title: A case
owner: csm
review_by: 2027-06-30
account: Acme (sample)
sample: true
industry: saas
segment: smb
results:
  - {measure: use, before: 1, after: 2, unit: days a week}
quote:
  text: Fine.
  by: the owner
  sample: true
---
## Challenge

This.

## Action

That.

## Result

So.
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "hello.md").write_text(MESSAGE)
    (tmp_path / "mine.md").write_text(PLAY)
    (tmp_path / "case.md").write_text(CASE)
    return tmp_path


def written(folder: Path, text: str, name: str = "mine.md") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_what_is_right_is_read(folder: Path) -> None:
    found = library([folder])
    assert found.errors == ()
    assert (set(found.plays), set(found.templates), set(found.cases)) == ({"mine"}, {"hello"}, {"case"})
    assert found.files["mine"] == folder / "mine.md"
    assert [step.delay for step in found.plays["mine"].steps] == [(4, "h"), (2, "wd")]
    assert found.plays["mine"].predicates == {"audience": "status = 'active'", "goal": "days_since_use < 7"}


MISTAKES = {
    "an unknown key": ("urgency: soon", "urgensy: soon", "urgensy: unknown key, line 7 (did you mean 'urgency'?)"),
    "an unknown key of a step": (
        "    text: Ring",
        "    txet: Ring",
        "steps.1.txet: unknown key, line 27 (did you mean 'text'?)",
    ),
    "an unknown key of the trigger": (
        "  signals: [usage_stopped]",
        "  signal: [usage_stopped]",
        "trigger.signal: unknown key, line 9 (did you mean 'signals'?)",
    ),
    "a missing key": ("goal_within_days: 14\n", "", "goal_within_days: Field required, line 2"),
    "a key written twice": ("urgency: soon", "urgency: soon\nurgency: routine", "urgency: written twice, line 8"),
    "an unknown kind": ("kind: play", "kind: plai", "kind: write one of play, case_study, article, template, line 2"),
    "a bad delay": ("after: 4h", "after: 4 hours", "steps.0.after: '4 hours' is not of the right form"),
    "a bad date": ("review_by: 2027-06-30", "review_by: soon", "review_by: Input should be a valid date"),
    "a day that there is not": ("review_by: 2027-06-30", "review_by: 2027-13-45", "month must be in 1..12"),
    "a body among the keys": ("urgency: soon", "urgency: soon\nbody: x", "body: unknown key, line 8"),
    "a character that YAML refuses": ("title: Mine", "title: M\x07ine", "this is no YAML"),
    "a tag of Python": ("title: Mine", "title: !!python/name:os.system x", "this is no YAML: could not determine"),
    "a key that is a number": ("title: Mine", "title: Mine\n1: 2", "1: "),
    "an unknown channel": ("channel: call", "channel: fax", "steps.1.channel: Input should be 'email', 'slack'"),
    "an unknown owner": ("owner: csm", "owner: boss", "owner: Input should be 'csm', 'cs_manager'"),
    "no predicate": ("\"status = 'active'\"", "status is active!", "audience: this is no SQL predicate"),
    "nothing that starts it": ("  signals: [usage_stopped]", "  signals: []", "trigger: nothing starts the play"),
    "a message without words": ("    template: hello\n", "", "steps.0: a step on the channel email needs a `template`"),
    "a call without words": (
        "    text: Ring the champion.\n",
        "",
        "steps.1: a step on the channel call needs a `text`",
    ),
    "steps out of order": ("after: 2wd", "after: 3h", "step 'call' is due before 'write'"),
    "two steps with one name": ("id: call", "id: write", "two steps are called 'write'"),
    "a level without a meaning": ("    goal: a reason", "    when: high\n    goal: a reason", "steps ask for high use"),
    "a goal that does not stop it": ("stop: [goal_met, ", "stop: [", "`goal` and `goal_met` in `stop` belong together"),
    "a large hold-out": ("steps:", "holdout: 0.6\nsteps:", "holdout: Input should be less than or equal to 0.5"),
    "a missing section": ("## When to stop\n\nAt an answer.\n", "", "the body needs these sections, in this order"),
    "no front matter": ("---\nkind", "kind", "no front matter"),
    "broken YAML": ("stop: [goal_met, reply, person]", "stop: [goal_met", "this is no YAML"),
    "a head without keys": (PLAY.split("---\n")[1], "- a list\n", "the front matter holds no keys"),
    "a missing template": ("template: hello", "template: helo", "there is no template 'helo' (did you mean 'hello'?)"),
    "a template for another channel": ("channel: email", "channel: sms", "'hello' is for email, and the step for sms"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_play_with_a_mistake_is_told_with_its_file_and_left_out_alone(folder: Path, mistake: str) -> None:
    right, wrong, said = MISTAKES[mistake]
    assert right in PLAY
    written(folder, PLAY.replace(right, wrong, 1))
    found = library([folder])
    assert len(found.errors) == 1
    assert found.errors[0].startswith("mine.md: ")
    assert said in found.errors[0]
    assert found.plays == {}
    assert "mine" not in found.files
    assert set(found.templates) == {"hello"}


def test_broken_yaml_is_told_with_its_line(folder: Path) -> None:
    written(folder, PLAY.replace("urgency: soon", "urgency: soon: now"))
    assert "this is no YAML: mapping values are not allowed in this context, line 7" in library([folder]).errors[0]


def test_a_file_that_is_no_text_is_told(folder: Path) -> None:
    (folder / "bad.md").write_bytes(b"---\nkind: \xff\n---\n")
    documents, errors = read_folder(folder)
    assert errors == ["bad.md: this is not UTF-8 text: save it as UTF-8"]
    assert {document.id for document in documents} == {"hello", "mine", "case"}


@settings(max_examples=200, deadline=None)
@given(where=st.integers(0, PLAY.index("## Why")), cut=st.integers(0, 30), put=st.text(max_size=20))
def test_whatever_is_typed_by_mistake_is_told_and_never_stops_the_reading(where: int, cut: int, put: str) -> None:
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "mine.md"
        file.write_bytes((PLAY[:where] + put + PLAY[where + cut :]).encode("utf-8", "surrogatepass"))
        documents, errors = read_folder(Path(name))
        assert len(documents) + len(errors) == 1


def test_a_mark_of_byte_order_and_foreign_line_ends_do_no_harm(folder: Path) -> None:
    (folder / "mine.md").write_bytes(b"\xef\xbb\xbf" + PLAY.replace("\n", "\r\n").encode())
    assert library([folder]).errors == ()


def test_two_documents_with_one_id_are_told_with_both_files(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = tmp_path_factory.mktemp("other")
    second = written(other, PLAY.replace("title: Mine", "title: Another"), "again.md")
    found = library([folder, other])
    assert found.plays["mine"].title == "Mine"
    assert len(found.errors) == 1
    assert str(second) in found.errors[0]
    assert str(folder / "mine.md") in found.errors[0]


def test_a_quote_of_a_sample_is_a_sample(folder: Path) -> None:
    written(folder, CASE.replace("  sample: true", "  sample: false"), "case.md")
    assert library([folder]).errors == (
        "case.md: the quote and the case study must both be samples, or neither, line 2",
    )


def test_an_email_without_a_subject_is_refused(folder: Path) -> None:
    file = written(folder, MESSAGE.replace('subject: "Hello {{ first_name }}"\n', ""), "hello.md")
    with pytest.raises(DocumentError, match=r"hello\.md: an email needs a subject"):
        read_document(file)


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        (
            "[usage_down, quiet]",
            "[usage_dwn, quiet]",
            "there is no observation 'usage_dwn' (did you mean 'usage_down'?)",
        ),
        ("{{ observations }}", "{{ observations }", "the text cannot be filled: unexpected '}' (line 3 below"),
    ],
)
def test_a_message_that_cannot_be_said_is_left_out_with_the_play_that_sends_it(
    folder: Path, right: str, wrong: str, said: str
) -> None:
    written(folder, MESSAGE.replace(right, wrong), "hello.md")
    found = library([folder])
    assert said in found.errors[0]
    assert found.errors[1].startswith("mine.md: steps.write: there is no template 'hello'")
    assert (found.templates, found.plays) == ({}, {})


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(DocumentError, match="there is no such folder"):
        library([tmp_path / "nowhere"])


def test_a_changed_file_is_read_again_and_an_unchanged_one_is_not(folder: Path) -> None:
    first = library([folder])
    assert library([folder]) is first
    file = written(folder, PLAY.replace("title: Mine", "title: Changed"))
    os.utime(file, ns=(time.time_ns(), time.time_ns() + 1_000_000))
    again = library([folder])
    assert again.plays["mine"].title == "Changed"
    assert again.templates["hello"] is first.templates["hello"]


def test_a_removed_file_is_gone(folder: Path) -> None:
    assert library([folder]).plays
    (folder / "mine.md").unlink()
    assert library([folder]).plays == {}


def test_reading_everything_takes_well_under_a_second() -> None:
    files = list(library().files.values())
    started = time.perf_counter()
    assert len([read_document(file) for file in files]) > 150
    assert time.perf_counter() - started < 1


def test_the_bundled_library_is_there() -> None:
    found = library()
    assert found.errors == ()
    assert all((found.plays, found.cases, found.articles, found.templates))
    assert set(found.files) == {*found.plays, *found.cases, *found.articles, *found.templates}
    assert {file.relative_to(BUNDLED[0].parent).parts[0] for file in found.files.values()} == {
        "plays",
        "cases",
        "articles",
        "templates",
    }
