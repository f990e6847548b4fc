"""python -m bench [day | scale | script | ingest | restate | models] [--customers N | --quick]: see bench/README.md."""

from __future__ import annotations

import argparse

from bench.keys import KEYS


def main() -> None:
    """Run one benchmark and print its report."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("what", nargs="?", default="day",
                        choices=("day", "scale", "script", "ingest", "restate", "models"),
                        help="a day's scoring beside the script (default); ddcrm's day at two sizes; the script alone, "
                             "after a day; a year of Online Retail; that year restated; the models beside "
                             "lifetimes and pymc-marketing")  # fmt: skip
    parser.add_argument("--customers", type=int, default=1_000_000, help="size of the shop; about 4 orders each")
    parser.add_argument("--days", type=int, default=730, help="days of the shop")
    parser.add_argument("--quick", action="store_true", help="50,000 customers")
    parser.add_argument("--insert", choices=("plain", "multi", "copy"), default="plain",
                        help="with `script`: how its to_sql inserts")  # fmt: skip
    parser.add_argument("--keys", choices=KEYS, default="padded",
                        help="with `models`: what the customers' keys look like")  # fmt: skip
    given = parser.parse_args()
    if given.what == "ingest":
        from bench import online_retail

        print(online_retail.run())
        return
    if given.what == "restate":
        from bench import restate

        print(restate.run())
        return
    if given.what == "scale":
        from bench import scale

        print(scale.run(given.customers, given.days))
        return
    from bench.data import Shop
    from bench.day import run, run_script_alone

    shop = Shop(customers=50_000 if given.quick else given.customers, days=given.days)
    if given.what == "models":
        from bench import models

        print(models.run(shop, given.keys))
        return
    print(run(shop) if given.what == "day" else run_script_alone(shop, given.insert))


if __name__ == "__main__":
    main()
