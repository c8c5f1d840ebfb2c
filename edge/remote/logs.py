"""The agent's own log on its disk: a bounded ring of small files, secrets cut out before they are written.

A cursor is where the next line begins: number of the file and byte in it. What the ring dropped is skipped.
"""

import logging
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from io import BufferedWriter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from wire.masking import is_secret, redacted, secrets_in
from wire.messages import LogsAnswer, LogsAsk

if TYPE_CHECKING:
    from edge.config import AgentConfig

__all__ = ["FOLDER", "LogRing", "keep_log", "read_logs"]

FOLDER: Final = "logs"
FILE_BYTES: Final = 262_144
FILES_MAX: Final = 8  # two megabytes of a gateway's card
LINE_CHARS_MAX: Final = 2_000
_SHIFT: Final = 32
_LEVELS: Final = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


def keep_log(config: "AgentConfig") -> None:
    """From now on everything that this process logs is kept beside the spool, without the secrets of `config`."""
    root = logging.getLogger()
    for before in [one for one in root.handlers if isinstance(one, LogRing)]:
        root.removeHandler(before)
        before.close()
    table = msgspec.to_builtins(config, enc_hook=str)
    root.addHandler(LogRing(config.spool_dir / FOLDER, [*secrets_in(table), *_in_files(table, config)]))


def _in_files(value: Any, config: "AgentConfig") -> Iterator[str]:
    """What stands in the password files that a configuration names."""
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        yield from _in_files(one, config)
    if isinstance(value, dict):
        for name, file in value.items():
            if name.endswith("_file") and is_secret(name.removesuffix("_file")) and isinstance(file, str) and file:
                with suppress(OSError, UnicodeDecodeError):
                    yield config.path(file).read_text(encoding="utf-8").strip()


class LogRing(logging.Handler):
    """Appends `time LEVEL logger text`; a line break inside a message is ` | `. A full disk stops nobody."""

    def __init__(self, folder: Path, secrets: Sequence[str] = (), *, file_bytes: int = FILE_BYTES) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(message)s"))
        self._folder, self._secrets, self._file_bytes = folder, tuple(secrets), file_bytes
        self._turn = threading.Lock()
        self._file: BufferedWriter | None = None
        self._number = self._size = 0

    def emit(self, record: logging.LogRecord) -> None:
        """One line."""
        try:
            line = _line(record, self.format(record), self._secrets)
            with self._turn:
                self._append(line)
        except (OSError, ValueError, TypeError):  # a full disk, or a message that does not fit its arguments
            self._file = None

    def close(self) -> None:
        """The file too."""
        with self._turn:
            if self._file is not None:
                self._file.close()
                self._file = None
        super().close()

    def _append(self, line: bytes) -> None:
        if self._file is None or self._size + len(line) > self._file_bytes:
            self._next()
        assert self._file is not None
        self._file.write(line)
        self._file.flush()
        self._size += len(line)

    def _next(self) -> None:
        """A new file after the newest; the oldest goes."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self._folder.mkdir(parents=True, exist_ok=True)
        numbers = _numbers(self._folder)
        self._number = (numbers[-1] if numbers else 0) + 1
        for old in numbers[: max(0, len(numbers) - FILES_MAX + 1)]:
            _path(self._folder, old).unlink(missing_ok=True)
        self._file = _path(self._folder, self._number).open("ab")
        self._size = 0


def read_logs(folder: Path, ask: LogsAsk, bytes_max: int) -> LogsAnswer:
    """The lines that are asked for, at most `bytes_max`: the first of them behind a cursor or a time, else the last."""
    wanted = set(_LEVELS[_LEVELS.index(ask.level.upper()) :])
    since = "" if ask.since_us is None else _stamp(ask.since_us / 1e6)
    lines: list[str] = []
    size, after, is_tail = 0, ask.after or 0, ask.after is None and ask.since_us is None
    for cursor, text in _lines(folder, ask.after or 0):
        if _level(text) in wanted and text[: len(since)] >= since:
            if size + len(text) > bytes_max and not is_tail and lines:
                return LogsAnswer(lines, after, more=True)
            lines.append(text)
            size += len(text.encode())
            while is_tail and size > bytes_max and len(lines) > 1:
                size -= len(lines.pop(0).encode())
        after = cursor
    return LogsAnswer(lines, after)


def _lines(folder: Path, after: int) -> Iterator[tuple[int, str]]:
    """(cursor behind it, line) of all whole lines behind a cursor."""
    first, offset = after >> _SHIFT, after & ((1 << _SHIFT) - 1)
    for number in _numbers(folder):
        if number < first:
            continue
        at = offset if number == first else 0
        try:
            with _path(folder, number).open("rb") as file:
                file.seek(at)
                data = file.read(4 * FILE_BYTES)
        except OSError:  # the ring has just dropped it
            continue
        for line in data.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break
            at += len(line)
            yield (number << _SHIFT) + at, line.decode(errors="replace").rstrip("\n")


def _line(record: logging.LogRecord, text: str, secrets: Sequence[str]) -> bytes:
    plain = redacted(" | ".join(text.splitlines()), secrets)[:LINE_CHARS_MAX]
    return f"{_stamp(record.created)} {record.levelname} {record.name} {plain}\n".encode(errors="replace")


def _stamp(seconds: float) -> str:
    with suppress(ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return "9"


def _level(line: str) -> str:
    return line.split(" ", 2)[1] if line.count(" ") > 1 else ""


def _numbers(folder: Path) -> list[int]:
    return sorted(int(path.stem) for path in folder.glob("*.log") if path.stem.isdigit())


def _path(folder: Path, number: int) -> Path:
    return folder / f"{number:08d}.log"
