"""From facts to one row of features per account, as of a date; nothing later than the date is read."""

from scoring.features.table import feature_table
from scoring.features.usage import usage_features

__all__ = ["feature_table", "usage_features"]
