"""What a document can be: a play, a case study, an article or a message template, each with strict keys."""

import re
from datetime import date
from typing import Annotated, Literal

import polars as pl
from polars.exceptions import PolarsError
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Owner = Literal["csm", "cs_manager", "support_lead", "account_manager", "executive", "billing"]
Channel = Literal["email", "slack", "sms", "in_app", "call", "video", "task", "webhook"]
Level = Literal["high", "medium", "low"]
LEVELS = ("high", "medium", "low")
WRITTEN = ("email", "slack", "sms", "in_app")  # channels on which a message of ours reaches a customer
PLAY_SECTIONS = (
    "Why",
    "What to say",
    "What to avoid",
    "Steps in words",
    "How we know it worked",
    "When to stop",
)
CASE_SECTIONS = ("Challenge", "Action", "Result")
_HOURS = {"h": 1, "d": 24, "wd": 24}


def _sql(text: str) -> str:
    try:
        pl.sql_expr(text)
    except (PolarsError, TypeError) as error:
        raise ValueError(f"this is no SQL predicate: {str(error).splitlines()[0]}") from error
    return text


def _level_or_sql(text: str) -> str:
    return text if text in LEVELS else _sql(text)


Predicate = Annotated[str, AfterValidator(_sql)]
Delay = Annotated[str, Field(pattern=r"^\d+(h|d|wd)$", description="such as 4h, 3d, or 2wd for working days")]


class Strict(BaseModel):
    """A part of a document: it refuses keys that it does not know, and never changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Document(Strict):
    """The head that every document has.

    Args:
        owner: the role that keeps it true.
        review_by: after this day it has to be read again.
        industries, segments, stages, plans: whom it is about; empty stands for all.
        examples: questions that it answers, in people's words.
    """

    id: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    owner: Owner
    review_by: date
    industries: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()
    plans: tuple[str, ...] = ()
    examples: tuple[str, ...] = ()
    body: str = Field(min_length=1)

    def expired(self, today: date) -> bool:
        """Tell whether the day of its review has passed."""
        return today > self.review_by

    @property
    def sections(self) -> dict[str, str]:
        """The body's parts by their headings of the second level."""
        parts = re.split(r"^## +(.+)$", self.body, flags=re.M)
        return {title.strip(): text.strip() for title, text in zip(parts[1::2], parts[2::2], strict=True)}


class Template(Document):
    """A message to a contact.

    Args:
        id: also the purpose that a draft is asked for by.
        ask: what the message asks for, in a few words, for the reviewer.
        channel: how it reaches the contact; an email has a subject.
        roles: contacts to write to, the first that is there.
        observations: which observations it may use, in order of preference.
        most: how many observations it says at most.
        message_class: what consent and limits apply: service is about the account's own use, contract or support.
        high_risk: it speaks for the top, of offers or terms, or to somebody who has left: never without a person.
        examples: requests that it answers; without any only plays use it.
    """

    kind: Literal["template"]
    ask: str
    channel: Literal["email", "slack", "sms", "in_app"] = "email"
    roles: tuple[str, ...] = Field(min_length=1)
    observations: tuple[str, ...] = Field(min_length=2)
    most: int = Field(default=3, ge=2)
    high_risk: bool = False
    message_class: Literal["service", "marketing", "testimonial"] = "service"
    subject: str = ""

    @model_validator(mode="after")
    def _an_email_has_a_subject(self) -> "Template":
        if self.channel == "email" and not self.subject:
            raise ValueError("an email needs a subject")
        return self


class Trigger(Strict):
    """What starts a play: any of the signals, a predicate, or both at once.

    Args:
        branch: what counts as high, medium or low use, for steps that name a level.
    """

    signals: tuple[str, ...] = ()
    when: Predicate | None = None
    branch: dict[Level, Predicate] = {}

    @model_validator(mode="after")
    def _something_starts_it(self) -> "Trigger":
        if not self.signals and self.when is None:
            raise ValueError("nothing starts the play: name `signals`, write a `when`, or both")
        return self


