"""The tree of errors. Each carries its data; nobody parses a message.

```
Aid4Error
├── UserError            what a person can mend: problem, file, field, fix
│   ├── ConfigError      a configuration file
│   └── InputError       a data file, an upload, a request
├── RecordError          bytes that are no valid record: reason, detail
├── MessageError         bytes that are no valid control message: reason, detail
└── LinkError            the connection to a broker
```
Rooms hang their own leaves below these.
"""

from typing import Literal

__all__ = [
    "Aid4Error",
    "ConfigError",
    "InputError",
    "LinkError",
    "MessageError",
    "RecordError",
    "RecordReason",
    "UserError",
]

RecordReason = Literal["magic", "version", "header", "crc", "size", "schema", "codec", "body", "bomb"]


class Aid4Error(Exception):
    """The root: everything that this product raises on purpose."""


class UserError(Aid4Error):
    """Something a person can mend; names where it is and how to mend it."""

    def __init__(self, problem: str, *, file: str = "", field: str = "", fix: str = "") -> None:
        self.problem, self.file, self.field, self.fix = problem, str(file), field, fix
        super().__init__(str(self))

    def __str__(self) -> str:
        return ": ".join(part for part in (self.file, self.field, self.problem) if part)

    def as_problem(self) -> dict[str, str]:
        """Its data as a dict, the empty fields left out."""
        data = {"problem": self.problem, "file": self.file, "field": self.field, "fix": self.fix}
        return {key: value for key, value in data.items() if value}


class ConfigError(UserError):
    """A configuration file is wrong."""


class InputError(UserError):
    """A data file, an upload or a request is wrong."""


class RecordError(Aid4Error):
    """Bytes that are no valid record."""

    def __init__(self, reason: RecordReason, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


class MessageError(Aid4Error):
    """Bytes that are no valid control message."""

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(f"{reason}: {detail}")


class LinkError(Aid4Error):
    """The connection to a broker failed or was refused."""
