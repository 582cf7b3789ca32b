"""What the examples read first, and what they say if it is wrong."""

import subprocess
import sys
from argparse import Namespace
from typing import Any

import pytest

import disable_old_rooms
import web_service
import whiteboard_bot
from commands import EXAMPLES, environment
from netless_rooms import AccessKey
from settings import Settings, SettingsError, chosen, from_env

ENVIRONMENT = {"NETLESS_ACCESS_KEY": "a", "NETLESS_SECRET_KEY": "my secret", "NETLESS_REGION": "sg"}


def test_the_settings_are_those_of_the_environment_and_no_repr_shows_the_secret() -> None:
    settings = from_env(ENVIRONMENT)
    assert settings == Settings(AccessKey("a", "my secret"), "sg", "https://api.netless.link")
    assert "my secret" not in repr(settings)
    assert from_env({**ENVIRONMENT, "NETLESS_BASE_URL": "http://127.0.0.1:1"}).base_url == "http://127.0.0.1:1"


def test_a_wrong_setting_is_named_without_the_secret() -> None:
    wrong: list[tuple[dict[str, str], str]] = [
        ({"NETLESS_REGION": ""}, "set NETLESS_REGION in the environment"),
        ({"NETLESS_ACCESS_KEY": "", "NETLESS_SECRET_KEY": ""}, "set NETLESS_ACCESS_KEY, NETLESS_SECRET_KEY in"),
        ({"NETLESS_SECRET_KEY": "my secret\n"}, "NETLESS_ACCESS_KEY or NETLESS_SECRET_KEY is wrong"),
        ({"NETLESS_REGION": "south pole"}, "NETLESS_REGION or NETLESS_BASE_URL is wrong: region"),
        ({"NETLESS_BASE_URL": "http://h.example"}, "NETLESS_REGION or NETLESS_BASE_URL is wrong: base_url"),
    ]
    for changed, message in wrong:
        with pytest.raises(SettingsError, match=message) as raised:
            from_env({**ENVIRONMENT, **changed})
        assert "my secret" not in str(raised.value)


def test_an_example_without_settings_says_what_to_set_or_how_to_try_it(monkeypatch: Any, capsys: Any) -> None:
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    mains: list[Any] = [web_service.main, disable_old_rooms.main, whiteboard_bot.main]
    for main in mains:
        monkeypatch.setattr("sys.argv", ["example"] + ["30"] * (main is disable_old_rooms.main))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code == 2
        assert "error: set NETLESS_ACCESS_KEY, NETLESS_SECRET_KEY, NETLESS_REGION in" in capsys.readouterr().err


def test_without_the_emulator_its_extra_is_not_needed() -> None:
    code = (
        "import sys; sys.modules['starlette'] = None; import argparse, whiteboard_bot, settings;"
        "print(settings.chosen(argparse.Namespace(emulator=False), rooms=0).region)"
    )
    command, env = [sys.executable, "-c", code], environment(**ENVIRONMENT)
    ran = subprocess.run(command, cwd=EXAMPLES, env=env, capture_output=True, text=True)
    assert (ran.stdout, ran.stderr) == ("sg\n", "")


def test_without_its_extra_the_emulator_is_refused_with_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("netless_rooms.emulator")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "starlette", None)
    with pytest.raises(SettingsError, match=r"--emulator cannot be used: .* pip install"):
        chosen(Namespace(emulator=True), rooms=0)
