"""groups."""

from tests.golden.play import Theme

theme = Theme("groups", "groups")
