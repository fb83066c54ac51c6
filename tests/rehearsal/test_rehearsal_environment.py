"""Addresses inside environment values: those of services and partners lead to the gateway, lookalikes stay."""

from __future__ import annotations

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from verifier.rehearsal.environment import environment_of, rewrite

PORTS = {"payments": 4001, "psp": 4002, "pay": 4003, "mail-out": 4004}
GATEWAY = "127.0.0.9"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("http://payments:8080/x?y=1", "http://127.0.0.9:4001/x?y=1"),
        ("http://payments", "http://127.0.0.9:4001"),
        ("https://payments/", "https://127.0.0.9:4001/"),
        ("payments:8080", "127.0.0.9:4001"),
        ("pay:80", "127.0.0.9:4003"),
        ("http://mail-out:25", "http://127.0.0.9:4004"),
        ("payments:1,psp:2", "127.0.0.9:4001,127.0.0.9:4002"),
        ("http://payments:1;http://psp:2/a", "http://127.0.0.9:4001;http://127.0.0.9:4002/a"),
        ("--to payments:1", "--to 127.0.0.9:4001"),
        # Not addresses of what is declared:
        ("payments", "payments"),
        ("http://payments.example.com/", "http://payments.example.com/"),
        ("http://my-payments:8080", "http://my-payments:8080"),
        ("http://payments-2:8080", "http://payments-2:8080"),
        ("my.payments:8080", "my.payments:8080"),
        ("payments:secret@host", "payments:secret@host"),
        ("http://other/payments:8080", "http://other/payments:8080"),
        ("postgres://payments@db:5432/payments", "postgres://payments@db:5432/payments"),
        ("payments:latest", "payments:latest"),
        ("payments:80a", "payments:80a"),
        ("", ""),
    ],
)
def test_examples(value: str, expected: str) -> None:
    assert rewrite(value, GATEWAY, PORTS) == expected


names = st.from_regex(r"[a-z][a-z0-9-]{0,8}[a-z0-9]", fullmatch=True)
paths = st.one_of(st.just(""), st.text(string.ascii_letters + string.digits + "/-._", max_size=12).map("/".__add__))


@given(st.dictionaries(names, st.integers(1024, 65535), min_size=1, max_size=4), st.data(), paths, st.booleans())
def test_an_address_with_a_scheme_leads_to_its_own_port(
    ports: dict[str, int], data: st.DataObject, path: str, with_port: bool
) -> None:
    name = data.draw(st.sampled_from(sorted(ports)))
    address = f"http://{name}{':8080' if with_port else ''}{path}"
    assert rewrite(address, GATEWAY, ports) == f"http://{GATEWAY}:{ports[name]}{path}"
    assert rewrite(f"A={address}", GATEWAY, ports) == f"A=http://{GATEWAY}:{ports[name]}{path}"


@given(st.dictionaries(names, st.integers(1024, 65535), max_size=4), names, paths)
def test_other_hosts_are_left_alone(ports: dict[str, int], host: str, path: str) -> None:
    address = f"http://{host}:8080{path}"
    if host not in ports:
        assert rewrite(address, GATEWAY, ports) == address
    for lookalike in (f"http://{host}.example{path}", f"http://x.{host}{path}", f"http://user:{host}@elsewhere{path}"):
        assert rewrite(lookalike, GATEWAY, ports) == lookalike


@given(st.dictionaries(names, st.integers(1024, 65535), max_size=3), st.text(max_size=40))
def test_rewriting_twice_changes_nothing_more(ports: dict[str, int], text: str) -> None:
    once = rewrite(text, GATEWAY, ports)
    assert rewrite(once, GATEWAY, ports) == once


@given(st.text(string.printable, max_size=60))
def test_text_without_a_declared_name_is_left_alone(text: str) -> None:
    if not any(name in text for name in PORTS):
        assert rewrite(text, GATEWAY, PORTS) == text


def test_stores_are_filled_in_first() -> None:
    declared = (("A", "${stores.db.url}"), ("B", "x=${stores.db.url}&y=${stores.q.url}"), ("C", "${other}"))
    found = environment_of(declared, {"db": "postgres://u@h/db", "q": "amqp://q"}, GATEWAY, PORTS)
    assert found == (("A", "postgres://u@h/db"), ("B", "x=postgres://u@h/db&y=amqp://q"), ("C", "${other}"))
