"""Label sets on both databases: who may do what, revisions, history, quotas, and what adapters read."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import shapely
from label_builders import LAT, LON, caller, drawn, nobody, opened, said, settings_of_set
from postgres_server import postgres_server
from sqlalchemy import func, select

from surco.api.label_sets.contents import checked_properties
from surco.api.label_sets.counting import kept_by
from surco.api.label_sets.history import history_of, restore_label
from surco.api.label_sets.items import add_labels, change_label, find_label, remove_label
from surco.api.label_sets.querying import LabelFilter, blocks, class_counts, last_number, page
from surco.api.label_sets.reading import campaign_of, labels_of
from surco.api.label_sets.revisions import etag
from surco.api.label_sets.rights import share, shares, unshare
from surco.api.label_sets.sets import change_set, find_set, list_sets, make_set, remove_set
from surco.api.label_sets.shapes import placed
from surco.api.refusals import (
    ConflictError,
    InvalidError,
    NoRevisionError,
    NotAllowedError,
    QuotaError,
    StaleError,
    UnknownError,
)
from surco.api.state.database import Database
from surco.api.state.label_tables import LABEL_HISTORY, LABELS
from surco.api.state.tables import AUDIT
from surco.api.web.callers import Caller
from surco.embedstore import LabelError


@pytest.fixture(scope="module")
def server() -> Iterator[str | None]:
    """A PostgreSQL for all tests here."""
    with postgres_server() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind."""
    server = request.getfixturevalue("server") if request.param == "postgresql" else None
    with opened(tmp_path, server) as found:
        yield found


def made(database: Database, owner: Caller, **more: object) -> str:
    """Id of a new set."""
    with database.writing() as connection:
        return make_set(connection, owner, **settings_of_set(**more)).id


def add(database: Database, who: Caller, set_id: str, *labels: object, **more: object) -> list[str]:
    """Ids of labels added."""
    with database.writing() as connection:
        return add_labels(connection, who, set_id, labels, **more).ids  # type: ignore[arg-type]


ACTIONS = ("read", "add", "write", "own")
MATRIX = {
    # who, of a set that is: private, public, public where anyone adds, shared to read, shared to write
    "owner": ("own", "own", "own", "own", "own"),
    "other key": (None, "read", "add", None, None),
    "reading key": (None, "read", "read", None, None),
    "admin": ("own", "own", "own", "own", "own"),
    "named key": (None, "read", "add", "read", "write"),
    "anonymous": (None, "read", "read", None, None),
    "anonymous who may label": (None, "read", "add", None, None),
}


def test_the_permissions_matrix_holds(database: Database) -> None:
    """Who may do what with which set, and nobody learns of a set that it may not see."""
    owner, named = caller(database, "owner"), caller(database, "named")
    people = {
        "owner": owner,
        "other key": caller(database, "other"),
        "reading key": caller(database, "reader", "read"),
        "admin": caller(database, "boss", "admin"),
        "named key": named,
        "anonymous": nobody("read"),
        "anonymous who may label": nobody("label"),
    }
    sets = [
        made(database, owner),
        made(database, owner, public=True),
        made(database, owner, public=True, contributions="anyone"),
        made(database, owner),
        made(database, owner),
    ]
    with database.writing() as connection:
        share(connection, sets[3], named.key_id or "", "read")
        share(connection, sets[4], named.key_id or "", "write")
    for name, rights in MATRIX.items():
        for set_id, most in zip(sets, rights, strict=True):
            for action in ACTIONS:
                with database.reading() as connection:
                    if most is None:
                        with pytest.raises(UnknownError, match="label set"):
                            find_set(connection, set_id, people[name], action)
                    elif ACTIONS.index(action) > ACTIONS.index(most):
                        with pytest.raises(NotAllowedError, match="share it with your key"):
                            find_set(connection, set_id, people[name], action)
                    else:
                        assert find_set(connection, set_id, people[name], action).may == most
        with database.reading() as connection:
            seen = {each.id for each in list_sets(connection, people[name], limit=100)}
        assert seen == {set_id for set_id, most in zip(sets, rights, strict=True) if most}, name


def test_sharing_ends(database: Database) -> None:
    """A key sees a shared set until it is unshared; the set says how it is seen."""
    owner, other = caller(database, "owner"), caller(database, "other")
    set_id = made(database, owner)
    with database.writing() as connection:
        assert find_set(connection, set_id, owner).visibility == "private"
        share(connection, set_id, other.key_id or "", "write")
        share(connection, set_id, other.key_id or "", "read")
        assert shares(connection, set_id) == [{"key_id": other.key_id, "name": "other", "may": "read"}]
        assert find_set(connection, set_id, owner).visibility == "shared"
        assert unshare(connection, set_id, other.key_id or "")
        assert not unshare(connection, set_id, other.key_id or "")
        with pytest.raises(UnknownError, match="API key"):
            share(connection, set_id, "k_nobody", "read")
        with pytest.raises(UnknownError):
            find_set(connection, set_id, other)


