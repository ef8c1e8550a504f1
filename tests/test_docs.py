"""The docs speak of what is there, and of all of it."""

from __future__ import annotations

import importlib
import pkgutil
import re
from pathlib import Path

import click
import pytest

from surco.api.app import create_app
from surco.api.cli import main
from surco.api.settings import Settings

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("adapters", "api", "embedstore", "encoder", "viewer")
PAGES = sorted(path for path in ROOT.rglob("*.md") if not {".venv", "scratch", "demo"} & set(path.parts))


def commands(group: click.Group, prefix: str = "surco") -> list[tuple[str, click.Command]]:
    """Every command with its full name."""
    found = []
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            given = [p.human_readable_name.upper() for p in command.params if isinstance(p, click.Argument)]
            found += commands(command, " ".join([prefix, name, *given]))
        else:
            found.append((f"{prefix} {name}", command))
    return found


def test_every_command_and_option_is_documented() -> None:
    """api/README.md names each command with each of its options."""
    text = (ROOT / "api/README.md").read_text(encoding="utf-8")
    for name, command in commands(main):
        rows = [line for line in text.splitlines() if f"`{name} " in line]
        assert rows, name
        for option in command.params:
            if isinstance(option, click.Option):
                assert any(o in rows[0] for o in (*option.opts, *option.secondary_opts)), (
                    f"{name} {option.opts}"
                )


def test_every_route_is_documented(tmp_path: Path) -> None:
    """api/README.md names the last part of each route."""
    from surco.embedstore import Store

    Store.create(tmp_path / "store")
    text = (ROOT / "api/README.md").read_text(encoding="utf-8")
    for route in create_app(Settings(tmp_path / "store")).routes:
        last = [part for part in route.path.split("/") if part and "{" not in part]
        assert not last or f"{last[-1]}" in text, route.path


@pytest.mark.parametrize("room", ROOMS)
def test_the_surface_is_sorted_and_there(room: str) -> None:
    """`__all__` of each room and module is sorted, and every name in it exists."""
    package = importlib.import_module(f"surco.{room}")
    inner = pkgutil.walk_packages(package.__path__, f"surco.{room}.")
    modules = [package, *(importlib.import_module(info.name) for info in inner)]
    for module in modules:
        names = list(getattr(module, "__all__", []))
        assert all(hasattr(module, name) for name in names), module.__name__
        constants = [n for n in names if n.isupper()]
        classes = [n for n in names if not n.isupper() and n[0].isupper()]
        rest = [n for n in names if n not in constants and n not in classes]
        assert names == [*sorted(constants), *sorted(classes), *sorted(rest)], module.__name__


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link and picture of every page is there."""
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), target


@pytest.mark.parametrize("room", ROOMS)
def test_every_module_is_in_its_rooms_readme(room: str) -> None:
    """A room's README names each of its modules, or the folder that they lie in."""
    text = (ROOT / room / "README.md").read_text(encoding="utf-8")
    for path in sorted((ROOT / room / "surco" / room).rglob("*.py")):
        inside = path.relative_to(ROOT / room / "surco" / room)
        if len(inside.parts) > 1:
            assert f"`{inside.parts[0]}/`" in text, inside
        elif inside.name not in ("__init__.py", "errors.py"):
            assert re.search(rf"`{inside.stem}[.`]", text), inside
