"""Open writes are found by what identifies their work, until it has ended."""

from verifier.correlation.analysis.accepted_writes import AcceptedWrites
from verifier.http.message import Response


def response(job: str) -> Response:
    return Response(202, (("Content-Type", "application/json"),), f'{{"id": "{job}", "state": "queued"}}'.encode())


def test_a_write_is_open_until_its_end() -> None:
    accepted = AcceptedWrites()
    assert not accepted
    accepted.add(3, response("job-17"))
    accepted.add(5, response("job-18"))
    assert list(accepted) == [3, 5]
    assert accepted.latest == 5
    assert accepted.named_by({"job-17", "x"})
    assert not accepted.named_by({"queued"})
    accepted.end({3})
    assert 3 not in accepted
    assert not accepted.named_by({"job-17"})
    assert accepted.named_by({"job-18"})


def test_two_writes_may_name_one_thing() -> None:
    accepted = AcceptedWrites()
    accepted.add(1, response("job-17"))
    accepted.add(2, response("job-17"))
    accepted.end({2})
    assert accepted.named_by({"job-17"})
    accepted.end({1})
    assert not accepted.named_by({"job-17"})
