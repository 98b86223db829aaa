"""Reports on reading files: how many rows were read, skipped and corrected, and where."""

from dataclasses import dataclass, field

PLACES = 3  # places that a report names for each reason


@dataclass
class Tally:
    """The number of occurrences, and their first places."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str) -> None:
        self.count += 1
        if len(self.places) < PLACES:
            self.places.append(place)


@dataclass
class Report:
    """The report on reading one set of files.

    `rows` is the number of rows: lines, questions or blanks. `skipped` counts rows that gave no example by reason,
    `corrected` the corrections, `kept` the rows that were kept in spite of a defect, and `bad` the number of rows that
    could not be read.
    """

    rows: int = 0
    skipped: dict[str, Tally] = field(default_factory=dict)
    corrected: dict[str, Tally] = field(default_factory=dict)
    kept: dict[str, Tally] = field(default_factory=dict)
    bad: int = 0

    def skip(self, reason: str, place: str) -> None:
        self.skipped.setdefault(reason, Tally()).add(place)

    def correct(self, what: str, place: str) -> None:
        self.corrected.setdefault(what, Tally()).add(place)

    def keep(self, defect: str, place: str) -> None:
        self.kept.setdefault(defect, Tally()).add(place)

    @property
    def examples(self) -> int:
        """The number of examples."""
        return self.rows - self.bad - sum(tally.count for tally in self.skipped.values())

    def lines(self) -> list[str]:
        """Return the report as lines: the counts, then the notes."""
        return [f"{self.rows:,} rows, {self.examples:,} examples", *self.notes()]

    def notes(self) -> list[str]:
        """Return a line per reason for which rows were skipped, corrected or kept, with its first places."""
        lines = []
        sections = (
            ("skipped: {:,} for", self.skipped),
            ("corrected: {:,} for", self.corrected),
            ("kept: {:,} with", self.kept),
        )
        for prefix, tallies in sections:
            for reason, tally in tallies.items():
                more = "; ..." if tally.count > len(tally.places) else ""
                lines.append(f"{prefix.format(tally.count)} {reason} ({'; '.join(tally.places)}{more})")
        return lines
