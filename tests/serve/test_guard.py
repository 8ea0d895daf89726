"""Who may ask, how often and how much."""

import threading
from contextlib import closing, suppress
from http.client import HTTPConnection

import pytest

from spikehead.serve import app as module
from spikehead.serve import guard

TOKEN = "a token of the tests"


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_token_is_asked_for(serve, picture):
    client = serve(token=TOKEN)
    for wrong in ({}, bearer("another"), bearer(""), {"Authorization": TOKEN}):
        for method, path in (("GET", "/api/model"), ("GET", "/metrics"), ("DELETE", "/api/none")):
            response = client(method, path, headers=wrong)
            assert response.status_code == 401
            assert response.headers["www-authenticate"] == "Bearer"
            assert "give the token" in response.json()["error"]
    assert client.teach("disc", picture("disc", 0)).status_code == 401
    assert client("GET", "/api/model", headers=bearer(TOKEN)).json()["classes"] == []
    assert client.teach("disc", picture("disc", 0), headers=bearer(TOKEN)).ok
    assert client("GET", "/api/health").ok
    assert client("GET", "/").ok
    operations = client("GET", "/openapi.json").json()["paths"]
    assert operations["/api/lessons"]["post"]["security"]
    assert "security" not in operations["/api/health"]["get"]


def test_a_client_that_asks_too_often_has_to_wait(serve):
    client = serve(rate=2)
    answers = [client("GET", "/api/model") for _ in range(12)]
    refused = [answer for answer in answers if answer.status_code == 429]
    assert answers[0].ok
    assert refused
    assert refused[0].json() == {"error": "too many requests; wait a moment"}
    assert int(refused[0].headers["retry-after"]) >= 1
    assert client("GET", "/").ok


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_request_is_refused(serve, monkeypatch, chunked):
    monkeypatch.setattr(module, "MAX_BYTES", 2 << 20)
    client = serve()
    head = b'--x\r\nContent-Disposition: form-data; name="photos"; filename="a.png"\r\n\r\n'
    pieces = [head, *[bytes(65536)] * 48, b"\r\n--x--\r\n"]
    headers = {"Content-Type": "multipart/form-data; boundary=x"}
    data = iter(pieces) if chunked else b"".join(pieces)
    with closing(HTTPConnection(client.url.removeprefix("http://"))) as connection:
        with suppress(BrokenPipeError, ConnectionResetError):  # refused before all of it was sent
            connection.request("POST", "/api/lessons", data, headers, encode_chunked=chunked)
        response = connection.getresponse()
        assert response.status == 413
        assert response.read() == b'{"error":"a request may have 2 MiB at most"}'


def test_other_names_are_refused_on_this_machine(serve):
    """A page of evil.example that lets its name point to 127.0.0.1 must not get through."""
    client = serve(hosts={"localhost", "127.0.0.1", "::1"})
    assert client("GET", "/api/model").ok
    assert client("GET", "/api/model", headers={"Host": "LOCALHOST:123"}).ok
    assert client("GET", "/api/model", headers={"Host": "[::1]:123"}).ok
    for host in ("evil.example", "localhost.evil.example", "evil.example:8000", "", "["):
        response = client("GET", "/api/model", headers={"Host": host})
        assert response.status_code in (400, 421)


def test_pages_of_other_sites_are_refused(client, picture):
    """A form needs no permission to be sent to another site: its origin tells."""
    photo = picture("disc", 0)
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        response = client.teach("disc", photo, headers={"Origin": origin})
        assert response.status_code == 403
        assert response.json() == {"error": "a page of another site must not use this service"}
    assert client.teach("disc", photo, headers={"Origin": client.url}).ok


def test_a_page_of_the_service_is_its_own_whatever_a_proxy_rewrites(serve, picture):
    client = serve(public="https://teach.example")
    asked = [
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://other.example"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site", "Origin": "https://a.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": client.url}, 403),
        ({"Origin": "https://teach.example"}, 200),  # an old browser, or no TLS
        ({"Origin": "http://teach.example"}, 403),
        ({}, 200),  # no browser
    ]
    for number, (headers, status) in enumerate(asked):
        response = client.teach("disc", picture("disc", number), headers=headers)
        assert response.status_code == status, headers
        assert client("GET", "/api/model", headers=headers).ok


def test_only_known_proxies_are_believed(serve):
    def passed(client) -> int:
        names = [{"X-Forwarded-For": f"10.0.0.{n}"} for n in range(40)]
        return sum(client("GET", "/api/model", headers=name).ok for name in names)

    assert passed(serve(rate=1)) < 20
    assert passed(serve(rate=1, proxies=["192.0.2.0/24"])) < 20
    assert passed(serve(rate=1, proxies=["127.0.0.0/8"])) == 40


def test_only_photos_may_be_large(client):
    response = client("POST", "/api/classes", json={"name": "a", "more": "b" * 70_000})
    assert response.status_code == 413
    assert response.json() == {"error": "a request without photos may have 64 KiB at most"}


def test_a_client_has_so_many_requests_at_work(serve, teacher, picture, monkeypatch):
    monkeypatch.setattr(guard, "_AT_WORK", 1)
    client = serve()
    client.teach("disc", picture("disc", 0))
    begun, over, recognise = threading.Event(), threading.Event(), teacher.recognise

    def slow(photos):
        begun.set()
        over.wait()
        return recognise(photos)

    monkeypatch.setattr(teacher, "recognise", slow)
    answers = []
    asking = threading.Thread(target=lambda: answers.append(client.predict(picture("disc", 1))))
    asking.start()
    begun.wait()
    refused = client.predict(picture("disc", 2))
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")
    assert refused.json() == {"error": "the service is busy; try again in a moment"}
    assert client.teach("disc", picture("disc", 3)).ok  # a lesson does not wait for predictions
    over.set()
    asking.join()
    assert answers[0].ok
    assert client.predict(picture("disc", 2)).ok
