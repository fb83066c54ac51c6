"""Reading HAR: what browsers, proxies and our own writer leave, and all that can be wrong with it."""

import json
from pathlib import Path
from typing import Any

import pytest

from verifier.errors import BadInput
from verifier.http.message import header
from verifier.recording.har import read_har
from verifier.recording.load import load

WHOLE, STREAMED = 10**12, 0


def entry(**changes: Any) -> dict[str, Any]:
    value: dict[str, Any] = {
        "startedDateTime": "2026-01-02T03:04:05.000Z",
        "time": 12.5,
        "request": {
            "method": "GET",
            "url": "http://orders:8080/orders?limit=2",
            "headers": [{"name": "Accept", "value": "*/*"}],
        },
        "response": {"status": 200, "headers": [], "content": {"text": "{}", "mimeType": "application/json"}},
    }
    for path, change in changes.items():
        *above, last = path.split("__")
        target = value
        for name in above:
            target = target[name]
        if change is ...:
            del target[last]
        else:
            target[last] = change
    return value


def write(folder: Path, *entries: Any, **log: Any) -> Path:
    path = folder / "traffic.har"
    path.write_text(json.dumps({"log": {"version": "1.2", **log, "entries": list(entries)}}, indent=1))
    return path


def problems(path: Path, largest_whole: int = WHOLE) -> list[str]:
    with pytest.raises(BadInput) as caught:
        read_har(path, largest_whole=largest_whole)
    return [str(problem).removeprefix(str(path)) for problem in caught.value.problems]


def test_an_entry_becomes_an_exchange(tmp_path: Path) -> None:
    recording = load(write(tmp_path, entry()))
    (session,) = recording.sessions
    (exchange,) = session.exchanges
    assert (exchange.request.method, exchange.request.target) == ("GET", "/orders?limit=2")
    assert (exchange.host, exchange.took, exchange.at, exchange.line) == ("orders:8080", 0.0125, 0.0, 1)
    assert exchange.response.body == b"{}"
    assert recording.began == 1767323045.0
    assert recording.warnings == ()


def test_entries_come_in_time_order(tmp_path: Path) -> None:
    times = ["2026-01-02T03:04:06Z", "2026-01-02T04:04:05+01:00", "2026-01-02T03:04:05.5"]
    path = write(tmp_path, *(entry(startedDateTime=time) for time in times))
    (session,) = load(path).sessions
    assert [(exchange.line, exchange.at) for exchange in session.exchanges] == [(2, 0.0), (3, 0.5), (1, 1.0)]


def test_what_the_wire_frames_itself_is_dropped(tmp_path: Path) -> None:
    sent = [(":method", "GET"), (":authority", "x"), ("Content-Length", "9"), ("X-A", "1")]
    answered = [
        ("Content-Encoding", "gzip"),
        ("Transfer-Encoding", "chunked"),
        ("content-length", "99"),
        ("ETag", '"1"'),
    ]
    path = write(
        tmp_path,
        entry(
            request__headers=[{"name": name, "value": value} for name, value in sent],
            response__headers=[{"name": name, "value": value} for name, value in answered],
        ),
    )
    exchange = load(path).sessions[0].exchanges[0]
    assert exchange.request.headers == (("X-A", "1"),)
    assert exchange.response.headers == (("ETag", '"1"'),)


def test_bodies(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        entry(response__content={"text": "AAEC/w==", "encoding": "base64"}),
        entry(request__postData={"mimeType": "text/plain; charset=iso-8859-1", "text": "\u00e9"}),
        entry(
            request__postData={
                "mimeType": "application/x-www-form-urlencoded",
                "params": [{"name": "a b", "value": "1&2"}, {"name": "c", "value": ""}],
            }
        ),
    )
    exchanges = load(path).sessions[0].exchanges
    assert exchanges[0].response.body == b"\x00\x01\x02\xff"
    assert exchanges[1].request.body == b"\xe9"
    assert exchanges[2].request.body == b"a+b=1%262&c="


def test_targets_are_percent_encoded(tmp_path: Path) -> None:
    path = write(tmp_path, entry(request__url="https://u:p@Orders/caf\u00e9 x?q=a b%20c#top"))
    exchange = load(path).sessions[0].exchanges[0]
    assert exchange.host == "orders"
    assert exchange.request.target == "/caf%C3%A9%20x?q=a%20b%20c"


def test_header_text_beyond_latin_1_becomes_its_utf_8_bytes(tmp_path: Path) -> None:
    path = write(tmp_path, entry(request__headers=[{"name": "X-Name", "value": "\u20ac"}]))
    value = header(load(path).sessions[0].exchanges[0].request.headers, "x-name")
    assert value is not None
    assert value.encode("latin-1").decode() == "\u20ac"


@pytest.mark.parametrize("largest_whole", [WHOLE, STREAMED])
def test_what_is_no_replayable_exchange_is_skipped_with_a_warning(tmp_path: Path, largest_whole: int) -> None:
    path = write(
        tmp_path,
        entry(),
        entry(response__status=0),
        entry(response__status=0),
        entry(request__url="data:text/plain,x"),
        entry(request__url="wss://orders/live"),
        entry(response__status=101),
        entry(response__content={"size": 12}),
    )
    recording = read_har(path, largest_whole=largest_whole)
    assert [exchange.line for session in recording.sessions for exchange in session.exchanges] == [1, 7]
    assert recording.warnings[0] == "2 entries 2, 3: skipped: aborted: it has no answer"
    assert any(warning.startswith("entry 4: skipped: not HTTP") for warning in recording.warnings)
    assert sum("WebSocket" in warning for warning in recording.warnings) == 2
    assert "entry 7: the answer's body was not recorded" in recording.warnings


