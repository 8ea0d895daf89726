"""The service does what its OpenAPI description says, whatever it is asked."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.generation import GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from spikehead.serve.app import create_app

TOKEN = "a token of the tests"


@pytest.mark.parametrize("mode", GenerationMode)
def test_it_does_what_it_says(teacher, mode):
    app = create_app(teacher, token=TOKEN, rate=1e9)
    schema = schemathesis.openapi.from_asgi("/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == 20
    for operation in operations:
        if mode is GenerationMode.POSITIVE or operation.body:
            fuzz(operation, mode)


def fuzz(operation, mode):
    """Ask for right or wrong things; check statuses, contents, headers, methods and the token."""

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=14,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        # No description of a photo keeps bytes that are none away: those are refused with 422.
        case.call_and_validate(
            headers={"Authorization": f"Bearer {TOKEN}"},
            excluded_checks=[positive_data_acceptance],
        )

    ask()
