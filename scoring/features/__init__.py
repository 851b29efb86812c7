"""From facts to one row of features per account, as of a date; nothing later than the date is read."""

from scoring.features.table import feature_table, with_measures
from scoring.features.usage import NAMES, collect_usage, usage_features

__all__ = ["NAMES", "collect_usage", "feature_table", "usage_features", "with_measures"]
