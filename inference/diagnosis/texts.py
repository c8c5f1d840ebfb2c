"""What people read of a cause: title, action and sentences of evidence, one file a language in texts/.

A sentence is a key and values, so that a page can say it in its own words; `text` says it in one language here.
"""

import functools
from pathlib import Path
from typing import Any

import msgspec

__all__ = ["Evidence", "LANGUAGES", "Texts", "action_of", "load_texts", "retell", "sentence", "title_of"]

LANGUAGES = ("en", "sk", "zh-TW")
_FOLDER = Path(__file__).with_name("texts")


class Evidence(msgspec.Struct, frozen=True):
    """A sentence: its key, its values, and the text."""

    code: str
    values: dict[str, str | float | int]
    text: str


class CauseText(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a cause is called, and what a technician does."""

    title: str
    action: str


class Texts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One language."""

    evidence: dict[str, str]
    direction: dict[str, str]
    cause: dict[str, CauseText]


@functools.cache
def load_texts(language: str) -> Texts:
    """Of one language, English where it is none of ours."""
    name = language if language in LANGUAGES else "en"
    return msgspec.toml.decode((_FOLDER / f"{name}.toml").read_bytes(), type=Texts)


def title_of(cause: str, language: str = "en") -> str:
    """What a cause is called."""
    return load_texts(language).cause[cause].title


def action_of(cause: str, language: str = "en") -> str:
    """What to do about it."""
    return load_texts(language).cause[cause].action


def sentence(code: str, values: dict[str, str | float | int], language: str = "en") -> Evidence:
    """The sentence of a key with its values; with a value and what was expected, both are told."""
    texts = load_texts(language)
    named = {key: texts.direction.get(str(text), text) if "direction" in key else text for key, text in values.items()}
    told = texts.evidence[code].format(**named)
    if "expected" in values:
        numbers = {key: f"{float(values[key]):.4g}" for key in ("value", "expected")}
        told += texts.evidence["numbers"].format(**numbers)
    return Evidence(code, values, told)


def retell(causes: list[dict[str, Any]], language: str) -> list[dict[str, Any]]:
    """Causes as they were kept (`Cause` as plain values) with title, action and evidence in another language; one that
    a later version kept and this one does not know stays as it is."""
    known = load_texts(language).cause
    return [_retold(cause, language) if cause.get("cause") in known else cause for cause in causes]


def _retold(cause: dict[str, Any], language: str) -> dict[str, Any]:
    told = [
        msgspec.to_builtins(sentence(one["code"], one["values"], language))
        if one["code"] in load_texts(language).evidence
        else one
        for one in cause["evidence"]
    ]
    name = cause["cause"]
    return cause | {"title": title_of(name, language), "action": action_of(name, language), "evidence": told}
