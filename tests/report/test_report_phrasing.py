"""How reports say things."""

from __future__ import annotations

import unicodedata

import report_values as values
from hypothesis import given
from hypothesis import strategies as st

from verifier.history.model import Replicas
from verifier.printable import printable
from verifier.report import phrasing
from verifier.report.bodies import MOST, excerpt, message


@given(st.text())
def test_printable_text_has_no_control_characters_and_no_surrogates(text: str) -> None:
    shown = printable(text)
    assert not any(unicodedata.category(character) in {"Cc", "Cf", "Cs", "Zl", "Zp"} - {"\n"} and character != "\n"
                   for character in shown)  # fmt: skip
    shown.encode()


@given(st.text(st.characters(categories=["L", "N", "P", "S", "Zs"])))
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert printable(text) == text


def test_an_escape_sequence_and_an_override_become_visible() -> None:
    assert printable("a\x1b[31mb\u202ec\ud800") == "a\\x1b[31mb\\u202ec\\ud800"


def test_a_mixture_names_each_service_once() -> None:
    state = (Replicas("orders", "1.4", 1), Replicas("orders", "2.0", 2), Replicas("payments", "1.2", 1))
    assert phrasing.mixture(state) == "orders 1×1.4 + 2×2.0, payments 1×1.2"


def test_heads_are_unique() -> None:
    names = ["available", "something long a", "something long b", "avail"]
    assert len(set(phrasing.heads(names))) == len(names)


def test_a_cell_that_only_the_old_version_spoils_is_no_failure() -> None:
    judgement = values.judgement((values.EARLIER,))
    states = {step.id: phrasing.cell(judgement, step, "compatible") for step in judgement.steps}
    assert states["rollout.2"] == "before"
    assert states["rollout.5"] == "pass"


def test_a_body_is_pretty_where_it_is_json_and_cut_where_it_is_long() -> None:
    assert message((), b'{"a":[1]}').body == '{\n  "a": [\n    1\n  ]\n}'
    assert message((), b"plain\r\ntext").body == "plain\ntext"
    assert message((), b"x" * (MOST + 7)).body.endswith("x\n… 7 more characters")
    assert message((), b"\xff\xfe").body == "(2 bytes of binary data)"
    assert message((("Content-Encoding", "gzip"),), b"abc").body == "(3 bytes, gzip)"
    assert excerpt((), b'{"a": "b",\n "c": 1}', 12) == '{ "a": "b",…'


def test_json_that_parsing_would_change_stays_as_it_came() -> None:
    assert message((), b'{"a": 1, "a": 2}').body == '{"a": 1, "a": 2}'
    assert message((), b"[" * 100_000).body.startswith("[[[")


def test_secrets_are_not_shown() -> None:
    shown = message((("Authorization", "Bearer abc"), ("COOKIE", "s=1"), ("X", "y")), b"")
    assert shown.headers == (("Authorization", "(not shown)"), ("COOKIE", "(not shown)"), ("X", "y"))


@given(st.binary(max_size=200))
def test_any_body_can_be_shown(body: bytes) -> None:
    assert len(message((), body).body) <= 40 * MOST
