"""Produce."""

from tests.golden.play import Theme

theme = Theme("produce", "Produce")
