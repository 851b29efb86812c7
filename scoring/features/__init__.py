"""From facts to one row of features per account, as of a date; nothing later than the date is read."""

from scoring.features.table import feature_table
from scoring.features.usage import collect_usage, usage_features

__all__ = ["collect_usage", "feature_table", "usage_features"]
