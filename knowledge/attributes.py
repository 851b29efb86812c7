"""What predicates of plays may ask besides the features of the catalogue; whoever runs plays provides it."""

from typing import Literal

# name -> (type, meaning); what is not known of an account is null, and meets no condition
ATTRIBUTES: dict[str, tuple[Literal["text", "number"], str]] = {
    "status": ("text", "trial, active, paused or churned"),
    "plan": ("text", "the product plan"),
    "segment": ("text", "commercial size class"),
    "sub_segment": ("text", "the team's own finer class, such as individual_miner"),
    "industry": ("text", "industry of the account"),
    "stage": ("text", "lifecycle stage"),
    "tags": ("text", "the account's tags, joined with spaces"),
    "scorecard": ("text", "id of the scorecard that scored it"),
    "band": ("text", "band of the health score, as its scorecard names it"),
    "band_colour": ("text", "colour of the band: green, yellow, orange or red"),
    "loyalty_tier": ("text", "bronze, silver, gold, platinum or diamond"),
    "arr": ("number", "revenue a year"),
    "health": ("number", "health score, 0 to 100"),
    "health_change_7d": ("number", "points of health against 7 days ago"),
    "band_days": ("number", "days in the present band without a break"),
    "churn_probability": ("number", "probability of loss within the model's horizon, 0 to 1"),
    "opportunity_score": ("number", "score of the best open expansion opportunity, 0 to 100"),
    "usage_rank": ("number", "share of the portfolio that uses it less, 0 to 1"),
    "days_since_churn": ("number", "days since the account was lost"),
    "days_since_testimonial_request": ("number", "days since a testimonial was last asked for"),
    "days_since_survey": ("number", "days since any survey was last sent"),
    "days_since_resolution": ("number", "days since a ticket was last resolved"),
    "days_since_new_feature": ("number", "days since a feature was first used"),
    "days_to_anniversary": ("number", "days to the next anniversary of the start"),
    "days_to_birthday": ("number", "days to the next birthday of a contact who told us"),
}