def test_nobodys_set_is_public(database: Database) -> None:
    """A caller without a key makes public sets only, and nobody takes them for himself."""
    with database.writing() as connection, pytest.raises(NotAllowedError, match='"public": true'):
        make_set(connection, nobody("label"), **settings_of_set())
    set_id = made(database, nobody("label"), public=True)
    with database.writing() as connection, pytest.raises(NotAllowedError, match="without a key"):
        change_set(connection, nobody("label"), set_id, "*", public=False)


def test_two_editors_do_not_overwrite_each_other(database: Database) -> None:
    """A change names the revision that it has seen; the second of two is refused and nothing of it is kept."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    (label_id,) = add(database, owner, set_id, said("trigo", id="a"))
    changes = {"shape": None, "said": {"class": "maíz"}}
    with database.writing() as connection:
        changed = change_label(connection, owner, set_id, label_id, etag(1), **changes)  # type: ignore[arg-type]
        assert (changed.revision, changed.said["class"]) == (2, "maíz")
    for match, error in ((etag(1), StaleError), (None, NoRevisionError)):
        with pytest.raises(error), database.writing() as connection:
            change_label(connection, owner, set_id, label_id, match, shape=None, said={"class": "papa"})
        with pytest.raises(error), database.writing() as connection:
            remove_label(connection, owner, set_id, label_id, match)
        with pytest.raises(error), database.writing() as connection:
            change_set(connection, owner, set_id, match, name="x")
    with database.reading() as connection:
        assert find_label(connection, set_id, label_id).said["class"] == "maíz"


def test_of_many_writers_at_once_one_wins(database: Database) -> None:
    """Eight editors who have seen the same revision: one change counts, seven are told, and the history is whole."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    (label_id,) = add(database, owner, set_id, said("0", id="a"))
    won: list[str] = []
    start = threading.Barrier(8)

    def edit(word: str) -> None:
        start.wait()
        try:
            with database.writing() as connection:
                change_label(connection, owner, set_id, label_id, etag(1), shape=None, said={"class": word})
        except StaleError:
            return
        won.append(word)

    threads = [threading.Thread(target=edit, args=(str(n),)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with database.reading() as connection:
        label = find_label(connection, set_id, label_id)
        assert [label.said["class"]] == won
        assert label.revision == 2


def test_what_was_said_is_kept_and_comes_back(database: Database) -> None:
    """Every revision stays, with who ended it; a label goes back to one, also after it was deleted."""
    owner, other = caller(database, "owner"), caller(database, "other")
    set_id = made(database, owner)
    with database.writing() as connection:
        share(connection, set_id, other.key_id or "", "write")
    add(database, owner, set_id, said("trigo", id="a", note="visto"))
    with database.writing() as connection:
        moved = placed(shapely.Point(LON + 1, LAT))
        change_label(connection, other, set_id, "a", etag(1), shape=moved, said={"class": "maíz"})
    with database.writing() as connection:
        remove_label(connection, owner, set_id, "a", etag(2))
    with database.reading() as connection:
        past = history_of(connection, set_id, "a")
        assert [(one["revision"], one["ended"], one["by"]) for one in past["past"]] == [
            (1, "changed", other.key_id),
            (2, "deleted", owner.key_id),
        ]
        assert past["present"] is None
        with pytest.raises(UnknownError, match="history"):
            find_label(connection, set_id, "a")
    with database.writing() as connection:
        back = restore_label(connection, owner, set_id, "a", None, revision=1)
        assert (back.revision, back.said["class"], back.said["note"]) == (3, "trigo", "visto")
        assert shapely.from_wkb(back.wkb).equals(shapely.Point(LON, LAT))
    with database.writing() as connection:
        undone = restore_label(connection, owner, set_id, "a", etag(3), revision=2)
        assert (undone.revision, undone.said["class"]) == (4, "maíz")
        with pytest.raises(UnknownError, match="revision 9"):
            restore_label(connection, owner, set_id, "a", etag(4), revision=9)


def test_who_may_only_add_stays_with_his_own(database: Database) -> None:
    """In an open set a stranger adds in his own name and changes his own labels, nobody else's."""
    owner, crowd = caller(database, "owner"), caller(database, "crowd")
    set_id = made(database, owner, public=True, contributions="anyone")
    add(database, owner, set_id, said("trigo", id="owners"))
    (own,) = add(database, crowd, set_id, said("maíz"))
    with database.reading() as connection:
        assert find_label(connection, set_id, own).said["who"] == "crowd"
    with pytest.raises(NotAllowedError, match="own name"):
        add(database, crowd, set_id, said("maíz", who="owner"))
    with pytest.raises(NotAllowedError, match="somebody else made"), database.writing() as connection:
        change_label(connection, crowd, set_id, "owners", "*", shape=None, said={"class": "papa"})
    with pytest.raises(NotAllowedError, match="somebody else made"), database.writing() as connection:
        remove_label(connection, crowd, set_id, "owners", "*")
    with pytest.raises(NotAllowedError, match="somebody else made"):
        add(database, crowd, set_id, said("papa", id="owners"), existing="replace")
    with database.writing() as connection:
        change_label(connection, crowd, set_id, own, "*", shape=None, said={"class": "papa"})


def test_ids_are_kept_apart(database: Database) -> None:
    """An id that is there is refused, or replaced where asked; nothing of a refused call is stored."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    add(database, owner, set_id, said("a", id="1"), said("b", id="2"))
    with pytest.raises(ConflictError, match="existing=replace"):
        add(database, owner, set_id, said("c", id="3"), said("d", id="1"))
    with pytest.raises(ConflictError, match="twice"):
        add(database, owner, set_id, said("c", id="3"), said("d", id="3"))
    add(database, owner, set_id, said("c", id="3"), said("d", id="1"), existing="replace")
    with database.reading() as connection:
        found = {
            one.id: (one.said["class"], one.revision)
            for one in page(connection, set_id, LabelFilter(), limit=9)
        }
        assert found == {"1": ("d", 2), "2": ("b", 1), "3": ("c", 1)}
        assert find_set(connection, set_id, owner).labels == 3


def test_a_set_holds_classes_or_values(database: Database) -> None:
    """A label without the field that its set holds, or with the other one, is refused."""
    owner = caller(database, "owner")
    classes, values = made(database, owner), made(database, owner, kind="value", unit="t/ha")
    with pytest.raises(InvalidError, match="'class' of every label"):
        add(database, owner, classes, said(4.5))
    with pytest.raises(InvalidError, match="'value' of every label"):
        add(database, owner, values, said("trigo"))
    add(database, owner, values, said(4.5), said(6.25))
    with database.reading() as connection:
        assert labels_of(connection, values, owner).label == ["4.5", "6.25"]


def test_the_quota_counts_labels_and_kept_revisions(database: Database) -> None:
    """Over the quota nothing is stored; deleting frees it, and removing the set frees all."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    add(database, owner, set_id, *(said("a", id=str(n)) for n in range(3)), quota=4)
    with pytest.raises(QuotaError, match="at most 4 labels"):
        add(database, owner, set_id, said("b"), said("c"), quota=4)
    with database.writing() as connection:
        assert kept_by(connection, owner) == 3
        change_label(connection, owner, set_id, "0", "*", shape=None, said={"class": "z"}, quota=4)
        assert kept_by(connection, owner) == 4
        remove_set(connection, owner, set_id, "*")
        assert kept_by(connection, owner) == 0
        for table in (LABELS, LABEL_HISTORY):
            assert connection.execute(select(func.count()).select_from(table)).scalar_one() == 0


def test_filters_and_pages(database: Database) -> None:
    """Class, person, season, place, box and time filter; pages neither skip nor repeat while others add."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    labels = [
        said(
            "a" if n % 2 else "b",
            LON + n / 1000,
            LAT,
            id=f"l{n}",
            who=f"p{n % 3}",
            season="2024-25",
            place=f"x{n}",
        )
        for n in range(20)
    ]
    add(database, owner, set_id, *labels)
    add(database, owner, set_id, said("a", 179.9, -40, id="east"), said("a", -179.9, -40, id="west"))
    with database.reading() as connection:

        def ids(**wanted: object) -> list[str]:
            return [one.id for one in page(connection, set_id, LabelFilter(**wanted), limit=100)]  # type: ignore[arg-type]

        assert ids(class_="b") == [f"l{n}" for n in range(0, 20, 2)]
        assert ids(who="p1", class_="a") == ["l1", "l7", "l13", "l19"]
        assert ids(place="x7") == ["l7"]
        assert ids(bbox=(LON + 0.0045, LAT - 1, LON + 0.0065, LAT + 1)) == ["l5", "l6"]
        assert ids(bbox=(179, -50, -179, -30)) == ["east", "west"]
        assert ids(season="2023-24") == []
        first = page(connection, set_id, LabelFilter(), limit=7)
        assert ids(since=first[-1].changed_at) and not ids(since=first[-1].changed_at.replace(year=2200))
        assert class_counts(connection, set_id) == {"a": 12, "b": 10}
        until = last_number(connection, set_id)
    add(database, owner, set_id, said("later"))
    with database.reading() as connection:
        after = page(connection, set_id, LabelFilter(), limit=7, after=first[-1].number, until=until)
        assert [one.id for one in after] == [f"l{n}" for n in range(7, 14)]
    assert sum(len(block) for block in blocks(database, set_id, LabelFilter(), until)) == 22


def test_every_write_is_in_the_audit_log(database: Database) -> None:
    """Making, adding, changing, deleting and removing each leave an entry with the key."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    add(database, owner, set_id, said("a", id="1"))
    with database.writing() as connection:
        change_label(connection, owner, set_id, "1", "*", shape=None, said={"class": "b"})
        remove_label(connection, owner, set_id, "1", "*")
        change_set(connection, owner, set_id, "*", name="otro")
        remove_set(connection, owner, set_id, "*")
        rows = connection.execute(select(AUDIT.c.action, AUDIT.c.key_id).order_by(AUDIT.c.id)).all()
    assert [tuple(row) for row in rows] == [
        (f"labels.{verb}", owner.key_id) for verb in ("make", "add", "edit", "delete", "change", "remove")
    ]


def test_adapters_read_labels_and_consensus(database: Database) -> None:
    """What is fitted on: every label, or one a place; a place without a majority is left out."""
    owner = caller(database, "owner")
    set_id = made(database, owner)
    add(
        database,
        owner,
        set_id,
        drawn("trigo", who="ana"),
        said("trigo", LON + 0.001, LAT + 0.001, who="luis"),
        said("maíz", LON + 0.0011, LAT + 0.001, who="eva"),
        said("papa", LON + 1, LAT, who="ana", arm="margin", round=2),
        said("maíz", LON + 2, LAT, who="ana"),
        said("papa", LON + 2, LAT, who="luis"),
    )
    with database.reading() as connection:
        every = labels_of(connection, set_id, owner)
        assert every.label == ["trigo", "trigo", "maíz", "papa", "maíz", "papa"]
        agreed = labels_of(connection, set_id, owner, consensus="majority")
        assert agreed.label == ["trigo", "papa"]
        assert [shape.geom_type for shape in agreed.geometry] == ["Polygon", "Point"]
        modelled = labels_of(connection, set_id, owner, consensus="dawid-skene")
        assert modelled.label[:2] == ["trigo", "papa"]
        campaign = campaign_of(connection, set_id, owner)
        assert campaign.arm.tolist()[3] == "margin" and campaign.round.tolist()[3] == 2
    empty = made(database, owner)
    with database.reading() as connection, pytest.raises(LabelError, match="at least one label"):
        labels_of(connection, empty, owner)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"class": "a" * 201}, "at most 200 characters"),
        ({"class": "trigo\x00"}, "control characters"),
        ({"class": "trigo\u202eoziam"}, "control characters"),
        ({"class": "\ud800"}, "control characters"),
        ({"class": ["trigo"]}, "Expected text"),
        ({"value": "mucho"}, "Expected a number"),
        ({"value": float("inf")}, "Expected a number"),
        ({"value": 10**400}, "Expected a number"),
        ({"confidence": 80}, "Divide percentages"),
        ({"inclusion_probability": 0}, "above 0"),
        ({"season": "verano"}, "2024-25"),
        ({"observed": "ayer"}, "ISO 8601"),
        ({"round": 1.5}, "whole number"),
        ({"note": "x" * 2001}, "at most 2000"),
    ],
)
def test_odd_values_are_refused(given: dict[str, object], message: str) -> None:
    """Each field says what it takes."""
    with pytest.raises(InvalidError, match=message):
        checked_properties(given)


def test_values_take_one_form() -> None:
    """Accents are composed, decimal commas read, Chilean days turned round, whole numbers of tables unpointed."""
    found = checked_properties(
        {"class": "mai\u0301z ", "confidence": "0,8", "observed": "5/3/2025", "place": 12.0, "note": "a\nb"}
    )
    assert (found["class"], found["confidence"], found["observed"], found["note"]) == (
        "maíz",
        0.8,
        "2025-03-05",
        "a\nb",
    )
    assert checked_properties({"class": 3.0})["class"] == "3"
