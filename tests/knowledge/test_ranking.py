"""Scores: words, meaning, and names beside the text; nothing outside what is allowed counts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.embedding import embed
from knowledge.ranking import Ranking, Words, said

TEXTS = ["renewal call with the sponsor", "renewal price", "declined card", "a story of growth"]
NAMES = ["Renewals", "Payments", "Growth"]
OWNERS = np.array([0, 0, 1, 2])
RANKING = Ranking(OWNERS, TEXTS, embed(TEXTS), np.arange(3), embed(NAMES), NAMES)
ALLOWED = np.ones(3, dtype=bool)


def test_words_are_found_by_their_stems() -> None:
    scores = Words(["Renewing contracts", "payments"]).scores("renewal of a contract")
    assert scores[0] > 0
    assert scores[1] == 0


@pytest.mark.parametrize("texts", [[], [""], ["the of and"], ["…"]])
def test_texts_without_words_score_nothing(texts: list[str]) -> None:
    assert Words(texts).scores("renewal").tolist() == [0.0] * len(texts)


def test_a_rare_word_weighs_more_than_a_common_one() -> None:
    scores = Words(["renewal sponsor", "renewal price", "renewal call", "renewal plan"]).scores("renewal sponsor price")
    assert scores[0] > scores[2]
    assert scores[1] > scores[3]


def test_addresses_and_tags_are_not_compared() -> None:
    text = "See [the plan](https://example.com/secret/path) <b>now</b> at https://example.com/other."
    assert said(text).split() == ["See", "[the", "plan", "now", "at"]


def test_a_document_s_name_lifts_all_its_passages() -> None:
    signals = RANKING.signals("renewals", embed(["renewals"])[0], ALLOWED)
    assert signals.name_words.tolist() == [1, 1, 0, 0]
    assert signals.name_similarity[0] == signals.name_similarity[1] == pytest.approx(1, abs=1e-5)


def test_without_a_vector_words_alone_count() -> None:
    signals = RANKING.signals("declined card", None, ALLOWED)
    assert signals.similarity.sum() == signals.name_similarity.sum() == 0
    assert signals.score.argmax() == 2


def test_the_best_match_is_sought_among_what_is_allowed() -> None:
    signals = RANKING.signals("renewal of a declined card", None, np.array([False, True, False]))
    assert signals.words.tolist() == [0, 0, 1, 0]


@given(st.text(max_size=80), st.lists(st.booleans(), min_size=3, max_size=3))
def test_every_signal_lies_between_0_and_1(query: str, allowed: list[bool]) -> None:
    signals = RANKING.signals(query, embed([query])[0], np.array(allowed))
    for values in (signals.words, signals.name_words, signals.similarity, signals.name_similarity, signals.score):
        assert values.shape == (4,)
        assert np.all((values >= 0) & (values <= 1 + 1e-5))
