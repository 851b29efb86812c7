"""Look for what is odd about rows that are fine one by one."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

from storage.importing.entities import ENTITIES
from storage.importing.report import Finding

EXAMPLES = 5


@dataclass(frozen=True)
class Check:
    """A question in SQL whose answer is the offending rows, examples in the first column.

    Args:
        name: short name, kept in reports.
        needs: the tables that must be there for the question to make sense.
        sql: selects the offending rows.
        sentence: says it, with {count}, {total} and {share}.
        of: the table whose rows are the total.
    """

    name: str
    needs: tuple[str, ...]
    sql: str
    sentence: str
    of: str = ""


CHECKS = (
    Check(
        "churned_without_date",
        ("accounts",),
        "select external_id from accounts where status = 'churned' and churned_on is null",
        "{count} churned accounts have no churn date: they cannot teach or test churn prediction",
    ),
    Check(
        "churn_date_without_flag",
        ("accounts",),
        "select external_id from accounts where status <> 'churned' and churned_on is not null",
        "{count} accounts have a churn date but are not marked as churned",
    ),
    Check(
        "duplicate_names",
        ("accounts",),
        "select name from accounts group by name having count(*) > 1",
        "{count} names belong to several accounts: questions about them need the id",
    ),
    Check(
        "accounts_without_owner",
        ("accounts",),
        "select external_id from accounts where owner_email is null and status <> 'churned'",
        "{count} of {total} accounts ({share}) have no owner: no CSM is told about them",
        of="accounts",
    ),
    Check(
        "owners_not_users",
        ("accounts", "users"),
        "select distinct owner_email from accounts where owner_email not in (select email from users)",
        "{count} owners of accounts are not among the users",
    ),
    Check(
        "accounts_without_usage",
        ("accounts", "usage"),
        "select external_id from accounts where external_id not in (select account from usage)",
        "{count} of {total} accounts ({share}) have no usage at all",
        of="accounts",
    ),
    Check(
        "usage_outside_subscriptions",
        ("usage", "subscriptions"),
        """select u.account || ' on ' || u.day from usage u
           semi join (select distinct account from subscriptions) s on s.account = u.account
           anti join subscriptions p on p.account = u.account and u.day >= p.start_on
                and (p.end_on is null or u.day <= p.end_on)""",
        "{count} of {total} account-days of usage ({share}) lie outside every subscription of the account",
        of="usage",
    ),
    Check(
        "usage_before_start",
        ("usage", "accounts"),
        """select u.account || ' on ' || u.day from usage u join accounts a on a.external_id = u.account
           where u.day < a.started_on""",
        "{count} of {total} account-days of usage ({share}) come before the account started",
        of="usage",
    ),
    Check(
        "usage_after_churn",
        ("usage", "accounts"),
        """select u.account || ' on ' || u.day from usage u join accounts a on a.external_id = u.account
           where u.day > a.churned_on""",
        "{count} of {total} account-days of usage ({share}) come after the account was lost",
        of="usage",
    ),
    Check(
        "usage_in_future",
        ("usage",),
        "select account || ' on ' || day from usage where day > (select today from clock)",
        "{count} of {total} account-days of usage ({share}) are dated in the future",
        of="usage",
    ),
    Check(
        "tickets_before_start",
        ("tickets", "accounts"),
        """select t.external_id from tickets t join accounts a on a.external_id = t.account
           where t.opened_at::date < a.started_on""",
        "{count} of {total} tickets ({share}) were opened before the account started",
        of="tickets",
    ),
    Check(
        "tickets_resolved_before_opened",
        ("tickets",),
        "select external_id from tickets where resolved_at < opened_at",
        "{count} of {total} tickets ({share}) were resolved before they were opened",
        of="tickets",
    ),
    Check(
        "tickets_answered_before_opened",
        ("tickets",),
        "select external_id from tickets where first_response_at < opened_at",
        "{count} of {total} tickets ({share}) were answered before they were opened",
        of="tickets",
    ),
    Check(
        "tickets_in_future",
        ("tickets",),
        "select external_id from tickets where opened_at::date > (select today from clock)",
        "{count} of {total} tickets ({share}) are dated in the future",
        of="tickets",
    ),
    Check(
        "nps_out_of_scale",
        ("surveys",),
        "select external_id from surveys where kind = 'nps' and score > 10",
        "{count} NPS answers are above 10: is it the score of the whole survey?",
    ),
    Check(
        "overlapping_subscriptions",
        ("subscriptions",),
        """select account from subscriptions
           qualify start_on < max(coalesce(end_on, date '9999-12-31')) over (
               partition by account order by start_on, external_id
               rows between unbounded preceding and 1 preceding)""",
        "{count} of {total} subscriptions ({share}) start before an earlier one of the account has ended",
        of="subscriptions",
    ),
    Check(
        "invoices_paid_before_issue",
        ("invoices",),
        "select external_id from invoices where paid_on < issued_on",
        "{count} of {total} invoices ({share}) were paid before they were issued",
        of="invoices",
    ),
    Check(
        "no_core_features",
        ("features",),
        "select 'no feature is marked as core' where not exists (select 1 from features where core)",
        "no feature is marked as core: core feature share will have no data",
    ),
)


def look(views: dict[str, pl.DataFrame], checks: Iterable[Check] = CHECKS) -> list[Finding]:
    """Ask every question whose tables are there, and return those with an answer."""
    connection = connect(views)
    asked = (check for check in checks if set(views).issuperset(check.needs))
    found = [_finding(connection, check, views) for check in asked]
    return [finding for finding in found if finding.count]


def connect(views: dict[str, pl.DataFrame]) -> Any:
    """Return a DuckDB connection that sees these frames as views, and no file or network."""
    import duckdb

    connection = duckdb.connect()
    for name, frame in views.items():
        connection.register(name, frame)
    connection.execute("set enable_external_access = false")
    return connection


def missing(supplied: set[str]) -> list[Finding]:
    """Say what Tend cannot tell because nobody supplied an entity."""
    gaps = [entity for entity in ENTITIES.values() if entity.without and entity.name not in supplied]
    return [Finding(f"no_{e.name}", 1, None, f"no {e.name} file: {e.without}") for e in gaps]


def unknown_accounts(entity: str, ids: list[str]) -> list[Finding]:
    """Say that rows refer to accounts that do not exist."""
    if not ids:
        return []
    sentence = f"{len(ids):,} account ids in {entity} belong to no account; their rows were rejected"
    return [Finding(f"{entity}_of_unknown_accounts", len(ids), None, sentence, ids[:EXAMPLES])]


def nearest(word: str, words: Iterable[str]) -> str:
    """Return a hint that names the most similar of `words`."""
    known = {name.lower(): name for name in sorted(words) if not name.startswith("_")}
    near = difflib.get_close_matches(word.lower(), known, 1)
    return f"did you mean `{known[near[0]]}`?" if near else f"known: {', '.join(known.values())}"


def _finding(connection: Any, check: Check, views: dict[str, pl.DataFrame]) -> Finding:
    rows = connection.sql(check.sql).pl()
    total = views[check.of].height if check.of else 0
    share = rows.height / total if total else None
    said = check.sentence.format(
        count=f"{rows.height:,}", total=f"{total:,}", share="" if share is None else f"{share:.1%}"
    )
    examples = [str(value) for value in rows.to_series(0).head(EXAMPLES)]
    return Finding(check.name, rows.height, None if share is None else round(share, 6), said, examples)
