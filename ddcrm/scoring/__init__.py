"""Scoring: pure functions from features and models to the published tables; nothing here reads or writes."""
