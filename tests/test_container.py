"""The Containerfile and the compose file pass real linters and hold what docs/operations.md promises of them.

No engine builds them here; `scripts/try_container.sh` does, where buildah is installed.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

ROOT = Path(__file__).resolve().parents[1]
CONTAINERFILE = (ROOT / "Containerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "compose.yaml").read_text(encoding="utf-8")
ENTRYPOINT, HEALTHY = ROOT / "containers" / "entrypoint.sh", ROOT / "containers" / "healthy.py"
BIN = Path(sys.executable).parent


def services() -> dict[str, Any]:
    """The services of the compose file."""
    return dict(yaml.safe_load(COMPOSE)["services"])


def linted(*command: str | Path) -> str:
    """What a linter of this environment says, which is nothing."""
    if not (BIN / command[0]).exists():
        pytest.skip(f"{command[0]} is not installed (dependency group `dev`)")
    done = subprocess.run([BIN / command[0], *command[1:]], capture_output=True, text=True, cwd=ROOT)
    return f"{done.stdout}{done.stderr}" if done.returncode else ""


def test_hadolint_finds_nothing() -> None:
    """The Containerfile, and the shell within it."""
    assert linted("hadolint", "--failure-threshold", "style", "Containerfile") == ""


def test_yamllint_finds_nothing() -> None:
    """The compose file."""
    rules = "{extends: default, rules: {line-length: {max: 120}, document-start: disable}}"
    assert linted("yamllint", "--strict", "-d", rules, "compose.yaml") == ""


def test_shellcheck_finds_nothing() -> None:
    """The entry point."""
    assert linted("shellcheck", ENTRYPOINT) == ""


def test_compose_follows_its_specification() -> None:
    """Every key of the compose file is one of the specification, with a value of its kind."""
    schema = json.loads((ROOT / "tests" / "compose_schema.json").read_text(encoding="utf-8"))
    validator = Draft7Validator(schema)
    held = yaml.safe_load(re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", COMPOSE))
    assert [error.message for error in validator.iter_errors(held)] == []
    held["services"]["api"]["memory_limt"] = "8g"
    assert list(validator.iter_errors(held))


def test_everything_copied_is_in_the_context() -> None:
    """What COPY names is there, and let through by both ignore files, which are one."""
    ignore = (ROOT / ".containerignore").read_text(encoding="utf-8")
    assert (ROOT / ".dockerignore").read_text(encoding="utf-8") == ignore
    for line in re.findall(r"^COPY (?!--from)(?:--\S+ )*(.+)$", CONTAINERFILE, re.MULTILINE):
        for source in line.split()[:-1]:
            assert (ROOT / source).exists(), source
            assert f"!{source.split('/')[0]}" in ignore.splitlines(), source
    assert ignore.startswith("*\n")


def test_the_image_runs_as_nobody_special() -> None:
    """A user by number without a shell, a health check, and no secret in any layer."""
    last = CONTAINERFILE[CONTAINERFILE.rindex("\nFROM") :]
    assert re.search(r"^USER \d{5}:\d{5}$", last, re.MULTILINE)
    assert "HEALTHCHECK" in last and "nologin" in last
    settings = re.findall(r"^(?:ARG|ENV) (.+)$", CONTAINERFILE, re.MULTILINE)
    assert not [each for each in settings if re.search("password|secret|token|_key", each, re.IGNORECASE)]
    assert "--mount=type=secret,id=pip.conf" in CONTAINERFILE


def test_services_are_confined_and_watched() -> None:
    """Each has limits, a read-only root, and no way to more rights; the database is reached from inside only."""
    for name, service in services().items():
        assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys(), name
        assert service["read_only"] is True and "no-new-privileges:true" in service["security_opt"], name
        assert service["restart"] == "unless-stopped", name
    api, database = services()["api"], services()["database"]
    assert api["depends_on"]["database"]["condition"] == "service_healthy"
    assert api["cap_drop"] == ["ALL"]
    assert "ports" not in database and database["networks"] == ["back"]
    assert yaml.safe_load(COMPOSE)["networks"]["back"]["internal"] is True
    assert "127.0.0.1" in api["ports"][0]


def test_no_secret_is_written_down() -> None:
    """Passwords come from files, credentials of the object store from the environment, and nothing has a default."""
    for service in services().values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|SECRET|TOKEN|KEY", name):
                assert name.endswith("_FILE") or value == f"${{{name}:-}}", name
    assert "@database/surco" in services()["api"]["environment"]["SURCO_DATABASE_URL"]


def test_compose_starts_what_the_command_knows() -> None:
    """The options of the api's command are those of `surco serve`."""
    from surco.api.serving_commands import serve

    known = {name for option in serve.params for name in option.opts}
    given = [part.partition("=")[0] for part in services()["api"]["command"] if part.startswith("--")]
    assert given and set(given) <= known


def entered(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entry point, with a `surco` before it that prints what it got."""
    fake = tmp_path / "surco"
    fake.write_text('#!/bin/sh\necho "$@"\nenv\n')
    fake.chmod(0o755)
    path = f"{tmp_path}{os.pathsep}/usr/bin{os.pathsep}/bin"
    command = ["/bin/sh", str(ENTRYPOINT), "serve", "a b"]
    return subprocess.run(command, env={"PATH": path, **environment}, capture_output=True, text=True)


def test_the_entry_point_reads_secrets_from_files(tmp_path: Path) -> None:
    """NAME_FILE becomes NAME, odd characters and all; empty names are none; a file that is not there is said."""
    odd = "p'a\"ss $HOME `x`"
    (tmp_path / "secret").write_text(f"{odd}\n")
    done = entered(tmp_path, PGPASSWORD_FILE=str(tmp_path / "secret"), AWS_ACCESS_KEY_ID="", AWS_REGION="x")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert lines[0] == "serve a b" and f"PGPASSWORD={odd}" in lines and "AWS_REGION=x" in lines
    assert not [line for line in lines if line.startswith(("PGPASSWORD_FILE", "AWS_ACCESS_KEY_ID"))]
    refused = entered(tmp_path, SURCO_DATABASE_URL_FILE="/nowhere")
    assert refused.returncode == 2 and "SURCO_DATABASE_URL_FILE" in refused.stderr


@pytest.mark.parametrize(("status", "code"), [(200, 0), (400, 0), (503, 1)])
def test_the_health_check_tells_the_living_from_the_dead(status: int, code: int) -> None:
    """A server that answers lives, one that fails or is not there does not."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        asked = [sys.executable, HEALTHY, str(server.server_port)]
        assert subprocess.run(asked).returncode == code
    assert subprocess.run(asked).returncode == 1
