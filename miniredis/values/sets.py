"""Sets: a dict whose values are all None.

Not Python's own set: a dict keeps the order of insertion, as a listpack does, and iterates alike in every process,
which a simulation that must replay needs (sets of bytes are ordered by a hash that differs per process).

`encoding` is what Redis would call it, and as in Redis it only ever grows:

    intset       while every member spells an integer, and there are at most `set-max-intset-entries`
    listpack     up to `set-max-listpack-entries` members, none longer than `set-max-listpack-value`
    hashtable    after

An intset is kept sorted by Redis, so it answers in numeric order; here it is sorted when somebody asks for it whole.

Source: Redis 7.2 `t_set.c`, setTypeAddAux.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from miniredis.numbers import parse_integer
from miniredis.values.indexed_dict import IndexedDict


class Set(IndexedDict[None]):
    """The members, in the order they came; an intset answers in numeric order, by `members`."""

    __slots__ = ()

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        super().__init__(dict.fromkeys(members))
        self.encoding = "intset"
        self.index = None
        self.weight = 0

    # -- changing -----------------------------------------------------------------------------------------------

    def make_room(self, members: Sequence[bytes], settings: Any) -> None:
        """Choose the encoding of an empty set, or convert where Redis would, before `members` come in.

        The guess is that all of them are new, so that a set that will be large is never packed first.
        """
        count = len(members)
        if not self:
            if count <= settings.set_max_intset_entries and parse_integer(members[0]) is not None:
                self.encoding = "intset"
            else:
                self.encoding = "listpack" if count <= settings.set_max_listpack_entries else "hashtable"
        elif (self.encoding == "listpack" and count > settings.set_max_listpack_entries) or (
            self.encoding == "intset" and count > settings.set_max_intset_entries
        ):
            self.encoding = "hashtable"

    def add(self, members: Iterable[bytes], settings: Any) -> int:
        """Add `members`, converting where Redis would; how many were new."""
        before = len(self)
        if self.encoding == "hashtable":
            if self.index is None:
                self.update(dict.fromkeys(members))
            else:
                for member in members:
                    if member not in self:
                        self[member] = None
                        self.index.add(member)
        else:
            for member in members:
                if member not in self:
                    self._convert_for(member, settings)
                    self[member] = None
                    if self.encoding == "intset" and len(self) > settings.set_max_intset_entries:
                        self.encoding = "hashtable"
        return len(self) - before

    def _convert_for(self, member: bytes, settings: Any) -> None:
        """Convert where Redis would before it adds `member`, which is new."""
        if self.encoding == "hashtable":
            return
        if self.encoding == "intset":
            if parse_integer(member) is not None:
                return
            self._unpack_integers()
            longest = max(map(len, self), default=0)
        else:
            longest = 0
        few = len(self) < settings.set_max_listpack_entries
        short = max(longest, len(member)) <= settings.set_max_listpack_value
        self.encoding = "listpack" if few and short else "hashtable"

    def become_intset(self, settings: Any) -> None:
        """Take the smallest encoding, where the members allow it: what SINTERSTORE does with a result."""
        if len(self) <= settings.set_max_intset_entries and all(parse_integer(member) is not None for member in self):
            self.encoding = "intset"

    def _unpack_integers(self) -> None:
        """An intset's members go into a listpack in numeric order."""
        members = sorted(self, key=int)
        self.clear()
        self.update(dict.fromkeys(members))

    # -- reading ------------------------------------------------------------------------------------------------

    def members(self) -> Sequence[bytes]:
        """All members, in the order Redis gives them where it gives one."""
        return sorted(self, key=int) if self.encoding == "intset" else list(self)
