"""How people name tasks, and by what a task is known from one revision of its schedule to the next."""

from collections import Counter

from bim.schedule.tables import Schedule

__all__ = ["TaskNames"]

_BY_CODE = ("xer", "pmxml")  # P6 gives tasks new ids at each export and keeps their codes


class TaskNames:
    """The tasks of one schedule by id, code and name, each where it is unique."""

    def __init__(self, schedule: Schedule) -> None:
        tasks = schedule.tasks.select(["id", "code", "name"]).to_pylist()
        order = ("name", "id", "code") if schedule.about.format in _BY_CODE else ("name", "code", "id")
        self._ids: dict[str, str] = {}
        self._named: dict[str, str] = {}
        unique: dict[str, set[str]] = {}
        for column in order:  # the last wins
            seen = Counter(row[column] for row in tasks)
            unique[column] = {value for value, count in seen.items() if value and count == 1}
            self._ids.update({row[column]: row["id"] for row in tasks if row[column] in unique[column]})
            if column == "name":
                self._named = dict(self._ids)
        by_code = schedule.about.format in _BY_CODE
        self._kept = {
            row["id"]: row["code"] if by_code and row["code"] in unique["code"] else row["id"] for row in tasks
        }

    def id(self, name: str) -> str | None:
        """The id of a task that somebody named."""
        return self._ids.get(name)

    def named(self, name: str) -> str | None:
        """The id of the only task of this name."""
        return self._named.get(name)

    def kept(self, name: str) -> str | None:
        """What to write down of a task that somebody named: its code in P6, its id elsewhere."""
        found = self._ids.get(name)
        return None if found is None else self._kept[found]
