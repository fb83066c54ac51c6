"""One cause, one defect: violations that follow from one change get an equal `cause`, and the change itself leads.

The rules (`consequences.py`) say which violations belong together and which evidence says so. They are asked in the
order of their precedence. Violations that an earlier rule gave different causes stay apart, whatever a later rule says.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from verifier.checks.attribution import Attributed
from verifier.checks.consequences import RULES
from verifier.checks.context import Context
from verifier.checks.evidence import Evidence, Link
from verifier.checks.explaining import explanation
from verifier.checks.registered import SEVERITY
from verifier.checks.verdict import Violation


def with_causes(context: Context, found: Sequence[Attributed]) -> tuple[Violation, ...]:
    """The violations in their order, each with its cause. One that has no consequences and is none has no cause."""
    evidence, groups = Evidence(context, found), _Groups(len(found))
    leading: set[int] = set()
    for rule in RULES:
        links = list(rule(evidence))
        for together in _by_key(links):
            groups.link(together)
        # What has another cause after all follows from that one and does not lead.
        leading |= {link.number for link in links if link.leads and groups.name(link.number) == link.cause}
    violations = [entry.violation for entry in found]
    causes = groups.causes(violations)
    return tuple(
        replace(
            violation,
            cause=causes[number],
            leads=number in leading,
            explanation=explanation(context, violation),
        )
        for number, violation in enumerate(violations)
    )


def _by_key(links: Iterable[Link]) -> list[list[Link]]:
    found: dict[tuple[object, ...], list[Link]] = defaultdict(list)
    for link in links:
        found[link.key].append(link)
    return list(found.values())


@dataclass(slots=True)
class _Groups:
    """Disjoint sets of violations, by number; a set has at most one name."""

    count: int
    _parent: list[int] = field(init=False)
    _names: dict[int, str] = field(default_factory=dict)  # by root
    _named: dict[str, int] = field(default_factory=dict)  # one member of each named set
    _titles: dict[int, str] = field(default_factory=dict)  # by member; the first that was given

    def __post_init__(self) -> None:
        self._parent = list(range(self.count))

    def link(self, links: Sequence[Link]) -> None:
        """Join what the links hold together. What leads and already has a cause passes it on to the others."""
        name = next((name for link in links if link.leads and (name := self.name(link.number))), "")
        name = name or next((link.cause for link in links if link.cause), "")
        name = name or next((name for link in links if (name := self.name(link.number))), "")
        members = [link.number for link in links if self.name(link.number) in ("", name)]
        for link in links:
            self._titles[link.number] = self._titles.get(link.number) or link.title
        for other in members[1:]:
            self._join(members[0], other)
        if members and name:
            self._join(self._named.setdefault(name, members[0]), members[0])
            self._names[self._root(members[0])] = name

    def name(self, number: int) -> str:
        return self._names.get(self._root(number), "")

    def causes(self, violations: Sequence[Violation]) -> list[str]:
        """The cause of each violation: the name of its set, else the title of several, else ""."""
        names: Counter[str] = Counter()
        members: dict[int, list[int]] = defaultdict(list)
        for number in range(self.count):
            members[self._root(number)].append(number)
        found = [""] * self.count
        for root, group in members.items():
            name = self._names.get(root, "")
            if not name and len(group) > 1:
                titles = (title for number in group if (title := self._titles.get(number, "")))
                name = next(titles, "") or title_of([violations[number] for number in group])
                names[name] += 1
                # Groups that no rule joined are apart, though their titles are equal.
                name += f" ({names[name]})" if names[name] > 1 else ""
            for number in group:
                found[number] = name
        return found

    def _root(self, number: int) -> int:
        while self._parent[number] != number:
            self._parent[number] = self._parent[self._parent[number]]
            number = self._parent[number]
        return number

    def _join(self, one: int, other: int) -> None:
        first, second = sorted((self._root(one), self._root(other)))
        if first == second:
            return
        self._parent[second] = first
        name = self._names.pop(second, "")
        if name:
            self._names[first] = name


def title_of(violations: Sequence[Violation]) -> str:
    """A title for violations that belong together and that no rule names: the operation and the gravest guarantee."""
    gravest = max(violations, key=lambda violation: SEVERITY.get(violation.guarantee, 0))
    subject = f"{gravest.operation} of {gravest.service}" if gravest.operation else gravest.service
    return f"{subject} violates {gravest.guarantee!r}"
