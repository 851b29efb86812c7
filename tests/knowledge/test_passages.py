"""Passages: sections, bounds, and that nothing is torn or lost."""

import re
import time

from hypothesis import given
from hypothesis import strategies as st

from knowledge.passages import MOST, Passage, split

TABLE = "| day | goal |\n|---|---|\n" + "\n".join(f"| {n} | goal number {n} |" for n in range(20))


def test_each_passage_stands_under_its_headings() -> None:
    text = "# Onboarding\n\nWhy.\n\n## Week 1\n\nCall.\n\n### Day 1\n\nMail.\n\n## Week 2\n\nAsk."
    assert split(text) == [
        Passage(("Onboarding",), "Why."),
        Passage(("Onboarding", "Week 1"), "Call."),
        Passage(("Onboarding", "Week 1", "Day 1"), "Mail."),
        Passage(("Onboarding", "Week 2"), "Ask."),
    ]


def test_a_heading_that_repeats_the_title_is_left_out() -> None:
    assert split("# Onboarding\n\nWhy.", title="onboarding") == [Passage((), "Why.")]


def test_an_underlined_heading_counts() -> None:
    assert split("Renewals\n========\n\nAsk early.\n\nPrice\n-----\n\nFair.") == [
        Passage(("Renewals",), "Ask early."),
        Passage(("Renewals", "Price"), "Fair."),
    ]


def test_a_heading_inside_code_is_code() -> None:
    text = "## Run\n\n```sh\n# not a heading\nmake demo\n```\n\nDone."
    assert split(text) == [Passage(("Run",), "```sh\n# not a heading\nmake demo\n```\n\nDone.")]


def test_a_table_that_fits_stays_whole() -> None:
    text = "\n\n".join(["words " * 15, TABLE, "words " * 15])
    assert any(TABLE in passage.text for passage in split(text, most=len(TABLE) + 10))


def test_a_long_table_is_divided_between_rows_under_its_head() -> None:
    passages = split(TABLE, most=200)
    assert len(passages) > 2
    assert all(passage.text.startswith("| day | goal |\n|---|---|\n| ") for passage in passages)
    assert [row for passage in passages for row in passage.text.splitlines()[2:]] == TABLE.splitlines()[2:]


def test_a_table_without_outer_lines_is_a_table() -> None:
    table = "day | goal\n--- | ---\n" + "\n".join(f"{n} | a goal. And more" for n in range(20))
    assert all(passage.text.startswith("day | goal\n--- | ---\n") for passage in split(table, most=150))


def test_a_long_list_is_divided_between_items() -> None:
    items = [f"- step {n}\n  with its explanation" for n in range(30)]
    passages = split("\n".join(items), most=200)
    assert len(passages) > 3
    assert [item for passage in passages for item in re.split(r"\n(?=- )", passage.text)] == items


def test_long_code_stays_fenced() -> None:
    code = "```sql\n" + "\n".join(f"SELECT {n};" for n in range(60)) + "\n```"
    passages = split(code, most=200)
    assert len(passages) > 3
    assert all(p.text.startswith("```sql\n") and p.text.endswith("\n```") for p in passages)


def test_a_long_paragraph_is_divided_between_sentences() -> None:
    sentences = [f"Sentence number {n} is about renewals." for n in range(40)]
    passages = split(" ".join(sentences), most=300)
    assert " ".join(passage.text for passage in passages) == " ".join(sentences)
    assert all(passage.text.endswith(".") for passage in passages)


def test_headings_without_text_give_no_passage() -> None:
    assert split("# One\n\n## Two\n\n---\n") == []


MARKDOWN = st.lists(
    st.sampled_from(["# a", "## b", "text", "- item", "  more", "| x | y |", "|---|---|", "```", "", "===", "---"])
    | st.text(st.characters(codec="utf-8"), max_size=60),
    max_size=40,
).map("\n".join)


@given(MARKDOWN, st.integers(40, 300))
def test_no_passage_is_empty_or_longer_than_the_limit(text: str, most: int) -> None:
    for passage in split(text, most=most):
        assert passage.text.strip()
        assert len(passage.text) <= most


@given(st.lists(st.text("abcdefgh .,", min_size=1), min_size=1, max_size=30))
def test_no_word_is_lost_or_repeated(paragraphs: list[str]) -> None:
    text = "\n\n".join(paragraphs)
    assert "".join("".join(p.text for p in split(text, most=50)).split()) == "".join(text.split())


def test_a_document_of_one_endless_construct_is_cut_within_seconds() -> None:
    for line in ("- ", "> ", "# #", "| ", "--- ", "a " * 50, "`", "- a\n", "| a |\n", "a\n"):
        started = time.perf_counter()
        assert all(len(passage.text) <= MOST for passage in split(line * (2_000_000 // len(line))))
        assert time.perf_counter() - started < 10
