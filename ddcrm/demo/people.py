"""The shop's customers as its database keeps them: a row for each version of a customer, the newest last."""

from __future__ import annotations

import unicodedata

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from ddcrm.demo import words
from ddcrm.demo.clock import office_seconds
from ddcrm.demo.parameters import Company
from ddcrm.demo.purchases import Truth

PROSPECT_SHARE = 0.08  # signed up and never bought, for each customer who did
_CHANGE_SHARE = 0.12
_FOLD = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss", "ø": "o"})


def customers(company: Company, truth: Truth) -> pd.DataFrame:
    """One row a customer or prospect, as he signed up.

    Columns: customer_no, full_name, email, phone, born_on, gender, city, country, registered (day), second (of the day,
    UTC), source_channel, newsletter; NaN or None where the shop doesn't know.
    """
    rng = company.rng("people")
    n = company.customers + round(company.customers * PROSPECT_SHARE)
    gender = rng.choice(["f", "m", "d"], n, p=[0.52, 0.45, 0.03])
    first = np.array(
        [
            words.FIRST_NAMES[g][int(pick * len(words.FIRST_NAMES[g]))]
            for g, pick in zip(gender, rng.random(n), strict=True)
        ]
    )
    last = rng.choice(words.SURNAMES, n)
    country = rng.choice(list(words.COUNTRY_SHARES), n, p=list(words.COUNTRY_SHARES.values()))
    frame = pd.DataFrame({
        "customer_no": [f"C{number:06d}" for number in range(1, n + 1)],
        "full_name": [f"{a} {b}" for a, b in zip(first, last, strict=True)],
        "email": _emails(rng, first, last), "phone": _phones(rng, n), "born_on": _birthdays(rng, company, n),
        "gender": _unless(rng.random(n) < 0.1, gender), "city": _cities(rng, country), "country": country,
        "registered": _sign_ups(rng, company, truth, n), "second": office_seconds(rng, n),
        "source_channel": rng.choice(list(words.SIGN_UP_CHANNELS), n, p=list(words.SIGN_UP_CHANNELS.values())),
        "newsletter": rng.random(n) < 0.7,
    })  # fmt: skip
    return _spoil_emails(company, frame)


def versions(company: Company, people: pd.DataFrame) -> pd.DataFrame:
    """Every version of every customer, by time: the columns of `customers`, `changed` and `batch` (day), `note`."""
    rng = company.rng("versions")
    base = people.assign(changed=people["registered"], registered_second=people["second"])
    movers = base[(rng.random(len(base)) < _CHANGE_SHARE) & (base["registered"] < company.days - 1)].copy()
    span = company.days - 1 - movers["registered"].to_numpy()
    movers["changed"] = movers["registered"] + 1 + (rng.random(len(movers)) * span).astype(np.int64)
    movers["second"] = office_seconds(rng, len(movers))
    what = rng.choice(["city", "newsletter", "email"], len(movers), p=[0.5, 0.3, 0.2])
    movers["city"] = np.where(what == "city", _cities(rng, movers["country"].to_numpy()), movers["city"])
    movers["newsletter"] = np.where(what == "newsletter", ~movers["newsletter"].to_numpy(bool), movers["newsletter"])
    renamed = [f"new.{mail}" if isinstance(mail, str) and "@" in mail else mail for mail in movers["email"]]
    movers["email"] = np.where(what == "email", np.array(renamed, dtype=object), movers["email"])
    frame = pd.concat([base, movers]).sort_values(["changed", "second", "customer_no"], ignore_index=True)
    invalid = frame["email"].notna() & ~frame["email"].str.contains("@", regex=False, na=True).astype(bool)
    return frame.assign(batch=frame["changed"], note=np.where(invalid, "invalid_emails", ""))


def _unless(hidden: NDArray[np.bool_], value: NDArray[np.str_]) -> list[object]:
    return [None if hide else str(item) for hide, item in zip(hidden, value, strict=True)]


def _sign_ups(rng: np.random.Generator, company: Company, truth: Truth, n: int) -> NDArray[np.int64]:
    """Buyers sign up some days before their first purchase, prospects on any day."""
    first = np.floor(truth.customers["born"].to_numpy() - rng.exponential(2.0, company.customers))
    prospects = rng.integers(0, company.days, n - company.customers)
    return np.concatenate([np.maximum(first, 0).astype(np.int64), np.sort(prospects)])


def _birthdays(rng: np.random.Generator, company: Company, n: int) -> list[object]:
    """Between 18 and 85 years old on the first day; a quarter doesn't tell."""
    days = rng.beta(2.0, 3.0, n) * (85 - 18) * 365.25 + 18 * 365.25
    tells = rng.random(n) > 0.25
    return [company.day(-int(age)) if told else None for age, told in zip(days, tells, strict=True)]


def _emails(rng: np.random.Generator, first: NDArray[np.str_], last: NDArray[np.str_]) -> list[object]:
    domain, known = rng.integers(len(words.MAIL_DOMAINS), size=len(first)), rng.random(len(first)) > 0.03
    return [f"{_ascii(a)}.{_ascii(b)}{number}@{words.MAIL_DOMAINS[d]}" if there else None
            for number, (a, b, d, there) in enumerate(zip(first, last, domain, known, strict=True), 1)]  # fmt: skip


def _ascii(name: str) -> str:
    folded = unicodedata.normalize("NFKD", name.lower().translate(_FOLD))
    return "".join(letter for letter in folded if letter.isascii() and letter.isalpha())


def _phones(rng: np.random.Generator, n: int) -> list[object]:
    prefix, number, known = (
        rng.integers(len(words.PHONE_PREFIXES), size=n),
        rng.integers(0, 1_000, n),
        rng.random(n) > 0.2,
    )
    return [f"{words.PHONE_PREFIXES[p]}{digits:03d}" if there else None
            for p, digits, there in zip(prefix, number, known, strict=True)]  # fmt: skip


def _cities(rng: np.random.Generator, country: NDArray[np.str_]) -> list[str]:
    picks = rng.random(len(country))
    return [words.CITIES[code][int(pick * len(words.CITIES[code]))] for code, pick in zip(country, picks, strict=True)]


def _spoil_emails(company: Company, frame: pd.DataFrame) -> pd.DataFrame:
    """Some addresses lost their @ when somebody typed them."""
    known = np.flatnonzero(frame["email"].notna().to_numpy())
    chosen = company.rng("emails").permutation(known)[: company.dirt.invalid_emails]
    frame.loc[chosen, "email"] = frame.loc[chosen, "email"].str.replace("@", ".", regex=False)
    return frame
