"""A configuration goes out to gateways over a real broker: looked at, tried, kept, rolled back; and their logs come."""

import asyncio
from functools import partial
from pathlib import Path

from lab_site import Gateway, Site, open_site, until

from aid4.account import Ledger, compare, ledger_of, spooled

QUICK = '[[source]]\nkind = "host"\nname = "health"\ndevice = "gateway"\nperiod_s = 0.1\n'
SILENT = QUICK.replace("period_s", 'disks = []\nroot = "/nowhere/at/all"\nperiod_s')


async def test_a_configuration_is_looked_at_tried_kept_and_taken_back(site: Site, tmp_path: Path) -> None:
    async with site.gateway("gw-1"):
        await site.there("gw-1")
        file = tmp_path / "quick.toml"
        file.write_text(QUICK)
        shown = await site.command("config", "show", "gw-1")
        assert 'name = "health"' in shown["text"]
        assert shown["figures"]["state"] == "local"
        assert "broker" not in shown["text"], "what is the gateway's own is not shown"
        looked = await site.command("config", "diff", "gw-1", file)
        assert {"-period_s = 0.2", "+period_s = 0.1"} <= set(looked["diff"].splitlines())
        assert (looked["parts"], looked["problems"]) == (["source"], [])
        assert site.figures("gw-1").judged == 0, "a dry run changes nothing"
        made = await site.command("config", "apply", file, "gw-1", "--hold", "0s", "--trial", "2s", "--wait")
        assert made["state"] == "done", made
        assert site.figures("gw-1").state == "running"
        shown = await site.command("config", "show", "gw-1")
        assert "period_s = 0.1" in shown["text"]
        assert shown["remote"] == ["source"]
        await site.command("config", "rollback", "gw-1", "--why", "too quick")
        await until(lambda: (one := site.figures("gw-1")) and one.state == "local")
        assert "period_s = 0.2" in (await site.command("config", "show", "gw-1"))["text"]
        lines = (await site.command("logs", "gw-1"))["lines"]
        assert any("is tried for 2 s" in line for line in lines), lines
        told = site.audit()
        assert [one for one in told if "roll-out" in one] == [
            "fleet roll-out begun", "fleet roll-out stage", "fleet roll-out done",
        ]  # fmt: skip
        assert told.count("fleet node told") == 2


async def test_a_source_that_falls_silent_brings_the_configuration_before_back(site: Site, tmp_path: Path) -> None:
    async with site.gateway("gw-1"), site.gateway("gw-2"):
        await site.there("gw-1", "gw-2")
        file = tmp_path / "silent.toml"
        file.write_text(SILENT)
        made = await site.command(
            "config", "apply", file, "gw-1", "gw-2", "--stages", "1,100%", "--trial", "2s", "--wait", code=1
        )
        assert made["state"] == "stopped"
        assert "gw-1: rolled back: no value for 2 s from what spoke before: health" in made["why"]
        assert not site.figures("gw-2").judged, "the rest was never told"
        await until(lambda: (one := site.figures("gw-1")) and one.state == "local")
        before = site.figures("gw-1")
        await asyncio.sleep(3)
        assert site.figures("gw-1").judged == before.judged, "it is not tried again"
        book, key = site.twin.alarms.book, f"fleet:rollout-{made['id']}:config"
        alarm = await until(lambda: book.find(key))
        assert (alarm.state, alarm.definition.text) == ("unacknowledged", f"gw-1 (#{made['id']})")
        assert "no value for 2 s from what spoke before: health" in alarm.value
        site.twin.alarms.acknowledge([alarm.id], "eva")
        await until(lambda: alarm.state == "normal")
        assert [one.definition.key for one in book.all() if one.definition.source == "fleet"] == [key]


