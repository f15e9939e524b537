"""Only STAGE0_BASE_URL and STAGE0_API_KEY come from the environment; proxies and certificates are arguments."""

from __future__ import annotations

import http.client
import select
import socket
import ssl
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from stage0 import AsyncClient, Client, Stage0Error
from tests.asserting import nonempty
from tests.client.asking import Ask, each_client
from tests.client.peer import CERTIFICATE, Seen, answer, peer
from tests.running import KEY, Server

LIST: Final = "List the open tickets"


def _trusting() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(CERTIFICATE))


def _forward(seen: Seen, connection: socket.socket) -> None:
    """Be an HTTP proxy."""
    method, target, _ = seen.line.split()
    if method == "CONNECT":
        host, _, port = target.partition(":")
        with socket.create_connection((host, int(port))) as far:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            while True:
                for ready in select.select([connection, far], [], [])[0]:
                    if not (data := ready.recv(65536)):
                        return
                    (far if ready is connection else connection).sendall(data)
    parts = urlsplit(target)
    assert parts.hostname
    far_http = http.client.HTTPConnection(parts.hostname, parts.port)
    far_http.request(method, parts.path, seen.body, seen.headers)
    found = far_http.getresponse()
    body = found.read()
    head = "".join(f"{name}: {value}\r\n" for name, value in found.getheaders())
    connection.sendall(f"HTTP/1.1 {found.status} X\r\n{head}\r\n".encode() + body)
    far_http.close()


@each_client
@pytest.mark.parametrize("name", ["http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])
@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_proxy_of_the_environment_sees_nothing(
    tls: bool, name: str, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    with peer() as proxy, peer(tls=tls) as other:
        monkeypatch.setenv(name, proxy.url)
        [found] = ask(other.url, KEY, LIST, **({"ssl_context": _trusting()} if tls else {}))
    assert found["verdict"] == "ALLOW"
    assert proxy.connections == 0


@each_client
def test_a_proxy_that_is_given_is_used(ask: Ask, server: Server) -> None:
    with peer(_forward) as proxy:
        address = proxy.url.replace("http://", "http://agent:w%40rd@")
        found = ask(server.url, KEY, LIST, LIST, proxy=address)
    assert [each["verdict"] for each in found] == ["ALLOW"] * 2
    assert {seen.line for seen in proxy.seen} == {f"POST {server.url}/check HTTP/1.1"}
    assert {seen.headers["proxy-authorization"] for seen in proxy.seen} == {"Basic YWdlbnQ6d0ByZA=="}


@each_client
def test_through_a_proxy_the_server_is_authenticated_end_to_end(ask: Ask) -> None:
    with peer(_forward) as proxy, peer(tls=True) as other:
        [found] = ask(other.url, KEY, LIST, proxy=proxy.url, ssl_context=_trusting())
        [refused] = ask(other.url, KEY, LIST, proxy=proxy.url, retries=0)
    assert found["verdict"] == "ALLOW"
    assert isinstance(refused, Stage0Error)
    assert len(other.seen) == 1
    assert {seen.line for seen in proxy.seen} == {f"CONNECT 127.0.0.1:{other.port} HTTP/1.1"}
    assert all("x-api-key" not in seen.headers for seen in nonempty(proxy.seen))


@pytest.mark.parametrize("odd", ["https://127.0.0.1:1", "socks5://user:w0rd@127.0.0.1:1", "127.0.0.1:1", ""])
def test_a_proxy_of_another_kind_is_refused_and_its_password_not_shown(odd: str) -> None:
    for make in (Client, AsyncClient):
        with pytest.raises(Stage0Error, match="`proxy`") as refused:
            make("http://127.0.0.1:1", api_key=KEY, proxy=odd)
        assert "w0rd" not in str(refused.value)


@each_client
@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_of_the_environment_are_not_believed(
    name: str, ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable must not choose whom the agent believes."""
    if name == "SSL_CERT_DIR":
        # The name under which OpenSSL looks for it: the hash of its subject.
        (tmp_path / "02203712.0").write_bytes(CERTIFICATE.read_bytes())
    monkeypatch.setenv(name, str(tmp_path if name == "SSL_CERT_DIR" else CERTIFICATE))
    with peer(tls=True) as other:
        [refused] = ask(other.url, KEY, LIST, retries=0)
        assert isinstance(refused, Stage0Error)
        assert "CERTIFICATE_VERIFY_FAILED" in str(refused)
        [found] = ask(other.url, KEY, LIST, ssl_context=_trusting())
    assert found["verdict"] == "ALLOW"


@each_client
def test_secrets_of_a_connection_are_not_written_to_a_file_of_the_environment(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    with peer(tls=True) as other:
        ask(other.url, KEY, LIST, retries=0)
    assert not (tmp_path / "keys").exists()


@each_client
def test_passwords_of_the_environment_are_not_sent(
    ask: Ask, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login agent password w0rd\n", encoding="utf-8")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    with peer() as other:
        ask(other.url, KEY, LIST)
    assert "authorization" not in other.seen[0].headers


@each_client
def test_a_redirect_is_not_followed_and_a_cookie_not_kept(ask: Ask) -> None:
    def talk(seen: Seen, connection: socket.socket) -> None:
        connection.sendall(answer(seen, status=307 if seen.goal == "moved" else 200, location="/", set_cookie="a=b"))

    with peer(talk) as other:
        moved, found = ask(other.url, KEY, "moved", LIST)
    assert (moved.status, found["verdict"]) == (307, "ALLOW")
    assert all("cookie" not in seen.headers for seen in nonempty(other.seen))
