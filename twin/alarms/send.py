"""One message to people: by SMTP, or as a POST to an SMS gateway or a webhook. Blocking.

SendError says what the other side said.
"""

import smtplib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Sequence
from email.message import EmailMessage
from pathlib import Path
from typing import Final

import msgspec

from twin.alarms.routes import Route
from wire.errors import Aid4Error

__all__ = ["Message", "SendError", "send", "send_mail"]

TIMEOUT_S: Final = 10.0
SMS_CHARS_MAX: Final = 300  # two parts of GSM letters or five of others; a phone shows no more at once
_SMS_BODY: Final = '{"to": "{to}", "text": "{text}"}'
_ANSWER_BYTES: Final = 500


class SendError(Aid4Error):
    """The message did not go out; says why."""


class Message(msgspec.Struct, frozen=True):
    """What people get: a line, a text, and the alarms as the API shows them for programs."""

    title: str
    text: str
    site: str
    alarms: list[dict[str, object]]


def send(route: Route, message: Message) -> None:
    """Send it by the route's means."""
    try:
        if route.kind == "email":
            _mail(route, message.title, message.text)
        elif route.kind == "sms":
            for number in route.receivers:
                _post(route, message, number)
        else:
            _post(route, message)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise SendError(f"{type(error).__name__}: {error}"[:300]) from error


def send_mail(route: Route, title: str, text: str, files: Sequence[tuple[bytes, str]]) -> None:
    """Mail files (body, name) by an e-mail route."""
    try:
        _mail(route, title, text, files)
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise SendError(f"{type(error).__name__}: {error}"[:300]) from error


def _mail(route: Route, title: str, text: str, files: Sequence[tuple[bytes, str]] = ()) -> None:
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = title, route.sender, ", ".join(route.receivers)
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday notices in return
    mail.set_content(text)
    for body, name in files:
        kind = ("application", "pdf") if name.endswith(".pdf") else ("text", "html")
        mail.add_attachment(body, maintype=kind[0], subtype=kind[1], filename=name)
    server = urllib.parse.urlsplit(route.server)
    host = server.hostname or "127.0.0.1"
    if server.scheme == "smtps":
        link: smtplib.SMTP = smtplib.SMTP_SSL(
            host, server.port or 465, timeout=TIMEOUT_S, context=ssl.create_default_context()
        )
    else:
        link = smtplib.SMTP(host, server.port or 25, timeout=TIMEOUT_S)
    with link:
        if server.scheme == "smtp+starttls":
            link.starttls(context=ssl.create_default_context())
        if route.user:
            link.login(route.user, Path(route.password_file).read_text(encoding="utf-8").strip())
        link.send_message(mail)


def _post(route: Route, message: Message, number: str = "") -> None:
    if route.body or number:
        fields = {"text": message.text, "title": message.title}
        if number:  # a short message, first what matters most
            fields = {"to": number, "text": f"{message.title}: {message.text}"[:SMS_CHARS_MAX], "title": message.title}
        body = route.body or _SMS_BODY
        for name, value in fields.items():
            body = body.replace("{" + name + "}", msgspec.json.encode(value)[1:-1].decode())
        data = body.encode()
    else:
        data = msgspec.json.encode(message)
    request = urllib.request.Request(  # noqa: S310  (the scheme was checked when the route was read)
        route.url, data, {"content-type": "application/json", **route.headers}, method="POST"
    )
    try:
        with _OPENER.open(request, timeout=TIMEOUT_S) as answer:
            answer.read(_ANSWER_BYTES)
    except urllib.error.HTTPError as error:
        said = error.read(_ANSWER_BYTES).decode("utf-8", "replace")
        raise OSError(f"{error.code} {error.reason}: {said}") from error


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A webhook that sends elsewhere is refused: the message may carry a secret header."""

    def redirect_request(self, *_: object, **__: object) -> None:
        return None


_OPENER = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler())
