"""What was read, left out and corrected, and where."""

from dataclasses import dataclass, field

PLACES = 3  # how many places a report names


@dataclass
class Tally:
    """How often something was met, and the first places where."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        self.count += 1
        if len(self.places) < PLACES:
            self.places.append(place)


@dataclass
class Report:
    """The counts of one set of files.

    `rows` is the number of rows (lines, questions or blanks) that were met, `left_out` counts those that gave no
    example by reason, `corrected` what was put right in those that did, `kept` what is amiss with some that were kept.
    """

    rows: int = 0
    left_out: dict[str, Tally] = field(default_factory=dict)
    corrected: dict[str, Tally] = field(default_factory=dict)
    kept: dict[str, Tally] = field(default_factory=dict)

    def leave_out(self, reason: str, place: str) -> None:
        self.left_out.setdefault(reason, Tally()).add(place)

    def correct(self, what: str, place: str) -> None:
        self.corrected.setdefault(what, Tally()).add(place)

    def keep(self, with_what: str, place: str) -> None:
        self.kept.setdefault(with_what, Tally()).add(place)

    @property
    def examples(self) -> int:
        """Number of examples."""
        return self.rows - sum(tally.count for tally in self.left_out.values())

    def lines(self) -> list[str]:
        """The report for people: what was read, then a line a reason with the first places."""
        text = [f"{self.rows:,} rows, {self.examples:,} examples"]
        met = (
            ("left out: {:,} for", self.left_out),
            ("corrected: {:,} for", self.corrected),
            ("kept: {:,} with", self.kept),
        )
        for begin, tallies in met:
            for reason, tally in tallies.items():
                more = "; ..." if tally.count > len(tally.places) else ""
                text.append(f"{begin.format(tally.count)} {reason} ({'; '.join(tally.places)}{more})")
        return text
