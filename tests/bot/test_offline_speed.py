"""The offline model answers fast, also with many accounts."""

import random
import statistics
import time

import pytest

from bot.offline import plan_calls
from bot.slots import Lexicon
from tests.bot.portfolio import PEOPLE, PLANS, TODAY
from tests.bot.test_offline_questions import QUESTIONS
from tools.names import NameIndex

BEGINNINGS = ("Amber", "Birch", "Cedar", "Dell", "Ember", "Fern", "Gorse", "Hazel", "Ivy", "Juniper", "Kestrel", "Lark")
MIDDLES = ("brook", "field", "gate", "haven", "mere", "moor", "shaw", "stead", "thorpe", "wick", "wood", "worth")
ENDS = ("Dental", "Legal", "Foods", "Energy", "Systems", "Labs", "Partners", "Education", "Interiors", "Logistics")


def many_names(count: int) -> dict[int, str]:
    pick = random.Random(7)
    parts = (BEGINNINGS, MIDDLES, MIDDLES, ENDS)
    return {n: "{}{}{} {} ".format(*map(pick.choice, parts)) + f"{n:x}" for n in range(count)}


@pytest.mark.parametrize("accounts, most", [(400, 0.030), (100_000, 0.150)])
def test_understanding_a_question_is_quick(accounts: int, most: float) -> None:
    lexicon = Lexicon(NameIndex(many_names(accounts)), PEOPLE, PLANS, (), TODAY)
    questions = [q["question"] for q in QUESTIONS if "recent" not in q][:60]
    plan_calls(questions[0], lexicon)
    took = []
    for question in questions:
        start = time.perf_counter()
        plan_calls(question, lexicon)
        took.append(time.perf_counter() - start)
    print(f"\n{accounts:,} names: median {statistics.median(took) * 1e3:.1f} ms, slowest {max(took) * 1e3:.1f} ms")
    assert statistics.median(took) < most