class Step(Strict):
    """One touchpoint of a play.

    Args:
        after: time from the play's start; `wd` counts working days.
        template: the message, for a channel that reaches a customer; `variants` name others to compare with it.
        times: other delays to compare with `after`, by variant.
        text: what a colleague does, for the other channels.
        when: a predicate, or a level of use, that has to hold when the step is due.
    """

    id: str
    after: Delay
    channel: Channel
    actor: Literal["assistant", "csm", "executive", "support", "account_manager"]
    template: str | None = None
    text: str | None = None
    when: Annotated[str, AfterValidator(_level_or_sql)] | None = None
    variants: dict[str, str] = {}
    times: dict[str, Delay] = {}
    goal: str

    @model_validator(mode="after")
    def _words_fit_the_channel(self) -> "Step":
        needed, other = ("template", "text") if self.channel in WRITTEN else ("text", "template")
        if getattr(self, needed) is None or getattr(self, other) is not None:
            raise ValueError(f"a step on the channel {self.channel} needs a `{needed}` and no `{other}`")
        return self

    @property
    def delay(self) -> tuple[int, str]:
        """The time after the play's start as amount and unit: h, d or wd."""
        found = re.fullmatch(r"(\d+)(\w+)", self.after)
        assert found  # the pattern of `Delay`
        return int(found[1]), found[2]

    @property
    def hours(self) -> int:
        """The earliest time after the start, in hours: a working day takes at least a day."""
        amount, unit = self.delay
        return amount * _HOURS[unit]

    @property
    def arms(self) -> set[str]:
        """The variants that it has besides the standard one."""
        return {*self.variants, *self.times}

    def of(self, variant: str) -> "Step":
        """The step as an account of this variant gets it."""
        changed = {"after": self.times.get(variant, self.after), "template": self.variants.get(variant, self.template)}
        return self.model_copy(update=changed)

    @property
    def templates(self) -> tuple[str, ...]:
        """Every template that the step may send."""
        return tuple(filter(None, (self.template, *self.variants.values())))


class Play(Document):
    """A playbook that people read, the assistant finds, and the engine runs.

    Args:
        urgency: immediate within 24 hours, soon within 1-7 days, planned within 7-30 days, routine otherwise.
        audience: a predicate; an account that it no longer holds for leaves the play.
        goal: a predicate that ends the play as successful, asked before the audience is; an account for which it
            holds already does not start. Without a goal the play ends with its last step.
        goal_within_days: how long after the start the goal still counts.
        cool_down_days: how long after its start it does not start again for the same account.
        holdout: share of accounts that receive nothing, so that its effect can be measured.
    """

    kind: Literal["play"]
    urgency: Literal["immediate", "soon", "planned", "routine"]
    trigger: Trigger
    audience: Predicate
    goal: Predicate | None = None
    goal_within_days: int = Field(ge=1)
    success_metric: str
    stop: tuple[Literal["goal_met", "reply", "opt_out", "left_audience", "person"], ...] = Field(min_length=1)
    cool_down_days: int = Field(ge=1)
    holdout: float = Field(default=0, ge=0, le=0.5)
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _it_can_run(self) -> "Play":
        names = [step.id for step in self.steps]
        for variant in ("", *sorted({arm for step in self.steps for arm in step.arms})):
            steps = [step.of(variant) for step in self.steps]
            for step, before in zip(steps[1:], steps, strict=False):
                if step.hours < before.hours:
                    where = f"'{before.id}'{f' in the variant {variant}' if variant else ''}"
                    raise ValueError(f"step '{step.id}' is due before {where}: write the steps in order of time")
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"two steps are called '{min(twice)}'")
        if strange := {step.when for step in self.steps if step.when in LEVELS} - set(self.trigger.branch):
            raise ValueError(f"steps ask for {min(strange, key=str)} use: say in `trigger.branch` what that is")
        if ("goal_met" in self.stop) != (self.goal is not None):
            raise ValueError("`goal` and `goal_met` in `stop` belong together: write both or neither")
        _headed(self, PLAY_SECTIONS)
        return self

    @property
    def predicates(self) -> dict[str, str]:
        """Every predicate by the key it stands under, to be checked against the columns that there are."""
        found = {"audience": self.audience, "goal": self.goal, "trigger.when": self.trigger.when}
        found |= {f"trigger.branch.{level}": text for level, text in self.trigger.branch.items()}
        found |= {f"steps.{step.id}.when": step.when for step in self.steps if step.when not in LEVELS}
        return {key: text for key, text in found.items() if text is not None}


class Outcome(Strict):
    """One measured result of a case study."""

    measure: str
    before: float
    after: float
    unit: str


class Quote(Strict):
    """What a customer said; one of an invented customer is marked as a sample too."""

    text: str
    by: str
    sample: bool


class CaseStudy(Document):
    """What one customer wanted, did and reached; `sample` marks an invented one."""

    kind: Literal["case_study"]
    account: str
    sample: bool
    industry: str
    segment: str
    results: tuple[Outcome, ...] = Field(min_length=1)
    quote: Quote | None = None

    @model_validator(mode="after")
    def _it_is_whole(self) -> "CaseStudy":
        if self.quote and self.quote.sample != self.sample:
            raise ValueError("the quote and the case study must both be samples, or neither")
        _headed(self, CASE_SECTIONS)
        return self


class Article(Document):
    """Something for colleagues to read."""

    kind: Literal["article"]


def _headed(document: Document, titles: tuple[str, ...]) -> None:
    """Check that the body has exactly these sections, in this order, each with text."""
    if tuple(document.sections) != titles or not all(document.sections.values()):
        raise ValueError(f"the body needs these sections, in this order, each with text: {', '.join(titles)}")


KINDS: dict[str, type[Play | CaseStudy | Article | Template]] = {
    "play": Play,
    "case_study": CaseStudy,
    "article": Article,
    "template": Template,
}
