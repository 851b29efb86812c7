"""From facts to one row of features per account, as of a date; nothing later than the date is read."""

from scoring.features.table import feature_table, with_measures
from scoring.features.usage import NAMES, usage_features

__all__ = ["NAMES", "feature_table", "usage_features", "with_measures"]