async def test_what_identifies_a_gateway_and_what_is_wrong_is_refused_with_field_and_fix(
    site: Site, tmp_path: Path
) -> None:
    async with site.gateway("gw-1"):
        await site.there("gw-1")
        for text, field in (
            ('[broker]\nurl = "mqtt://elsewhere"\n', "broker"),
            ('node = "gw-2"\n', "node"),
            ('[spool]\ndir = "/"\n', "spool"),
            ('[[source]]\nkind = "hots"\nname = "x"\n', "source[0].kind"),
            ("[page]\nport = -1\n", "page.port"),
            ('[[source]]\nkind = "host"\nname = "health"\ntegrastats = "rm -r /"\n', "source[0].tegrastats"),
            ('[publish.sparkplug]\npassword = "********"\n', "publish.sparkplug.password"),
        ):
            file = tmp_path / "wrong.toml"
            file.write_text(text)
            [problem] = (await site.command("config", "diff", "gw-1", file, code=2))["problems"]
            assert problem["field"] == field, problem
            assert problem["fix"], problem
        file.write_text('node = "gw-2"\n')
        await site.command("config", "apply", file, "gw-1", code=2)
        assert not site.twin.fleet.rollouts(), "what its canary refuses is not rolled out"
        await site.command("config", "diff", "gw-9", file, code=2)


async def test_the_rest_follows_when_the_canary_stayed_well_and_a_node_that_comes_late_is_waited_for(
    site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "quick.toml"
    file.write_text(QUICK)
    async with site.gateway("gw-1"), site.gateway("gw-2"):
        await site.there("gw-1", "gw-2")
        async with site.gateway("gw-3"):
            await site.there("gw-3")
        await until(lambda: not site.twin.fleet.told()["gw-3"].online)
        looked = await site.command("config", "diff", "gw-3", file, code=2)
        assert "offline" in str(looked)
        made = await site.command(
            "config", "apply", file, *("gw-1", "gw-2", "gw-3"), "--stages", "1,100%", "--hold", "1s", "--trial", "1s"
        )
        assert [one["state"] for one in made["nodes"]] == ["told", "waiting", "waiting"]
        one = await until(lambda: (each := site.twin.fleet.rollout(made["id"])).stage == 1 and each)
        assert list(one.revisions) == ["gw-1", "gw-2", "gw-3"]
        assert site.figures("gw-1").state == "running", "the canary ran it before anybody else was told"
        again = await site.command("config", "apply", file, "gw-2", code=2)
        assert f"roll-out {made['id']}" in str(again)
        await until(lambda: "gw-3: it is offline" in site.twin.fleet.step(site.twin.fleet.rollout(made["id"])).why)
        async with site.restarted("gw-3"):
            await until(lambda: site.twin.fleet.rollout(made["id"]).state == "done")
            assert {site.figures(node).state for node in ("gw-1", "gw-2", "gw-3")} == {"running"}


async def test_an_agent_that_is_killed_again_and_again_with_a_configuration_goes_back_and_loses_nothing(
    tmp_path: Path,
) -> None:
    file = tmp_path / "quick.toml"
    file.write_text(QUICK)
    async with open_site(tmp_path) as site:
        async with site.gateway("gw-1") as gateway:
            await site.there("gw-1")
            await site.command("config", "apply", file, "gw-1", "--trial", "1h")
            for start in range(1, 4):
                await until(partial(_has_started, gateway, start))
                gateway.kill()
            await until(lambda: (one := site.figures("gw-1")) and one.problem)
            assert "started 3 times" in site.figures("gw-1").problem
            assert not gateway.layer["running"]["text"]
            made = await until(lambda: (each := site.twin.fleet.rollouts()[0]).state == "stopped" and each)
            assert "gw-1: rolled back: the agent started 3 times" in made.why
        async with site.restarted("gw-1", source=""):
            await until(lambda: site.drained("gw-1"))
    tally = compare(spooled(tmp_path / "gw-1" / "spool", "gw-1", {}), Ledger(), ledger_of(tmp_path / "twin"))
    assert tally.accepted > 0
    assert (tally.lost, tally.duplicated) == (0, 0)


def _has_started(gateway: Gateway, times: int) -> bool:
    return bool(gateway.pid) and (gateway.layer.get("trial") or {}).get("starts") == times
