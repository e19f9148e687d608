"""Where in a template something stands, so that every refusal and every warning can name it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from simulator.errors import InputError


@dataclass(frozen=True, slots=True)
class Place:
    """A spot in a template file: a section, a resource, or a property of one."""

    template: Path
    subject: str = ""
    """`resource ConnectFunction`, `parameter Stage`, `output Url`; empty for the file as a whole."""
    property: str = ""
    """Dotted path below the subject."""

    def resource(self, logical_id: str) -> Place:
        """The resource called `logical_id` of the same file."""
        return Place(self.template, f"resource {logical_id}")

    def named(self, kind: str, name: str) -> Place:
        """Another named entry of the same file: a parameter, a condition, a mapping, an output."""
        return Place(self.template, f"{kind} {name}")

    def at(self, name: str | int) -> Place:
        """The property `name` below this place."""
        return replace(self, property=f"{self.property}.{name}" if self.property else str(name))

    def sentence(self, text: str) -> str:
        """`text` with the place in front of it."""
        where = self.subject
        if self.property:
            where = f"{where}, property {self.property}" if where else f"property {self.property}"
        return f"{self.template}: {where}: {text}" if where else f"{self.template}: {text}"

    def error(self, text: str) -> InputError:
        """The refusal to raise: `text` says what is wrong and what to do."""
        return InputError(self.sentence(text))
