"""What stands before every route: keys, scopes, limits, headers, the audit log, the server's own description."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from litestar import Litestar, get
from litestar.testing import TestClient
from openapi_spec_validator import validate
from postgres_server import postgres_database
from sqlalchemy import update
from store_builders import small_store
from test_cli import refused, surco

from surco.api.app import create_app
from surco.api.ogc.comuna_outlines import comuna_outlines
from surco.api.refusals import QuotaError, SettingsError, StateError
from surco.api.settings import Settings
from surco.api.state.audit import record
from surco.api.state.database import Database
from surco.api.state.keys import KnownKeys, add_key
from surco.api.state.quotas import check, spend, used
from surco.api.state.tables import KEYS
from surco.api.warming import warm
from surco.api.web.callers import Caller
from surco.api.web.formats import chosen

JSON = {"accept": "application/json"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that a server stands on."""
    return small_store(tmp_path_factory.mktemp("server") / "store").path


@pytest.fixture
def client(store: Path) -> Iterator[TestClient]:
    """A client of a server with the usual settings."""
    with TestClient(create_app(Settings(store))) as client:
        yield client


def key(store: Path, *scopes: str) -> dict[str, str]:
    """Headers with a new key."""
    with Database.open(store).writing() as connection:
        _, secret = add_key(connection, "a test", scopes)
    return {"authorization": f"Bearer {secret}"}


