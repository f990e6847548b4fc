"""What the month's tests ask the warehouse, and what its readers ask it all the while."""

from __future__ import annotations

from typing import Any

from ddcrm.settings import Settings
from tests.pipeline.reading import rows
from tests.warehouse.polling import Answers

DIGESTS = "SELECT as_of, table_name, rows, digest FROM ops.publications ORDER BY 1, 2"
MODELS = "SELECT name, version, trained_as_of, data_digest, fingerprint FROM ops.models ORDER BY 1, 2"
BATCHES = ("SELECT source, batch_date, contract_version, landed, conformed, quarantined, excluded, duplicates, digest "
           "FROM ops.batches ORDER BY 1, 2")  # fmt: skip
VERSIONS = ("SELECT contract_version, min(batch_date), max(batch_date) FROM ops.batches WHERE source = 'orders' "
            "GROUP BY 1 ORDER BY 1")  # fmt: skip
READERS = {
    "all days": "SELECT as_of, count(*), sum(monetary_value) FROM crm.customer_scores GROUP BY 1 ORDER BY 1",
    "the current day": "SELECT min(as_of), count(*), sum(monetary_value) FROM crm.current_customer_scores",
    "segments": "SELECT as_of, scheme, segment, count(*) FROM crm.customer_segments GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
    "current profiles": "SELECT scheme, segment, customers, monetary_value_mean FROM crm.current_segment_profiles "
    "ORDER BY 1, 2",
}
CURRENT = (
    "SELECT (SELECT md5(string_agg(s::text, ',' ORDER BY s.customer_id)) FROM crm.current_customer_scores s), "
    "(SELECT md5(string_agg(p::text, ',' ORDER BY p.scheme, p.segment)) FROM crm.current_segment_profiles p)"
)


def read(settings: Settings) -> dict[str, tuple[Any, ...]]:
    """What each reader sees now."""
    return {name: tuple(rows(settings, statement)) for name, statement in READERS.items()}


def check_seen(answers: Answers, old: dict[str, tuple[Any, ...]], new: dict[str, tuple[Any, ...]]) -> None:
    """Each reader has seen the old and the new, which differ, and nothing else."""
    for name, seen in answers.items():
        assert {answer for _, answer in seen} == {old[name], new[name]}, name
        assert old[name] != new[name], name
