"""What an alarm means is said in three languages, and short messages reach an SMS gateway, one a number."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from twin.alarms.class_words import OWN_WORDS
from twin.alarms.classes import OWN_CLASSES
from twin.alarms.rules import Rules, meanings, rules_from_toml
from twin.alarms.send import SMS_CHARS_MAX, Message, SendError, send
from wire.errors import ConfigError


def test_each_class_of_ours_says_its_consequence_and_action_in_three_languages() -> None:
    assert set(OWN_WORDS) == {one.name for one in OWN_CLASSES}
    for language in ("sk", "zh-TW"):
        said = meanings(Rules(), language)  # type: ignore[arg-type]
        for one in OWN_CLASSES:
            assert said[one.consequence] not in ("", one.consequence)
            assert said[one.action] not in ("", one.action)
    assert meanings(Rules(), "en") == {}


def test_a_site_says_its_own_classes_in_its_languages_and_the_rest_stays_english() -> None:
    text = """
    [[class]]
    name = "comfort"
    consequence = "People tire."
    action = "Open a window."
    sk = { consequence = "Ľudia sa unavia.", action = "Otvorte okno." }
    zh-TW = { action = "開窗。" }
    """
    rules = rules_from_toml(text, file="test")
    assert meanings(rules, "sk")["Open a window."] == "Otvorte okno."
    assert meanings(rules, "zh-TW")["Open a window."] == "開窗。"
    assert "People tire." not in meanings(rules, "zh-TW")


class Gateway(BaseHTTPRequestHandler):
    """An SMS gateway that refuses one number."""

    taken: list[dict[str, str]]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        is_fine = body["phone"] != "+421900000000" and self.headers["authorization"] == "Bearer s"
        if is_fine:
            self.taken.append(body)
        self.send_response(202 if is_fine else 403)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Quiet."""


@pytest.fixture
def gateway() -> Iterator[tuple[str, list[dict[str, str]]]]:
    Gateway.taken = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Gateway)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/send", Gateway.taken
    server.shutdown()
    thread.join()
    server.server_close()


def _route(url: str, *numbers: str) -> str:
    return (
        f'[[route]]\nname = "night"\nkind = "sms"\nto = {json.dumps(numbers)}\nurl = "{url}"\n'
        'headers = { authorization = "Bearer s" }\nbody = \'{"phone": "{to}", "text": "{text}"}\'\n'
    )


def test_a_short_message_goes_to_each_number_and_is_short(gateway: tuple[str, list[dict[str, str]]]) -> None:
    url, taken = gateway
    [route] = rules_from_toml(_route(url, "+421900123456", "+886912345678"), file="test").routes
    send(route, Message('Fire "1"', "x" * 5_000, "lab", []))
    assert [one["phone"] for one in taken] == ["+421900123456", "+886912345678"]
    assert all(one["text"].startswith('Fire "1": xxx') and len(one["text"]) <= SMS_CHARS_MAX for one in taken)
    [refused] = rules_from_toml(_route(url, "+421900000000"), file="test").routes
    with pytest.raises(SendError, match="403"):
        send(refused, Message("a", "b", "lab", []))


@pytest.mark.parametrize("numbers", [[], ["0900 123"], ["+421900123456", "duty@park.example"]])
def test_a_route_without_a_number_is_refused(numbers: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        rules_from_toml(_route("http://127.0.0.1:1/", *numbers), file="test")
    assert refused.value.field.endswith(".to")