def problem(answer, status: int) -> str:
    """The detail of a problem document, checked."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    known = {"type", "title", "status", "detail", "instance"}
    assert set(body) - {"code", "values"} == known and body["status"] == status
    assert "Traceback" not in body["detail"]
    return body["detail"]


def test_a_key_is_shown_once_and_opens_what_its_scopes_say(client: TestClient, store: Path) -> None:
    """An administrator makes a key; only its hash is kept; it may do what it says, and no more."""
    admin = key(store, "admin")
    made = client.post("/keys", json={"name": "Ana", "scopes": ["label"]}, headers=admin)
    assert made.status_code == 201
    secret = {"x-api-key": made.json()["key"]}
    assert client.get("/whoami", headers=secret).json() == {
        "key": made.json()["id"],
        "name": "Ana",
        "scopes": ["label", "read"],
    }
    assert made.json()["key"] not in client.get("/keys", headers=admin).text
    state = b"".join(file.read_bytes() for file in (store / ".server").iterdir())
    assert made.json()["key"].encode() not in state
    assert "scope 'admin'" in problem(client.get("/keys", headers=secret), 403)
    assert "got none" in problem(client.get("/keys"), 401)


def test_a_revoked_key_and_an_expired_one_open_nothing(client: TestClient, store: Path) -> None:
    """Revoking counts at once, and so does the last day."""
    admin, other = key(store, "admin"), key(store, "read")
    other_id = client.get("/whoami", headers=other).json()["key"]
    assert client.delete(f"/keys/{other_id}", headers=admin).json()["active"] is False
    assert "revoked" in problem(client.get("/whoami", headers=other), 401)
    with Database.open(store).writing() as connection:
        info, secret = add_key(connection, "short", ["read"], days=1)
        past = datetime.now(UTC) - timedelta(days=1)
        connection.execute(update(KEYS).where(KEYS.c.id == info.id).values(expires_at=past))
    problem(client.get("/whoami", headers={"x-api-key": secret}), 401)


@pytest.mark.parametrize(
    "header",
    ["Basic YTpi", "Bearer", "Bearer surco_" + "x" * 43, "Bearer " + "x" * 5_000, "bearer surco_ñ"],
)
def test_what_is_no_key_is_refused(client: TestClient, header: str) -> None:
    """A wrong key is never taken for no key."""
    problem(client.get("/whoami", headers={"authorization": header.encode("latin-1")}), 401)


def test_anonymous_reading_can_be_switched_off(store: Path) -> None:
    """Without it nothing is answered but whether the server lives, and its page of documentation."""
    with TestClient(create_app(Settings(store, anonymous=()))) as client:
        assert client.get("/health").status_code == 200
        for path in ("/", "/openapi.json", "/docs/schema", "/llms.txt", "/metrics", "/api/overview"):
            problem(client.get(path), 401)
        assert client.get("/api/overview", headers=key(store, "read")).status_code == 200


def test_every_route_but_a_few_asks_for_a_scope(store: Path) -> None:
    """No handler is left open by oversight: without a key and without anonymous callers all are refused."""
    free = {"/health", "/whoami", "/docs", "/static/{name:str}", "/static/docs/{name:str}"}
    with TestClient(create_app(Settings(store, anonymous=()))) as client:
        for route in client.app.routes:
            for method in sorted(route.methods - {"OPTIONS", "HEAD"}):
                address = re.sub(r"{\w+:uuid}", "0" * 32, route.path)
                answer = client.request(method, re.sub(r"{[^}]*}", "1", address))
                assert answer.status_code == 401 or route.path in free, f"{method} {route.path}"


def test_requests_are_counted_by_caller(store: Path) -> None:
    """Over the limit comes 429 with the seconds to wait; another key has its own count."""
    first, second = key(store, "read"), key(store, "read")
    with TestClient(create_app(Settings(store, requests_per_minute=3))) as client:
        answers = [client.get("/whoami", headers=first) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert [answer.headers["ratelimit-remaining"] for answer in answers[:3]] == ["2", "1", "0"]
        assert "at most 3 requests a minute" in problem(answers[3], 429)
        assert 1 <= int(answers[3].headers["retry-after"]) <= 120, (
            "the rest of this minute, and part of the next"
        )
        assert client.get("/whoami", headers=second).status_code == 200
        assert client.get("/health").status_code == 200


def test_writes_are_counted_apart(store: Path) -> None:
    """Reading goes on where writing has reached its limit."""
    admin = key(store, "admin")
    with TestClient(create_app(Settings(store, writes_per_minute=1))) as client:
        body = {"name": "x", "scopes": ["read"]}
        assert client.post("/keys", json=body, headers=admin).status_code == 201
        assert "writes" in problem(client.post("/keys", json=body, headers=admin), 429)
        assert client.get("/keys", headers=admin).status_code == 200
        asked = [
            client.post("/search", json={"like": ["p1"], "table": "parcels"}).status_code for _ in range(3)
        ]
        assert asked == [201, 201, 201] or asked == [200, 200, 200], "a question is no write"


def test_another_site_cannot_write_through_a_visitor(client: TestClient) -> None:
    """A keyless write that a browser says comes from elsewhere is refused before anything else."""
    headers = {"sec-fetch-site": "cross-site"}
    answer = client.post("/keys", json={"name": "x", "scopes": ["admin"]}, headers=headers)
    assert "another site" in problem(answer, 403)


def test_cors_is_off_unless_set(store: Path, client: TestClient) -> None:
    """Only the origins that are named are told that they may read."""
    origin = {"origin": "https://maps.example.cl"}
    assert "access-control-allow-origin" not in client.get("/health", headers=origin).headers
    with TestClient(create_app(Settings(store, cors_origins=("https://maps.example.cl",)))) as shared:
        answer = shared.get("/health", headers=origin)
        assert answer.headers["access-control-allow-origin"] == "https://maps.example.cl"
        assert answer.headers["cross-origin-resource-policy"] == "cross-origin"
        other = shared.get("/health", headers={"origin": "https://evil.example"})
        assert other.headers.get("access-control-allow-origin") != "https://evil.example"


def test_only_named_hosts_are_answered(store: Path) -> None:
    """A page that points a name of its own at this machine gets nothing; a port does not matter."""
    with TestClient(create_app(Settings(store, allowed_hosts=("127.0.0.1", "::1", "maps.cl")))) as client:
        assert "evil.example" in problem(client.get("/health", headers={"host": "evil.example:80"}), 400)
        for own in ("127.0.0.1:8765", "[::1]:8765", "Maps.cl", "[::1]"):
            assert client.get("/health", headers={"host": own}).status_code == 200


def test_every_answer_carries_the_security_headers(client: TestClient) -> None:
    """Errors as well."""
    for path in ("/", "/docs", "/nowhere", "/keys"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert "script-src 'self'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]


def test_unknown_parameters_and_fields_are_refused(client: TestClient, store: Path) -> None:
    """A misspelt name is named, with the one that was meant."""
    assert "Did you mean 'limit'" in problem(client.get("/audit?limt=3", headers=key(store, "admin")), 400)
    body = {"name": "x", "scopes": ["read"], "colour": 1}
    assert "colour" in problem(client.post("/keys", json=body, headers=key(store, "admin")), 400)
    problem(client.post("/keys", content=b"{", headers=key(store, "admin")), 400)
    problem(client.post("/keys", json={"name": "x", "scopes": ["fly"]}, headers=key(store, "admin")), 400)


def test_a_large_body_is_refused(store: Path) -> None:
    """Before it is read whole."""
    with TestClient(create_app(Settings(store, max_body=1_000))) as client:
        body = {"name": "x" * 2_000, "scopes": ["read"]}
        problem(client.post("/keys", json=body, headers=key(store, "admin")), 413)


def test_writes_are_audited(client: TestClient, store: Path) -> None:
    """Who, what, to what and from where, the newest first, in pages."""
    admin = key(store, "admin")
    made = [
        client.post("/keys", json={"name": f"n{i}", "scopes": ["read"]}, headers=admin).json() for i in (1, 2)
    ]
    page = client.get("/audit?limit=1&action=key.add", headers=admin).json()
    assert page["entries"][0]["target"] == made[1]["id"] and page["entries"][0]["caller"] == "a test"
    assert page["entries"][0]["detail"] == {"name": "n2", "scopes": ["read"]}
    older = client.get(f"/audit?limit=1&action=key.add&before={page['next']}", headers=admin).json()
    assert older["entries"][0]["target"] == made[0]["id"]
    assert made[0]["key"] not in client.get("/audit", headers=admin).text


def test_the_root_is_a_page_for_people_and_a_landing_page_for_programs(client: TestClient) -> None:
    """By Accept, or by f."""
    assert (
        client.get("/", headers={"accept": "text/html,*/*;q=0.8"})
        .headers["content-type"]
        .startswith("text/html")
    )
    assert client.get("/", headers=JSON).json()["title"]
    assert client.get("/?f=json", headers={"accept": "text/html"}).json()["title"]
    problem(client.get("/", headers={"accept": "image/png"}), 406)
    problem(client.get("/?f=xml"), 400)


def test_the_openapi_document_is_valid_and_complete(client: TestClient) -> None:
    """Each operation has an id, a summary, a tag, a description and the problem document; the schema is OpenAPI 3.1."""
    document = client.get("/openapi.json").json()
    validate(document)
    found = [
        operation
        for item in document["paths"].values()
        for method, operation in item.items()
        if method in ("get", "post", "put", "patch", "delete")
    ]
    assert len({operation["operationId"] for operation in found}) == len(found)
    for operation in found:
        name = operation["operationId"]
        assert operation["summary"] and operation["tags"] and operation["description"], name
        assert "application/problem+json" in operation["responses"]["4XX"]["content"], name


def test_the_documentation_page_needs_no_other_host(client: TestClient) -> None:
    """Every address in it is ours, and answers."""
    page = client.get("/docs").text
    for name in ("swagger-ui.css", "swagger-ui-bundle.js", "start.js"):
        assert f"/static/docs/{name}" in page
        assert client.get(f"/static/docs/{name}").status_code == 200
    assert "http" not in page
    problem(client.get("/static/docs/core.py"), 404)


def test_llms_txt_names_every_route(client: TestClient) -> None:
    """One line each, by subject."""
    text = client.get("/llms.txt").text
    for path in client.get("/openapi.json").json()["paths"]:
        assert f" {path}: " in text, path
    assert "2024-25" in text


def test_metrics_speak_of_routes(client: TestClient) -> None:
    """In Prometheus' text format, grouped by route and not by address."""
    client.get("/static/docs/start.js")
    text = client.get("/metrics").text
    assert "surco_requests_total" in text and "/static/docs/{name}" in text


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (None, "json"),
        ("*/*", "json"),
        ("text/csv", "csv"),
        ("text/*;q=0.5, application/json;q=0.4", "csv"),
        ("text/html, application/json;q=0.9, */*;q=0.1", "json"),
        ("application/json;q=0, */*", "csv"),
    ],
)
def test_accept_is_read_as_rfc_9110_says(accept: str | None, wanted: str) -> None:
    """Weights count, and the most specific range that fits."""
    found: list[str] = []

    @get("/")
    async def handler(request: "Request") -> None:  # noqa: UP037
        found.append(chosen(request, None, {"json": "application/json", "csv": "text/csv"}))

    from litestar import Request

    app = Litestar([handler], signature_namespace={"Request": Request}, openapi_config=None)
    with TestClient(app) as client:
        client.headers.pop("accept", None)
        client.get("/", headers={"accept": accept} if accept else {"accept": ""})
    assert found == [wanted]


