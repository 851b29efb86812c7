"""What customers say is found with its sentence, and what they say is not so is not found."""

from datetime import date, datetime
from pathlib import Path

import polars as pl
import pytest

from scoring.mentions import MENTION, MENTIONS, MOST, MentionError, find_mentions, load_mentions

PATTERNS = load_mentions()


def said(*texts: str | None) -> pl.DataFrame:
    frame = {"source": "ticket", "source_id": range(1, len(texts) + 1), "account_id": 7, "text": list(texts)}
    at = datetime(2026, 5, 3, 23, 30)
    return find_mentions(pl.DataFrame(frame, schema_overrides={"text": pl.String}).with_columns(at=at), PATTERNS)


def kinds(text: str) -> set[str]:
    return set(said(text)["kind"])


@pytest.mark.parametrize(
    "text, kind",
    [
        ("How do we cancel?", "cancellation"),
        ("We would like to cancel our subscription at the end of the month.", "cancellation"),
        ("Please terminate the contract.", "cancellation"),
        ("Can you explain your cancellation policy?", "cancellation"),
        ("WE ARE CANCELLING.", "cancellation"),
        ("We won't renew.", "cancellation"),
        ("Why can't we cancel our subscription ourselves?", "cancellation"),
        ("If this is not fixed we cancel the contract.", "cancellation"),
        ("We will not be renewing", "cancellation"),
        ("A colleague showed us Helmdesk last week.", "competitor"),
        ("We are evaluating a few alternatives.", "competitor"),
        ("We think of switching to another provider.", "competitor"),
        ("Please export all of our data.", "export"),
        ("Is there a full export of everything?", "export"),
        ("We will migrate our projects away in June.", "export"),
        ("Our lawyers will write to you.", "legal"),
        ("This is a breach of contract!", "legal"),
        ("The budget for tools was cut.", "budget"),
        ("Honestly, we can't afford this any more.", "budget"),
        ("I find it hard to justify the cost.", "budget"),
        ("Our CEO is very unhappy with the outages.", "complaint"),
        ("I want to file a formal complaint.", "complaint"),
        ("We escalated this to our board.", "complaint"),
        ("What is on your roadmap for the mobile app?", "roadmap"),
        ("We are considering upgrading to the business plan.", "upgrade"),
        ("We need ten more seats.", "upgrade"),
    ],
)
def test_each_kind_is_found_with_its_sentence(text: str, kind: str) -> None:
    found = said(f"Hello team, all is well here. {text} Kind regards").filter(pl.col("kind") == kind)
    assert found.height == 1
    assert found["quote"][0].startswith(text.rstrip(".!?"))
    assert found["said_on"][0] == date(2026, 5, 3)


@pytest.mark.parametrize(
    "text",
    [
        "We are not cancelling, do not worry.",
        "We're not going to cancel our subscription.",
        "We have no plans to cancel our contract.",
        "There is no reason to cancel.",
        "I don’t want to cancel our plan.",
        "Could we cancel the meeting on Friday?",
        "How do I cancel an appointment?",
        "We want to cancel the duplicate order from Monday.",
        "How can we cancel this ticket?",
        "Our patients want to cancel online.",
        "Please close the ticket.",
        "We never thought about leaving.",
        "We are not evaluating alternatives.",
        "The tool helps us reduce costs.",
        "It is not too expensive.",
        "We met at the food court.",
        "The report exports to PDF nicely.",
        "Our own roadmap is full, so we start in June.",
        "We do not want to upgrade to the business plan.",
        "The helmdesks are being painted.",
        "Thanks, that solved it!",
        "",
    ],
)
def test_what_is_denied_or_about_something_else_is_not_found(text: str) -> None:
    assert kinds(text) == set()


def test_a_denial_hides_itself_only_and_not_what_is_said_beside_it() -> None:
    assert kinds("Cancel the meeting please, because we want to cancel our subscription.") == {"cancellation"}
    assert kinds("We are not cancelling. How do we cancel the contract, though?") == {"cancellation"}


def test_one_text_counts_once_for_each_kind_that_it_says() -> None:
    found = said("We want to cancel. I said we want to cancel! Helmdesk is cheaper, and our budget was cut.")
    assert sorted(found["kind"]) == ["budget", "cancellation", "competitor"]
    assert found.filter(pl.col("kind") == "cancellation")["quote"].to_list() == ["We want to cancel."]


def test_a_quote_is_a_verbatim_passage_of_at_most_200_characters() -> None:
    text = f"{'Well, ' * 60}we want to cancel our subscription, {'and so on, ' * 40}bye"
    quote = said(text)["quote"][0]
    assert "we want to cancel our subscription" in quote
    assert len(quote) <= MOST
    assert quote in text


def test_texts_without_words_are_passed_over() -> None:
    assert said(None, "", "\n\n", "Cancel our contract").filter(pl.col("source_id") < 4).height == 0
    assert dict(said().schema) == MENTION


def test_a_dot_inside_a_number_or_name_ends_no_sentence() -> None:
    quote = said("Since version 2.5 of app.example we want to cancel. Bye.")["quote"][0]
    assert quote == "Since version 2.5 of app.example we want to cancel."


def changed(tmp_path: Path, old: str, new: str) -> Path:
    text = MENTIONS.read_text()
    assert old in text
    file = tmp_path / "own.toml"
    file.write_text(text.replace(old, new, 1))
    return file


@pytest.mark.parametrize(
    "old, new, message",
    [
        ("'(?:your|a) competitors?'", "'(?:your competitors?'", r"own.toml: competitor: the pattern '\(\?:your compet"),
        ("'(?:your|a) competitors?'", "'(?<!our )competitors?'", r"own.toml: competitor: the pattern .* is broken"),
        ("'our (?:own )?competitors?'", "'(?:our)?'", r"own.toml: competitor: .* matches an empty text"),
        ("'(?:instead", "'((?:instead", r"own.toml: negations: the pattern"),
        ('kind = "legal"', 'kind = "budget"', r"own.toml: the kind 'budget' is declared twice"),
        ('title = "lawyers"', 'titel = "lawyers"', r"own.toml: mentions.3.titl?e?l?"),
        ("competitors = [", "competitor = [", r"own.toml: competitor: unknown key, did you mean 'competitors'"),
        ("competitors = [", "competitors = ", r"own.toml: .*line"),
    ],
)
def test_a_broken_file_is_refused_by_file_kind_and_pattern(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(MentionError, match=message):
        load_mentions(changed(tmp_path, old, new))


def test_a_name_of_the_teams_own_list_counts_and_the_version_changes_with_it(tmp_path: Path) -> None:
    own = load_mentions(changed(tmp_path, '"Orbitas"', '"A+B Suite"'))
    frame = pl.DataFrame({"source": "ticket", "source_id": 1, "account_id": 1, "at": date(2026, 5, 3),
                          "text": "We tried A+B Suite."})  # fmt: skip
    assert find_mentions(frame, own)["kind"].to_list() == ["competitor"]
    assert own.version != PATTERNS.version == load_mentions().version
