"""The page is tested at the small house."""

from tests.api.conftest import client, engineer, house, stranger

__all__ = ["client", "engineer", "house", "stranger"]