def test_quotas_outlast_the_process(store: Path) -> None:
    """Two servers on one database count together; what is over the limit is not counted."""
    ana = Caller.of("k_1", "Ana", frozenset({"read"}), "10.0.0.1")
    spend(Database.open(store), ana, "sql_seconds", 7, 10)
    spend(Database.open(store), ana, "sql_seconds", 2, 10)
    with pytest.raises(QuotaError, match="at most 10 sql seconds in 60 minutes"):
        spend(Database.open(store), ana, "sql_seconds", 2, 10)
    assert used(Database.open(store), ana, "sql_seconds") == 9
    check(Database.open(store), ana, "sql_seconds", 10)
    with pytest.raises(QuotaError):
        check(Database.open(store), ana, "sql_seconds", 9)


def test_postgresql_serves_like_sqlite(store: Path) -> None:
    """Migrated once by two servers that start together; keys, quotas and audit are the same there."""
    with postgres_database() as url:
        with ThreadPoolExecutor(4) as pool:
            databases = list(pool.map(lambda _: Database.open(store, url), range(4)))
        first, second = databases[:2]
        caller = Caller.of(None, "root", frozenset({"admin"}), "local")
        with first.writing() as connection:
            info, secret = add_key(connection, "Ana", ["admin"], days=2)
            record(connection, caller, "key.add", info.id)
        found = KnownKeys(second).find(secret)
        assert found == info
        spend(first, caller, "sql_seconds", 7, 10)
        spend(second, caller, "sql_seconds", 3, 10)
        with pytest.raises(QuotaError):
            spend(second, caller, "sql_seconds", 1, 10)
        with TestClient(create_app(Settings(store, database=url))) as client:
            assert client.get("/health").status_code == 200
            assert (
                client.get("/audit", headers={"x-api-key": secret}).json()["entries"][0]["target"] == info.id
            )
        for database in databases:
            database.close()


