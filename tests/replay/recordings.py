"""A recorded session of a service with things, and the service."""

from __future__ import annotations

from tests.correlation.building import answer, request
from tests.replay.harness import Arrival
from verifier.http.message import Response

KEY = "5b0c6a1e-93e1-4f0b-8a36-6e0f6a5f1c11"
CREATE = (request("POST", "/things", {"key": KEY, "v": 1}), answer(201, {"id": "t-100", "v": 1}))
LOOK = (request("GET", "/things/t-100"), answer(200, {"id": "t-100", "v": 1}))
CHANGE = (request("PUT", "/things/t-100", {"v": 2}), answer(200, {"id": "t-100", "v": 2}))


async def shop(arrival: Arrival) -> Response:
    """Gives ids of its own to what is created."""
    if arrival.request.method == "POST":
        return answer(201, {"id": f"t-9{arrival.number}", "v": 1})
    return answer(200, {"id": arrival.request.path.rpartition("/")[2], "v": 1})