@pytest.mark.parametrize(
    ("change", "key", "message"),
    [
        ({"request": ...}, "request", "is missing"),
        ({"response": ...}, "response", "is missing"),
        ({"startedDateTime": ...}, "startedDateTime", "is missing"),
        ({"startedDateTime": "yesterday"}, "startedDateTime", "ISO 8601"),
        ({"startedDateTime": "0001-01-01T00:00:00+14:00"}, "startedDateTime", ""),
        ({"time": "soon"}, "time", "milliseconds"),
        ({"time": 1e300}, "time", "absurd"),
        ({"request__method": ...}, "request.method", "is missing"),
        ({"request__method": "GET /x HTTP/1.1\r\nX: y"}, "request.method", "no HTTP method"),
        ({"request__url": ...}, "request.url", "is missing"),
        ({"request__url": "http://orders/\r\nX: y"}, "request.url", "control character"),
        ({"request__url": "/orders"}, "request.url", "absolute"),
        ({"request__url": "http:///orders"}, "request.url", "names no host"),
        ({"request__url": "http://orders:99999/"}, "request.url", "no host and port"),
        ({"request__url": "http://[::1/"}, "request.url", "no URL"),
        ({"request__headers": ...}, "request.headers", "is missing"),
        ({"request__headers": [{"name": "A", "value": "b\r\nC: d"}]}, "request.headers[0]", "header injection"),
        ({"request__headers": [{"name": "A\r\nB", "value": "c"}]}, "request.headers[0]", "no header name"),
        ({"request__headers": [{"name": "A"}]}, "request.headers[0]", "name and a value"),
        ({"response__status": ...}, "response.status", "is missing"),
        ({"response__status": 99999}, "response.status", "no status code: 99999"),
        ({"response__status": -1}, "response.status", "no status code"),
        ({"response__status": 200.5}, "response.status", "status code"),
        ({"response__status": "200"}, "response.status", "status code"),
        ({"response__content": {"text": "%%%", "encoding": "base64"}}, "response.content.text", "does not decode"),
        ({"response__content": {"text": "x", "encoding": "rot13"}}, "response.content.encoding", "unknown"),
        ({"response__content": []}, "", ""),
        ({"_session": "a\nb"}, "_session", "printable"),
    ],
)
def test_a_wrong_entry_is_named_with_line_and_key(tmp_path: Path, change: Any, key: str, message: str) -> None:
    path = write(tmp_path, entry(), entry(**change))
    if not key:  # an empty content of another type counts as none
        assert len(load(path).sessions[0].exchanges) == 2
        return
    whole, streamed = problems(path), problems(path, STREAMED)
    line = path.read_text().splitlines().index("   {", 6) + 1
    assert whole[0].startswith(f":{line}: log.entries[1].{key}: ")
    assert streamed[0].startswith(f": log.entries[1].{key}: ")
    assert message in whole[0] and message in streamed[0]


@pytest.mark.parametrize("largest_whole", [WHOLE, STREAMED])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("hello", "is not JSON"),
        ('{"log": {"entries": [{"a": 1}, {"b"', "truncated"),
        ('{"log": {}}', "log.entries: is missing|no exchanges"),
        ('{"log": {"entries": []}}', "a recording with no exchanges"),
        ("[1, 2]", "log: is no HAR file|no exchanges"),
        ("[" * 5000, "nested too deeply"),
        ('{"log": {"entries": [' + '{"a":' * 5000, "nested too deeply"),
    ],
)
def test_a_file_that_is_no_recording(tmp_path: Path, text: str, message: str, largest_whole: int) -> None:
    path = tmp_path / "x.har"
    path.write_text(text)
    (problem,) = problems(path, largest_whole)
    assert any(part in problem for part in message.split("|"))


def test_syntax_errors_name_their_line(tmp_path: Path) -> None:
    path = tmp_path / "x.har"
    path.write_text('{"log":\n {"entries":\n  [,]}}')
    assert problems(path)[0].startswith(":3: is not JSON")
    path.write_text('{"log":\n {"entries": [\n')
    assert problems(path)[0].startswith(":2: is not JSON: it ends in the middle")


def test_all_problems_at_once_up_to_a_bound(tmp_path: Path) -> None:
    path = write(tmp_path, entry(response__status=1), entry(), entry(request__method=5))
    assert [text.split(": ")[1] for text in problems(path)] == [
        "log.entries[0].response.status",
        "log.entries[2].request.method",
    ]
    assert len(problems(write(tmp_path, *([entry(response__status=1)] * 50)))) == 20


def test_only_skipped_entries_are_no_recording(tmp_path: Path) -> None:
    assert "all 1 entries were skipped" in problems(write(tmp_path, entry(response__status=0)))[0]


def test_a_missing_file_is_bad_input(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path / "none.har")
    with pytest.raises(BadInput, match="cannot be read"):
        load(tmp_path)


def test_streaming_reads_the_same(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        entry(_session="a"),
        entry(_session="b", request__postData={"text": "\u20ac\n", "mimeType": "text/plain"}),
        entry(response__content={"text": '{"a": [1.5, true, null]}'}),
    )
    assert read_har(path, largest_whole=STREAMED) == read_har(path, largest_whole=WHOLE)


def test_a_byte_order_mark_is_no_problem(tmp_path: Path) -> None:
    path = write(tmp_path, entry())
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_har(path, largest_whole=STREAMED).sessions == read_har(path, largest_whole=WHOLE).sessions
