"""The same portfolio gives the same answers on PostgreSQL, and decisions and deliveries count once there too."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage.database import Database
from storage.usage import UsageStore
from tests.tools.portfolio import context, fill
from tools import approvals, digests, outbox
from tools.accounts import account_brief, find_accounts
from tools.context import Context
from tools.drafts import draft_outreach
from tools.errors import UserError
from tools.insights import explain_health
from tools.portfolio import portfolio_summary
from tools.refresh import refresh


@pytest.fixture(scope="module")
def on_postgresql(postgres: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Context]:
    url = postgres.create("template")
    database = Database(url)
    ctx = context(database, UsageStore(str(tmp_path_factory.mktemp("usage"))))
    fill(ctx)
    yield ctx
    database.engine.dispose()
    postgres.drop(url)


@pytest.mark.parametrize("sort", ["revenue_at_risk", "arr", "health", "renewal", "trend", "name"])
def test_lists_have_the_same_rows_in_the_same_order(ctx: Context, on_postgresql: Context, sort: Any) -> None:
    ours, theirs = (find_accounts(each, sort=sort, limit=100) for each in (ctx, on_postgresql))
    assert [row.external_id for row in ours.rows] == [row.external_id for row in theirs.rows]
    assert (ours.text, ours.arr_total) == (theirs.text, theirs.arr_total)


@pytest.mark.parametrize("account", ["Acme Group", "Iris Studio", "Gone Limited", "Elm Street Bakery"])
def test_briefs_explanations_and_drafts_are_the_same(ctx: Context, on_postgresql: Context, account: str) -> None:
    both = (ctx, on_postgresql)
    assert len({account_brief(each, account).text for each in both}) == 1
    assert len({explain_health(each, account).text for each in both}) == 1
    assert len({portfolio_summary(each).text for each in both}) == 1
    if account != "Gone Limited":
        assert len({draft_outreach(each, account).body for each in both}) == 1


def test_digests_are_the_same(ctx: Context, on_postgresql: Context) -> None:
    cards = [digests.compose_digest(each, digests.subscribe(each, "C1", 8, "UTC"), each.today()) for each in
             (ctx, on_postgresql)]  # fmt: skip
    assert cards[0].text == cards[1].text
    assert cards[0].expected_loss == cards[1].expected_loss
    digests.keep_digest(on_postgresql, digests.subscribe(on_postgresql, "C1", 8, "UTC"), cards[1])


def test_one_of_many_approvals_and_one_of_many_claims_count(on_postgresql: Context) -> None:
    card = draft_outreach(on_postgresql, "Acme Group", "check_in")
    approved: list[int] = []
    claimed: list[int] = []

    def decide() -> None:
        try:
            approved.append(approvals.approve(on_postgresql, card.id, card.content_hash).id)
        except UserError:
            return

    def claim() -> None:
        parcel = outbox.claim_next(on_postgresql)
        claimed.extend([parcel.draft_id] if parcel else [])

    for call in (decide, claim):
        threads = [threading.Thread(target=call) for _ in range(12)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (approved, claimed) == ([card.id], [card.id])


def test_scoring_writes_each_day_once(on_postgresql: Context, tmp_path: Path) -> None:
    from dataclasses import replace

    from storage.importing import import_frames
    from tests.tools.portfolio import frames

    fresh = replace(on_postgresql, workspace_id="fresh", usage=UsageStore(str(tmp_path / "usage")))
    with fresh.session() as session:
        import_frames(session, fresh.usage, frames(), now=fresh.now())
    assert refresh(fresh).accounts == 11
    assert refresh(fresh).days_written == 0
