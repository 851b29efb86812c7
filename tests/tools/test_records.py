"""What is on file: contacts, tickets, payments, use, timeline, drafts, digests, key figures, notes and reminders."""

from dataclasses import replace
from datetime import timedelta

import pytest
from sqlmodel import select

from scoring.kpis import Retention, mean, middle, nps, share
from storage.models import Note, Role, Subscription, SurveyResponse, Task
from tests.tools.portfolio import TODAY, ago
from tools.account_usage import account_usage
from tools.context import Context
from tools.digests import subscribe
from tools.drafts import draft_outreach
from tools.errors import NotAllowedError, UserError
from tools.kpis import portfolio_kpis
from tools.notes import add_note, remind_me
from tools.records import list_contacts, list_payments, list_tickets
from tools.tasks import list_tasks
from tools.timeline import account_timeline
from tools.waiting import list_digests, list_drafts


def test_contacts_come_with_their_role_and_who_must_not_be_written_to(ctx: Context) -> None:
    rows = {row[0]: row for row in list_contacts(ctx, "Cedar Freight").rows}
    assert rows["Gus Hill"][1:] == ("admin", "gus@customer.example", "–", "here")
    assert rows["Ed Frost"][4] == "wants no messages since 14 Apr 2026"
    assert rows["Flo Grant"][4] == "left on 14 Apr 2026"
    assert list_contacts(ctx, "Acme Group", "champion").text == "Acme Group has 1 champion: Cy Diaz."
    assert list_contacts(ctx, "Granite Bank").text == "Granite Bank has no contact on file."


def test_tickets_are_listed_open_and_escalated_first(ctx: Context) -> None:
    every = list_tickets(ctx)
    assert [row[0] for row in every.rows] == ["Acme Group", "Cedar Freight", "Cedar Freight"]
    assert every.text == "All accounts: 3 tickets, 3 open."
    assert list_tickets(ctx, escalated=True).total == 1
    assert list_tickets(ctx, state="solved").text == "All accounts: 0 solved tickets in the last 90 days."
    assert list_tickets(ctx, owner="Morgan Ames").total == 0
    assert list_tickets(ctx, "Cedar Freight").account_ids


def test_an_overdue_invoice_is_told_with_its_amount(ctx: Context) -> None:
    found = list_payments(ctx, unpaid_only=True)
    assert found.text == "All accounts: $100 overdue in 1 invoice."
    assert found.rows == (("Elm Street Bakery", (100.0, "$100"), "14 Apr 2026", "payment failed 15 Apr 2026"),)
    assert list_payments(ctx, "Acme Group").text == "Acme Group: nothing is overdue."


def test_use_is_a_mean_a_day_against_the_four_weeks_before(ctx: Context) -> None:
    card = account_usage(ctx, "Acme Group")
    assert card.rows[0] == ("active users", (1.0, "1.0"), (5.0, "5.0"), "-80%")  # every second day: 2, and 10 before
    assert len(card.weeks) == 13
    assert "has not used the product" in account_usage(ctx, "Granite Bank").text


def test_the_timeline_tells_what_happened_from_every_source_newest_first(ctx: Context) -> None:
    add_note(ctx, "Acme Group", "asks for  a demo")
    shown = [(kind, words) for _, kind, words in account_timeline(ctx, "Acme Group").rows]
    assert shown[0] == ("note", "asks for a demo (dana@team.example)")
    assert ("ticket", "Export <b>fails</b> “again” (normal, escalated)") in shown
    assert account_timeline(ctx, "Granite Bank", 10).text == "Nothing is on file for Granite Bank in the last 10 days."
    with pytest.raises(UserError, match="1 to 1100 days"):
        account_timeline(ctx, "Acme Group", 5000)


def test_drafts_are_listed_by_what_became_of_them(ctx: Context) -> None:
    assert list_drafts(ctx).text == "No draft waits for a decision."
    draft_outreach(ctx, "Acme Group")
    assert list_drafts(ctx, owner="me").text == "1 draft waits for a decision for accounts of Dana Reyes."
    assert list_drafts(ctx, account="Granite Bank").total == 0
    assert list_drafts(ctx, "sent").text == "No draft is sent."


