"""Expansion: offers as data, opportunities by rule, propensity learned from history, advice on price."""
