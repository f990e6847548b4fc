"""Benchmarks: what a day costs, and what the script that a user would write instead costs on the same machine."""
