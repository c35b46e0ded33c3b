"""The hot path: record and settle usage, in groups, each group in one transaction."""
