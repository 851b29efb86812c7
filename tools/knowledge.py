"""Look things up: passages of plays, case studies, articles and the team's documents, each with where it stands."""

from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from knowledge.reading import MOST_BYTES, Problem
from knowledge.snapshot import Hit
from storage.models import Audit, Role
from tools.account_query import subject_of
from tools.context import Context
from tools.errors import UserError
from tools.facts import FactSheet, Result, day, plural
from tools.knowledge_base import Indexed
from tools.stages import stage_now

Kind = Literal["play", "case_study", "article", "document"]
LIKE_ENOUGH = 0.5  # similarity of the best passage: below, nothing that is there speaks of it
MOST_HITS = 10
SUFFIXES = (".md", ".markdown", ".txt", ".html", ".htm", ".pdf", ".docx")


@dataclass(frozen=True)
class Passages(Result):
    """Passages that answer a question, the best first; `notice` says when they come from less than everything."""

    hits: tuple[Hit, ...] = ()
    question: str = ""
    notice: str = ""
    as_of: date = date.min


def search_knowledge(
    ctx: Context, question: str, kind: Kind | None = None, account: str | None = None, limit: int = 3
) -> Passages:
    """Find what the playbooks, case studies, articles and the team's documents say, with where it stands.

    Args:
        question: what to look for, in plain words.
        kind: only plays, case studies, articles or the team's own documents.
        account: an account's name; what is meant for its industry, segment and plan comes first.
        limit: how many passages, at most 10.
    """
    facets: dict[str, str] = {}
    if account:
        with ctx.session() as session:
            found, _, _ = subject_of(ctx, session, account)
            wanted = {
                "industry": found.industry,
                "segment": found.segment,
                "stage": stage_now(session, found),
                "plan": found.plan,
            }
            facets = {name: value for name, value in wanted.items() if value}
    if ctx.knowledge is None:
        raise UserError("There is no library here.")
    index = ctx.knowledge.index(ctx.workspace_id)
    kinds = (kind,) if kind else ()
    asked: dict[str, Any] = {"kinds": kinds, "account": facets, "limit": max(1, min(limit, MOST_HITS))}
    told = index.search(question, ctx.today(), **asked, only=_own_industry(kind, facets))
    if not told.hits:  # better a story of another industry than none
        told = index.search(question, ctx.today(), **asked)
    hits = told.hits if told.hits and max(hit.similarity for hit in told.hits) >= LIKE_ENOUGH else ()
    sheet = FactSheet(ctx.today())
    for hit in hits:
        sheet.add(hit.title, hit.section or "passage", hit.text, "text", hit.citation, "document")
    return Passages(_words(question, hits), tuple(sheet), (), tuple(hits), question, told.notice, ctx.today())


def _own_industry(kind: Kind | None, facets: dict[str, str]) -> dict[str, str]:
    """A story convinces those of the same industry."""
    return {"industry": facets["industry"]} if kind == "case_study" and "industry" in facets else {}


def sync_documents(ctx: Context) -> Indexed:
    """Bring the workspace's index to what the documents are now.

    Raises:
        UserError: there is no library here.
    """
    if ctx.knowledge is None:
        raise UserError("There is no library here.")
    return ctx.knowledge.sync(ctx.workspace_id)


def add_document(ctx: Context, name: str, content: bytes) -> str:
    """Keep a document of the team and index it. Returns what was done.

    Args:
        name: of the file; what leads out of the folder is cut off.

    Raises:
        UserError: a kind that cannot be read, or too large.
    """
    ctx.require(Role.ADMIN)
    if ctx.knowledge is None:
        raise UserError("There is no library here.")
    plain = name.replace("\\", "/").rsplit("/", 1)[-1].lstrip(".") or "document"
    if not plain.lower().endswith(SUFFIXES):
        raise UserError(f"I cannot read “{plain}”. I read {', '.join(SUFFIXES)}.")
    if len(content) > MOST_BYTES:
        raise UserError(f"“{plain}” has {len(content) / 1e6:.0f} MB; I read files up to {MOST_BYTES / 1e6:.0f} MB.")
    place = ctx.knowledge.documents_of(ctx.workspace_id)
    place.mkdir(parents=True, exist_ok=True)
    (place / plain).write_bytes(content)
    done = ctx.knowledge.sync(ctx.workspace_id)
    trouble: Problem | None = next((p for p in done.problems if p.location.endswith(plain)), None)
    if trouble is not None:
        (place / plain).unlink()
        raise UserError(f"“{plain}” {trouble.reason}")
    with ctx.session() as session:
        session.add(Audit(at=ctx.now(), actor=ctx.actor.email, action="document.add", subject=f"document:{plain[:80]}",
                          before={}, after={"bytes": len(content)}))  # fmt: skip
        session.commit()
    return f"“{plain}” can be found now. The same name again replaces it."


def _words(question: str, hits: tuple[Hit, ...]) -> str:
    if not hits:
        return (
            "I find nothing in the playbooks, case studies, articles or your documents that speaks of this. "
            "Try other words, or add a document that does."
        )
    first = hits[0]
    more = f" and {plural(len(hits) - 1, 'further passage')}" if len(hits) > 1 else ""
    return f"I find {first.citation}{more}."


def reviewed(hit: Hit) -> str:
    """Say until when a passage counts as reviewed."""
    return f"review by {day(hit.review_by)}" if hit.review_by else ""
