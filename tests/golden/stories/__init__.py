"""The themes: each a module of stories, played in this order, and a golden file of the same name."""

from tests.golden.play import Theme
from tests.golden.stories import cluster, configs, fetch, groups, offsets, produce, topics, versions

THEMES: dict[str, Theme] = {
    module.theme.name: module.theme for module in (versions, produce, fetch, topics, configs, groups, offsets, cluster)
}
