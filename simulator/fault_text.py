"""The kinds of faults as text: for `tracker-sim faults`, and as Markdown for `docs/faults.md`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from types import MappingProxyType

from simulator.fault_kinds import FAULT_KINDS, Attribute, FaultKind

BEGIN = "<!-- kinds: `python -m simulator.fault_text` writes what follows -->"
END = "<!-- end of the kinds -->"


def listing(kinds: Iterable[FaultKind]) -> Iterator[tuple[str, str]]:
    """Lines, and of each what it is: `piece`, `kind`, `detail` or nothing for an empty one."""
    for number, (piece, of_piece) in enumerate(groupby(kinds, key=lambda kind: kind.piece)):
        if number:
            yield "", ""
        yield _title(piece), "piece"
        for kind in of_piece:
            yield f"  {kind.name:<20} {kind.help}", "kind"
            for detail in _details(kind):
                yield f"  {'':<20} {detail}", "detail"


def markdown(kinds: Iterable[FaultKind]) -> str:
    """A section for each piece, with a table of its kinds and one of their attributes."""
    sections = []
    for piece, of_piece in groupby(kinds, key=lambda kind: kind.piece):
        rows = list(of_piece)
        lines = [f"### {_title(piece)}", "", *_kinds(rows)]
        attributes = [(kind, each) for kind in rows for each in kind.attributes]
        if attributes:
            lines += ["", *_attributes(attributes)]
        sections.append("\n".join(lines))
    return "\n\n".join(sections) + "\n"


def shown(default: float | str) -> str:
    """A default as a scenario would have it."""
    if isinstance(default, bool):
        return "true" if default else "false"
    return default if isinstance(default, str) else f"{default:g}"


def _details(kind: FaultKind) -> Iterator[str]:
    about = [
        *([f"probability is that of each {kind.each}"] if kind.each else []),
        *([] if kind.timed else ["over in a moment"]),
        *(["local stacks only"] if kind.local else []),
    ]
    if about:
        yield "; ".join(about)
    if kind.target:
        yield f"target: {kind.target}"
    for each in kind.attributes:
        choices = f" ({', '.join(each.choices)})" if each.choices else ""
        yield f"{each.name} = {shown(each.default)}  {each.unit}: {each.help}{choices}"


def _title(piece: str) -> str:
    return _TITLES.get(piece, f"{piece[0].upper()}{piece[1:]}")


_TITLES: Mapping[str, str] = MappingProxyType(
    {"sqs": "SQS", "dynamodb": "DynamoDB", "function": "Functions", "trigger": "Triggers"}
)


def _kinds(kinds: Iterable[FaultKind]) -> Iterator[str]:
    yield "| kind | what happens | `target` | `probability` of each | direction | lasts | where |"
    yield "|---|---|---|---|---|---|---|"
    for kind in kinds:
        cells = (
            f"`{kind.name}`",
            kind.help,
            kind.target or "–",
            kind.each or "–",
            "–" if kind.direction == "none" else kind.direction,
            "`duration_s`" if kind.timed else "a moment",
            "local stacks" if kind.local else "anywhere",
        )
        yield f"| {' | '.join(cells)} |"


def _attributes(attributes: Iterable[tuple[FaultKind, Attribute]]) -> Iterator[str]:
    yield "| of | attribute | unit | default | values | what it is |"
    yield "|---|---|---|---|---|---|"
    for kind, each in attributes:
        cells = (f"`{kind.name}`", f"`{each.name}`", each.unit, f"`{shown(each.default)}`", _values(each), each.help)
        yield f"| {' | '.join(cells)} |"


def _values(attribute: Attribute) -> str:
    if isinstance(attribute.default, bool):
        return "`true`, `false`"
    if isinstance(attribute.default, str):
        return ", ".join(f"`{each}`" for each in attribute.choices) or "any"
    return f"{attribute.low:,g} to {attribute.high:,g}"


def _write() -> None:
    from pathlib import Path  # noqa: PLC0415  only this command needs it

    page = Path(__file__).parents[1] / "docs" / "faults.md"
    text = page.read_text(encoding="utf-8")
    head, _, rest = text.partition(BEGIN)
    tail = rest.partition(END)[2]
    page.write_text(f"{head}{BEGIN}\n\n{markdown(FAULT_KINDS.values())}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    _write()
