"""Text of a file that does not say its encoding: P6 writes XER in the code page of the machine that exported it.

UTF-8 and UTF-16 are certain; the others are told apart by how bytes above 127 pair up, and the guess is a warning.
"""

import codecs
import re

from bim.schedule.errors import ScheduleError

__all__ = ["decode"]

_BOMS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SURE_RATIO = 0.9  # share of pairs that must be everyday characters of that language
_ALL_RATIO = 0.97  # Chinese has a third of its bytes below the Cyrillic letters
_HIGH = re.compile(rb"[\x80-\xff]")
_GB_PAIR = re.compile(rb"[\xb0-\xf7][\xa1-\xfe]")  # the 6,763 hanzi of GB 2312
_BIG5_PAIR = re.compile(rb"[\xa4-\xc6][\x40-\x7e\xa1-\xfe]")  # the 5,401 everyday characters of Big5
_SJIS_PAIR = re.compile(rb"[\x81-\x83\x88-\x9f\xe0-\xea][\x40-\x7e\x80-\xfc]")
_CYRILLIC = re.compile(rb"[\xc0-\xff\xa8\xb8]")
_RUN = re.compile(rb"[\xc0-\xff\xa8\xb8]{2,}")  # Cyrillic words are whole runs, Western ones single letters
_ONLY_CENTRAL = re.compile(rb"[\x8d\x9d]|(?<=[A-Za-z])[\xbe\xb3\xb9\xbf\x9f\x9c](?=[A-Za-z])")  # ť ľ ł ą ż ź ś
_CENTRAL = re.compile(rb"[\x9a\x9e\xe8\xec\xf8\xf9\xf2]")  # š ž č ě ř ů ň, some of them è ì ø ù in the West
_WESTERN = re.compile(rb"[\xe0\xea\xe7\xdf\xf1\xfc\xf6\xe5\xfb]")  # à ê ç ß ñ ü ö å û


def decode(data: bytes, encoding: str = "") -> tuple[str, str, list[str]]:
    """Text, encoding and warnings; `encoding` given by a person is believed. Raises ScheduleError."""
    if encoding:
        return _strict(data, encoding), encoding, []
    for mark, name in _BOMS:
        if data.startswith(mark):
            return _strict(data, name), name, []
    try:
        return data.decode("utf-8"), "utf-8", []
    except UnicodeDecodeError:
        guess = _guess(data)
    text = data.decode(guess, "replace")
    return text, guess, [f"the encoding is not stated; {guess} is assumed: give it if names look wrong"]


def _strict(data: bytes, encoding: str) -> str:
    try:
        return data.decode(encoding)
    except LookupError as error:
        raise ScheduleError("encoding", f"there is no encoding {encoding!r}", fix="name one, such as cp1250") from error
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        problem = f"byte {data[error.start]:#04x} is not {encoding}"
        raise ScheduleError(
            "encoding", problem, line=line, fix="give the right encoding, or export as UTF-8"
        ) from error


def _guess(data: bytes) -> str:
    high = len(_HIGH.findall(data))
    in_runs = sum(len(run) for run in _RUN.findall(data))
    if len(_CYRILLIC.findall(data)) >= _ALL_RATIO * high and in_runs >= _SURE_RATIO * high:
        return "cp1251"
    for name, pair in (("gb18030", _GB_PAIR), ("big5", _BIG5_PAIR), ("shift_jis", _SJIS_PAIR)):
        paired = sum(len(_HIGH.findall(found)) for found in pair.findall(data))
        if paired >= _SURE_RATIO * high and _decodes(data, name):
            return name
    central = _ONLY_CENTRAL.search(data) or len(_CENTRAL.findall(data)) > len(_WESTERN.findall(data))
    return "cp1250" if central else "cp1252"


def _decodes(data: bytes, name: str) -> bool:
    try:
        data.decode(name)
    except UnicodeDecodeError:
        return False
    return True
