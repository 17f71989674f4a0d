"""The workers of the stack."""

from tests.operator.conftest import OperatorBrowser


def test_the_worker_of_the_stack_is_alive_with_its_types(operator: OperatorBrowser):
    page = operator.get("/workers").text
    assert "Alive" in page and "prefork" in page
    assert "echo" in page
