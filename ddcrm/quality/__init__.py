"""Is the data acceptable? Suites, checks of batches and tables, the gate, freshness and volume (docs/quality.md)."""
