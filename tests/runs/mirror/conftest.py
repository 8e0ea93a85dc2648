"""Servers for the mirror's tests."""

from tests.flavours.conftest import mariadb  # noqa: F401