def test_a_write_that_fails_leaves_no_trace(store: Path) -> None:
    """Neither itself nor its entry in the audit log."""
    database = Database.open(store)
    with pytest.raises(RuntimeError), database.writing() as connection:
        add_key(connection, "lost", ["read"])
        record(connection, Caller.of(None, "x", frozenset(), ""), "key.add", "lost")
        raise RuntimeError
    assert "lost" not in surco("keys", "list", store).output


def test_a_database_of_a_newer_surco_is_refused(tmp_path: Path) -> None:
    """With what to do, and unchanged."""
    small_store(tmp_path / "store", 10)
    database = Database.open(tmp_path / "store")
    with database.writing() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StateError, match="newer Surco"):
        Database.open(tmp_path / "store")


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("nonsense", "cannot be read"),
        ("mysql://root:geheim@host/db", "SQLite or PostgreSQL"),
        ("postgresql://ana:geheim@127.0.0.1:1/db", "Start it"),
        ("sqlite://", "file in the SQLite URL"),
    ],
)
def test_a_wrong_database_url_is_a_sentence_without_the_password(
    tmp_path: Path, url: str, words: str
) -> None:
    """What was expected, and nothing secret."""
    with pytest.raises(StateError, match=words) as caught:
        Database.open(tmp_path, url)
    assert "geheim" not in str(caught.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"anonymous": ("fly",)},
        {"cors_origins": ("*",)},
        {"requests_per_minute": 0},
        {"cors_origins": ("x.cl",)},
    ],
)
def test_wrong_settings_are_refused(store: Path, wrong: dict[str, object]) -> None:
    """When they are made."""
    with pytest.raises(SettingsError):
        Settings(store, **wrong)


def test_what_the_first_caller_needs_is_begun_at_the_start(store: Path) -> None:
    """Outlines of the country and the index of tiles are there when the threads end."""
    app = create_app(Settings(store))
    for thread in warm(app.state.server):
        thread.join(60)
    assert comuna_outlines.cache_info().currsize == 1
    with TestClient(app) as client:
        assert client.get("/tiles/embedding/2024-25/9/154/308.png").status_code == 200


def test_settings_do_not_print_the_database(store: Path) -> None:
    """Its URL may hold a password."""
    assert "geheim" not in repr(Settings(store, database="postgresql://a:geheim@h/d"))


def test_the_command_makes_lists_and_revokes_keys(store: Path, client: TestClient) -> None:
    """The first administrator's key comes from the command line."""
    made = surco("keys", "add", store, "--name", "Root", "--scope", "admin", "--days", "30")
    secret = made.output.splitlines()[-1]
    assert client.get("/keys", headers={"x-api-key": secret}).status_code == 200
    key_id = made.output.split()[0]
    assert key_id in surco("keys", "list", store).output and secret not in surco("keys", "list", store).output
    assert "revoked" in surco("keys", "revoke", store, key_id).output
    assert KnownKeys(Database.open(store)).find(secret) is None
    assert "got 'k_none'" in refused("keys", "revoke", store, "k_none")
    assert "days" in refused("keys", "add", store, "--name", "x", "--days", "0")
    entries = json.loads(client.get("/audit", headers=key(store, "admin")).text)["entries"]
    assert {"key.add", "key.revoke"} <= {entry["action"] for entry in entries}
