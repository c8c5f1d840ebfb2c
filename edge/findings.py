"""What `aid4 edge doctor` finds."""

from dataclasses import asdict, dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    good: bool
    detail: str
    fix: str = ""

    def as_dict(self) -> dict[str, str | bool]:
        """Its fields."""
        return asdict(self)
