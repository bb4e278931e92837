"""Which names of the service a request may use, so that no page of the web can take one over."""

import pytest
from fastapi.testclient import TestClient

from joint_ner_re.service.app import Service
from joint_ner_re.service.hosts import allowed_hosts, host_of

LOOPBACK = ("localhost", "127.0.0.1", "[::1]")


@pytest.mark.parametrize(
    "header, expected",
    [
        ("localhost", "localhost"),
        ("LocalHost:8000", "localhost"),
        ("127.0.0.1:8000", "127.0.0.1"),
        ("127.0.0.1:", "127.0.0.1"),
        ("[::1]", "[::1]"),
        ("[0:0:0:0:0:0:0:1]:8000", "[::1]"),
        ("demo_1.example.org:80", "demo_1.example.org"),
        # None of these is a host and a port.
        ("", None),
        ("localhost:8000:1", None),
        ("localhost:http", None),
        ("evil.example@localhost", None),
        ("localhost, evil.example", None),
        ("localhost/evil.example", None),
        ("[::1", None),
        ("[::1]evil.example", None),
        ("[:::1]", None),
        ("::1", None),
        ("ｌocalhost", None),
    ],
)
def test_the_port_does_not_count(header, expected):
    assert host_of(header) == expected


@pytest.mark.parametrize(
    "host, address, loopback, more, expected",
    [
        ("127.0.0.1", "127.0.0.1", True, [], LOOPBACK),
        ("localhost", "::1", True, [], LOOPBACK),
        ("127.0.0.2", "127.0.0.2", True, [], (*LOOPBACK, "127.0.0.2")),
        ("Here", "127.0.1.1", True, [], (*LOOPBACK, "here", "127.0.1.1")),
        ("127.0.0.1", "127.0.0.1", True, ["Demo.org", "fe80::01"],
         (*LOOPBACK, "demo.org", "[fe80::1]")),
        ("127.0.0.1", "127.0.0.1", True, ["*"], None),
        # Where a proxy stands in front, only it knows the names.
        ("0.0.0.0", "0.0.0.0", False, [], None),
        ("10.0.0.5", "10.0.0.5", False, [], None),
        ("::", "::", False, ["demo.org"], (*LOOPBACK, "[::]", "demo.org")),
    ],
)  # fmt: skip
def test_which_names_are_allowed(host, address, loopback, more, expected):
    assert allowed_hosts(host, address, loopback, more) == expected


@pytest.mark.parametrize("name", ["demo.org:80", "http://demo.org", "", "*.demo.org", "::x"])
def test_what_is_no_name_is_an_error(name):
    for more in ([name], ["*", name]):
        with pytest.raises(ValueError, match=r"--allowed-hosts has .*; expected names or addresse"):
            allowed_hosts("127.0.0.1", "127.0.0.1", True, more)


@pytest.fixture
def ask(gated):
    """What the service answers to a request with this header Host."""
    gated.gate.set()

    def asked(hosts, host, method="GET", path="/"):
        with TestClient(Service(gated, hosts=hosts).app) as client:
            return client.request(method, path, json={"text": "a"}, headers={"Host": host})

    return asked


@pytest.mark.parametrize("host", ["localhost:8000", "127.0.0.1:8000", "[::1]:8000", "127.0.0.1"])
def test_loopback_has_three_names(ask, host):
    assert ask(LOOPBACK, host).status_code == 200
    assert ask(LOOPBACK, host, method="POST", path="/extract").json()["text"] == "a"


@pytest.mark.parametrize(
    "method, path",
    [("GET", "/"), ("GET", "/health"), ("GET", "/model"), ("POST", "/extract"), ("POST", "/draw")],
)
def test_a_page_whose_name_leads_here_is_refused_at_every_address(ask, gated, method, path):
    answer = ask(LOOPBACK, "evil.example:8000", method=method, path=path)
    assert answer.status_code == 421
    assert answer.json() == {
        "detail": 'the header Host is "evil.example:8000"; expected localhost, 127.0.0.1, [::1]. '
        "Start the service with --allowed-hosts if it has more names"
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert gated.calls == []


def test_more_names_and_none_to_check(ask):
    hosts = allowed_hosts("127.0.0.1", "127.0.0.1", True, ["demo.example.org"])
    assert ask(hosts, "demo.example.org").status_code == 200
    assert ask(hosts, "other.example.org").status_code == 421
    assert ask(allowed_hosts("0.0.0.0", "0.0.0.0", False), "other.example.org").status_code == 200
