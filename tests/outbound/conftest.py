"""The tests of what leaves to tenants' URLs use the receiver and the requester of http_request."""

from tests.http_requests.conftest import customer, make_requester, receiver, settings

__all__ = ["customer", "make_requester", "receiver", "settings"]
