"""The registry: every trained model in a folder of its own, and for each as_of which of them is current.

    <root>/<name>/<version>/model.skops   the estimator (skops, never pickle)
                           /card.json     what it learned from, and what it learned
           <name>/current/<as_of>.json    the version that stands for this as_of, or why there is none; what made it

A version appears in one rename, and a pointer is replaced in one rename: whoever is killed leaves nothing half done,
and running again completes it. The same inputs have the same version: what is there need not be fitted again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

from ddcrm.atomic import locked, to_json, write_folder, write_json
from ddcrm.errors import ModelError, ModelNotFoundError
from ddcrm.progress import point
from ddcrm.training.fingerprint import model_version

Card = Mapping[str, Any]


@dataclass(frozen=True)
class ModelRef:
    """One version of a model, where it stands."""

    name: str
    version: str
    trained_as_of: date
    folder: Path

    @property
    def card(self) -> dict[str, Any]:
        """What is known of it; raises ModelError where the card can't be read."""
        try:
            card: dict[str, Any] = json.loads((self.folder / "card.json").read_text("utf-8"))
        except (OSError, ValueError) as error:
            raise ModelError("The model card can't be read", model=self.name, version=self.version,
                             reason=str(error), hint="Train again.") from error  # fmt: skip
        return card


class Registry:
    """The models below one folder."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def save(
        self, name: str, as_of: date, estimator: Any, card: Card, made_by: Mapping[str, Any] | None = None
    ) -> ModelRef:
        """Keep a trained model and make it the current one of `as_of`.

        card: JSON-ready; its data_digest, settings, follows and code make the version (see `model_version`). Where this
        version is there already it stays as it is.
        """
        from ddcrm.lake.engine import storage_errors

        ref = self._ref(name, as_of, model_version(as_of, card))
        head = {"name": name, "version": ref.version, "trained_as_of": str(as_of)}
        with storage_errors(self.root), locked(self.root / name):
            write_folder(ref.folder, partial(_write, estimator=estimator, card={**head, **card}))
            point("train.saved", model=name, version=ref.version)
        self.point_to(ref, made_by)
        return ref

    def find(self, name: str, as_of: date, card: Card) -> ModelRef | None:
        """The version that `save` would make of this card, if it is there."""
        ref = self._ref(name, as_of, model_version(as_of, card))
        return ref if ref.folder.is_dir() else None

    def point_to(self, ref: ModelRef, made_by: Mapping[str, Any] | None = None) -> None:
        """Make a version the current one of its as_of; `made_by` says what the training was made by, for plans."""
        from ddcrm.lake.engine import storage_errors

        pointer = self._pointer(ref.name, ref.trained_as_of)
        with storage_errors(self.root), locked(pointer.parent):
            write_json(pointer, {"version": ref.version, "made_by": made_by})
        point("train.current", model=ref.name, version=ref.version)

    def withhold(self, name: str, as_of: date, reason: str, made_by: Mapping[str, Any] | None = None) -> None:
        """Let `as_of` have no model of this name, and say why; versions that are there stay."""
        from ddcrm.lake.engine import storage_errors

        pointer = self._pointer(name, as_of)
        with storage_errors(self.root), locked(pointer.parent):
            write_json(pointer, {"withheld": reason, "made_by": made_by})

    def newest(self, name: str, as_of: date) -> ModelRef:
        """The current model of the last day up to `as_of` that has one.

        Raises ModelNotFoundError; its reason is that of the last training which withheld the model, if there was one.
        """
        withheld = None
        for day in sorted(self._days(name, as_of), reverse=True):
            current = json.loads(self._pointer(name, day).read_text("utf-8"))
            if "version" in current:
                return self._ref(name, day, current["version"])
            withheld = withheld or f"withheld by the training as of {day}: {current['withheld']}"
        reason = withheld or f"no model was trained on or before {as_of}"
        raise ModelNotFoundError(model=name, reason=reason, hint=f"Train one: ddcrm train --as-of {as_of}")

    def pointers(self, name: str) -> dict[date, dict[str, Any]]:
        """Every as_of that has a pointer, in order, with what it says: version or withheld, made_by."""
        found = sorted((self.root / name / "current").glob("????-??-??.json"))
        return {date.fromisoformat(file.stem): json.loads(file.read_text("utf-8")) for file in found}

    def has_pointer(self, name: str, as_of: date) -> bool:
        """Whether something was trained, or withheld, as of this day."""
        return self._pointer(name, as_of).is_file()

    def version(self, name: str, version: str) -> ModelRef:
        """The reference of a version that another model's card names."""
        return self._ref(name, date.fromisoformat(version[:10]), version)

    def set_pointer(self, name: str, as_of: date, pointer: Mapping[str, Any] | None) -> None:
        """Let an as_of have this pointer (see `pointers`), or none; nothing is written where it has it already."""
        from ddcrm.lake.engine import storage_errors

        file = self._pointer(name, as_of)
        with storage_errors(self.root), locked(file.parent):
            if pointer is None:
                file.unlink(missing_ok=True)
            elif not file.exists() or json.loads(file.read_text("utf-8")) != dict(pointer):
                write_json(file, dict(pointer))

    def versions(self, name: str) -> list[str]:
        """The versions that are there, current or not."""
        return sorted(card.parent.name for card in (self.root / name).glob("[0-9]*/card.json"))

    def _days(self, name: str, as_of: date) -> list[date]:
        pointers = (self.root / name / "current").glob("????-??-??.json")
        return [date.fromisoformat(pointer.stem) for pointer in pointers if pointer.stem <= str(as_of)]

    def load(self, ref: ModelRef) -> Any:
        """The estimator; raises ModelError where its file is not the one of its card, or can't be read."""
        from ddcrm.models.persist import loads

        try:
            content = (ref.folder / "model.skops").read_bytes()
        except OSError as error:
            raise ModelError("The model file can't be read", model=ref.name, version=ref.version,
                             reason=str(error), hint="Train again.") from error  # fmt: skip
        if hashlib.sha256(content).hexdigest() != ref.card["artifact_sha256"]:
            raise ModelError("The model file is not the one of its card", model=ref.name, version=ref.version,
                             hint=f"Remove {ref.folder} and train again.")  # fmt: skip
        return loads(content, f"{ref.name} {ref.version}")

    def _ref(self, name: str, as_of: date, version: str) -> ModelRef:
        return ModelRef(name, version, as_of, self.root / name / version)

    def _pointer(self, name: str, as_of: date) -> Path:
        return self.root / name / "current" / f"{as_of}.json"


def _write(folder: Path, estimator: Any, card: Card) -> None:
    from ddcrm.models.persist import dumps

    content = dumps(estimator)
    (folder / "model.skops").write_bytes(content)
    point("train.writing", model=card["name"], version=card["version"])
    full = {**card, "artifact_sha256": hashlib.sha256(content).hexdigest()}
    (folder / "card.json").write_text(to_json(full), "utf-8")
