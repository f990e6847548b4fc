"""python -m bench [day | ingest] [--customers N | --quick]: see bench/README.md."""

from __future__ import annotations

import argparse


def main() -> None:
    """Run one benchmark and print its report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("day", "ingest"), default="day",
                        help="a day's scoring beside the script (default), or a year of Online Retail")  # fmt: skip
    parser.add_argument("--customers", type=int, default=1_000_000, help="size of the shop; about 4 orders each")
    parser.add_argument("--days", type=int, default=730, help="days of the shop")
    parser.add_argument("--quick", action="store_true", help="50,000 customers")
    given = parser.parse_args()
    if given.what == "ingest":
        from bench.online_retail import run as run_ingest

        print(run_ingest())
        return
    from bench.data import Shop
    from bench.day import run as run_day

    print(run_day(Shop(customers=50_000 if given.quick else given.customers, days=given.days)))


if __name__ == "__main__":
    main()
