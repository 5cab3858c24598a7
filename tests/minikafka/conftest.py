"""Fixtures of all tests below."""

from tests.minikafka.live_broker import kafka

__all__ = ["kafka"]