def test_digests_are_listed(ctx: Context) -> None:
    assert "No channel" in list_digests(ctx).text
    subscribe(ctx, "C1", 8, "Europe/Berlin")
    assert list_digests(ctx).rows == (("#C1", "8:00", "Europe/Berlin"),)


def test_notes_and_reminders_are_kept_for_whom_they_are_for(ctx: Context) -> None:
    said = remind_me(ctx, "Acme Group", "send the deck", (TODAY + timedelta(days=4)).isoformat())
    assert said.text == "I remind you on Friday, 8 May 2026 about Acme Group: “send the deck”"
    assert [row.title for row in list_tasks(ctx).rows] == ["send the deck"]
    with ctx.session() as session:
        assert session.exec(select(Task.owner_email)).all() == ["dana@team.example"]
    for day in (ago(1), TODAY + timedelta(days=1000)):
        with pytest.raises(UserError, match="I can remind you from today until"):
            remind_me(ctx, "Acme Group", "late", day.isoformat())
    with pytest.raises(UserError, match="“Friday” is no day"):
        remind_me(ctx, "Acme Group", "late", "Friday")
    with pytest.raises(UserError, match="after a colon"):
        add_note(ctx, "Acme Group", "  ")
    viewer = ctx.acting(replace(ctx.actor, role=Role.VIEWER))
    for refused in (lambda: add_note(viewer, "Acme Group", "x"), lambda: remind_me(viewer, "Acme Group", "x")):
        with pytest.raises(NotAllowedError):
            refused()
    with ctx.session() as session:
        assert not session.exec(select(Note)).all()


# ── key figures ──


def test_the_formulas_give_the_worked_example() -> None:
    # Three accounts paid 100, 200 and 300 a month. The first grew to 150, the second shrank to 120, the third left;
    # a fourth came with 500, which counts for none of the figures.
    example = Retention({1: 100.0, 2: 200.0, 3: 300.0}, {1: 150.0, 2: 120.0, 4: 500.0})
    assert example.gross == pytest.approx((100 + 120) / 600)
    assert example.net == pytest.approx((150 + 120) / 600)
    assert example.expansion == 50
    assert nps([10, 9, 8, 7, 6, 0]) == pytest.approx(0)  # two promoters, two detractors
    assert nps([10, 10, 9, 3]) == 50
    assert (share(3, 12), share(0, 0), mean([4, 5]), middle([1, 2, 40])) == (0.25, None, 4.5, 2)
    assert (nps([]), mean([]), middle([]), Retention({}, {}).net) == (None, None, None, None)


def test_key_figures_come_from_subscriptions_surveys_and_accounts(ctx: Context) -> None:
    with ctx.session() as session:
        for place, (mrr, start, end) in enumerate(((100, 500, 100), (150, 100, None), (300, 500, 50))):
            session.add(
                Subscription(
                    external_id=f"s{place}", account_id=1 if place < 2 else 2, plan="p", mrr=mrr, start_on=ago(start),
                    end_on=end and ago(end),
                )
            )  # fmt: skip
        for place, score in enumerate((10, 10, 9, 3)):
            answer = {"external_id": f"n{place}", "account_id": 1, "kind": "nps", "answered_on": ago(3)}
            session.add(SurveyResponse(**answer, score=score))
        session.commit()
    figures = {row[0]: row[1] for row in portfolio_kpis(ctx).rows}
    assert figures["Net revenue retention (USD)"] == "37.5%"  # 150 of 400 a month
    assert figures["Gross revenue retention (USD)"] == "25.0%"  # 100 of 400
    assert figures["Expansion in a year (USD)"] == "$600"
    assert figures["NPS"] == "50.0"
    assert figures["Logo churn, month"] == "8.3%"  # one of twelve
