"""Clients against good and broken answers: `TCPSERVER=$PWD/target/debug/tcpserver pytest examples/python`."""
import http.client
import os

import pytest
import requests

PAGE = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Type: text/plain\r\n\r\nhello"
BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 0\r\n\r\n"


@pytest.fixture
def page(tmp_path):
    (tmp_path / "page.http").write_bytes(PAGE)
    (tmp_path / "busy.http").write_bytes(BUSY)
    return ["--send", "page.http"]


@pytest.fixture
def session():
    """requests without a proxy of the environment."""
    with requests.Session() as session:
        session.trust_env = False
        yield session


def get(server):
    connection = http.client.HTTPConnection(server.address, timeout=10)
    try:
        connection.request("GET", "/page", headers={"X-Token": "1"})
        return connection.getresponse().read()
    finally:
        connection.close()


def test_a_good_answer(tcpserver, page, session):
    server = tcpserver(*page)
    assert session.get(f"{server.url}/page", timeout=10).text == "hello"
    request = server.next("request")
    assert (request["method"], request["target"]) == ("GET", "/page")
    assert server.next("exchange")["sent"] == len(PAGE)


def test_the_request_is_in_the_journal_byte_for_byte(tcpserver, page):
    server = tcpserver(*page)
    assert get(server) == b"hello"
    assert "\r\nX-Token: 1\r\n" in server.next("request")["text"]


def test_a_kept_connection_is_used_again(tcpserver, page, session):
    server = tcpserver(*page, "--keep-alive")
    for turn in (1, 2):
        assert session.get(server.url, timeout=10).text == "hello"
        assert server.next("request")["turn"] == turn


def test_an_answer_that_is_cut_off(tcpserver, page):
    server = tcpserver(*page, "--cut", str(len(PAGE) - 2))
    with pytest.raises(http.client.IncompleteRead):
        get(server)


def test_requests_reports_what_is_cut_off_or_shows_a_part(tcpserver, page, session):
    server = tcpserver(*page, "--cut", str(len(PAGE) - 2))
    # Before its version 2.32, requests took the part for the whole.
    try:
        assert session.get(server.url, timeout=10).text == "hel"
    except requests.exceptions.ChunkedEncodingError:
        pass


def test_a_reset_within_the_head(tcpserver, page, session):
    server = tcpserver(*page, "--cut", "20:reset")
    with pytest.raises(requests.exceptions.ConnectionError):
        session.get(server.url, timeout=10)
    with pytest.raises(ConnectionResetError):
        get(server)


def test_a_slow_answer(tcpserver, page, session):
    server = tcpserver(*page, "--delay", "500ms")
    with pytest.raises(requests.exceptions.ReadTimeout):
        session.get(server.url, timeout=0.1)
    assert server.next("request")["end"] == "complete"


def test_the_third_try_succeeds(tcpserver, page, session):
    server = tcpserver("--send", "busy.http", "--send", "busy.http", *page)
    answers = (session.get(server.url, timeout=10) for _ in range(5))
    assert next(answer for answer in answers if answer.ok).text == "hello"
    assert [server.next("request")["exchange"] for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("_", range(int(os.environ.get("STARTS", "3"))))
def test_it_listens_when_it_has_started(tcpserver, page, _):
    assert get(tcpserver(*page)) == b"hello"
