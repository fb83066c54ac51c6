"""Routes around a fault are what `random.choice` draws, exchange by exchange."""

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from verifier.history.model import Replicas
from verifier.plan.faults import routed
from verifier.plan.model import ExchangeShape, Fault, PlannedStep, SessionShape
from verifier.plan.random_routes import RandomRoutes
from verifier.plan.route_coverage import Row

FAULT = Fault("lost-answer", 0, "op", "9", "9")


@given(
    versions=st.lists(st.integers(0, 5), min_size=3, max_size=3),
    services=st.lists(st.sampled_from("abc"), min_size=1, max_size=20),
    seed=st.integers(0, 99),
)
def test_it_draws_what_choice_draws(versions: list[int], services: list[str], seed: int) -> None:
    live = {service: tuple(map(str, range(count))) or ("",) for service, count in zip("abc", versions, strict=True)}
    state = tuple(Replicas(service, name, 1) for service, names in live.items() for name in names if name)
    step = PlannedStep("s", "start", "rollout", "", (), state, (), live=False)
    session = SessionShape("one", tuple(ExchangeShape("op", service, write=True) for service in services))
    known: dict[Row, Row] = {}
    random_routes, draw = RandomRoutes(step, Random(seed), known), Random(seed)
    for _ in range(3):
        row = [draw.choice(live[service]) for service in services]
        assert random_routes.around(session, FAULT) == routed(session, row, FAULT)
    assert all(random_routes.around(session, FAULT) in known for _ in range(3))
