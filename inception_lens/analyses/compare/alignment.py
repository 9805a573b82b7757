"""Alignment of two networks: pairs of corresponding calls, by structure and not by name.

Two series are aligned so that the similarity of the pairs is greatest (S. Needleman and C. Wunsch, "A general method
applicable to the search for similarities", 1970, without a gap cost). Forks are aligned as single items first and then
branch by branch. The search is restricted to a band around the diagonal, so that its time is linear in the length.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from inception_lens.analyses.compare.structure import Bag, Fork, KindTable, Leaf, Series, leaves
from inception_lens.ops import Op

SLACK = 64
"""Half the width of the band, in addition to the difference of the lengths."""
MAX_CELLS = 4_000_000
"""Table cells of one search; longer series are searched in a narrower band."""
MAX_PAIRS = 10_000
"""Pairs of branches of two forks whose similarity is computed; beyond it branches are paired in order."""
MAX_MOVE = 4
"""Largest number of alignment steps by which a call can have moved."""

AlignmentStep = tuple[Leaf | Fork | None, Leaf | Fork | None]


class Alignment(msgspec.Struct, frozen=True):
    """Pairs of node indices of two graphs."""

    pairs: dict[int, int]
    """Index in the second graph, by the index in the first."""
    moved: frozenset[int]
    """Indices in the first graph of the calls that are at another position in the second."""

    def mirrored(self) -> Alignment:
        """The same alignment from the second graph to the first."""
        return Alignment({b: a for a, b in self.pairs.items()}, frozenset(self.pairs[a] for a in self.moved))


def align(a: Series, b: Series, kinds: KindTable) -> Alignment:
    """Align two series whose kinds are numbered by `kinds`."""
    aligner = _Aligner(kinds)
    aligner.series(a, b)
    return Alignment(aligner.pairs, frozenset(aligner.moved))


class _ScoreRow(msgspec.Struct, frozen=True, gc=False):
    """One row of the table, stored only inside the band: scores from column `first` on, 0 elsewhere."""

    first: int
    numbers: list[int]

    def at(self, place: int) -> int:
        k = place - self.first
        return self.numbers[k] if 0 <= k < len(self.numbers) else 0

    def cut(self, first: int, last: int) -> list[int]:
        """The scores of the columns from `first` up to, not including, `last`."""
        skip = first - self.first
        inner = self.numbers[max(skip, 0) : max(last - self.first, 0)]
        before = [0] * min(max(-skip, 0), last - first)
        return [*before, *inner, *[0] * (last - first - len(before) - len(inner))]


class _Aligner:
    def __init__(self, kinds: KindTable) -> None:
        self.kinds = kinds
        self.pairs: dict[int, int] = {}
        self.paired: set[int] = set()
        """Indices in the second graph that have a partner."""
        self.moved: set[int] = set()
        self._common: dict[tuple[int, int], int] = {}

    def series(self, a: Series, b: Series) -> None:
        """Pair the calls of two series."""
        steps = list(self._steps(a, b))
        gap_a: list[Leaf | Fork] = []
        gap_b: list[Leaf | Fork] = []
        for left, right in [*steps, (None, None)]:
            if left is None or right is None:
                gap_a += [left] if left is not None else []
                gap_b += [right] if right is not None else []
                if left is not None or right is not None:
                    continue
            else:
                left, right = _unforked(left, right, gap_a), _unforked(right, left, gap_b)
            if gap_a and gap_b and any(isinstance(item, Fork) for item in (*gap_a, *gap_b)):
                self._leaf_by_leaf(gap_a, gap_b)
            gap_a, gap_b = [], []
            if left is not None and right is not None:
                self._pair(left, right)
        self._find_moved(steps)

    def _leaf_by_leaf(self, a: list[Leaf | Fork], b: list[Leaf | Fork]) -> None:
        """Align a fork with items that are not a fork, call by call in the order of execution."""
        for left, right in self._steps(tuple(leaves(a)), tuple(leaves(b))):
            if left is not None and right is not None:
                self._pair(left, right)

    def _pair(self, a: Leaf | Fork, b: Leaf | Fork) -> None:
        if isinstance(a, Leaf) and isinstance(b, Leaf):
            self.pairs[a.node] = b.node
            self.paired.add(b.node)
        elif isinstance(a, Fork) and isinstance(b, Fork):
            for left, right in self._branches(a.branches, b.branches):
                self.series(left, right)
            if a.join and b.join and self.kinds.groups[a.join.kind] == self.kinds.groups[b.join.kind]:
                self._pair(a.join, b.join)

    def _branches(self, a: Sequence[Series], b: Sequence[Series]) -> Iterator[tuple[Series, Series]]:
        """Pair equal branches first, at any position; then the others by decreasing similarity."""
        rest_a: list[int] = []
        equal: dict[tuple[int, ...], list[int]] = {}
        for j, branch in enumerate(b):
            equal.setdefault(tuple([item.kind for item in branch]), []).append(j)
        for i, branch in enumerate(a):
            found = equal.get(tuple([item.kind for item in branch]))
            if found:
                yield branch, b[found.pop(0)]
            else:
                rest_a.append(i)
        rest_b = sorted(j for found in equal.values() for j in found)
        if len(rest_a) * len(rest_b) > MAX_PAIRS:
            yield from ((a[i], b[j]) for i, j in zip(rest_a, rest_b, strict=False))
            return
        bags_a = {i: self.kinds.bag(a[i]) for i in rest_a}
        bags_b = {j: self.kinds.bag(b[j]) for j in rest_b}
        scored = [(-_overlap(x, y), abs(i - j), i, j) for i, x in bags_a.items() for j, y in bags_b.items()]
        for _, _, i, j in sorted(scored):
            if i in bags_a and j in bags_b:
                del bags_a[i], bags_b[j]
                yield a[i], b[j]

    def _steps(self, a: Series, b: Series) -> Iterator[AlignmentStep]:
        """The best alignment as pairs and gaps, in order; equal items at both ends are paired without a search."""
        start, end_a, end_b = 0, len(a), len(b)
        while start < min(end_a, end_b) and a[start].kind == b[start].kind:
            start += 1
        while min(end_a, end_b) > start and a[end_a - 1].kind == b[end_b - 1].kind:
            end_a, end_b = end_a - 1, end_b - 1
        yield from zip(a[:start], b[:start], strict=True)
        yield from self._search(a[start:end_a], b[start:end_b])
        yield from zip(a[end_a:], b[end_b:], strict=True)

    def _search(self, a: Series, b: Series) -> Iterator[AlignmentStep]:
        n, m = len(a), len(b)
        best = self._table(a, b)
        i = j = 0
        while i < n and j < m:
            here = best[i].at(j)
            common = self._in_common(a[i].kind, b[j].kind)
            if common and here == best[i + 1].at(j + 1) + common:
                yield a[i], b[j]
                i, j = i + 1, j + 1
            elif here == best[i + 1].at(j):
                yield a[i], None
                i += 1
            else:
                yield None, b[j]
                j += 1
        yield from ((item, None) for item in a[i:])
        yield from ((None, item) for item in b[j:])

    def _table(self, a: Series, b: Series) -> list[_ScoreRow]:
        """Row i, column j: the greatest similarity of the items of `a` from i on and of `b` from j on."""
        n, m = len(a), len(b)
        kinds_b = [item.kind for item in b]
        best = [_ScoreRow(0, [])]
        for i in range(n - 1, -1, -1):
            kind, (first, last) = a[i].kind, _band(i, n, m)
            below = best[-1].cut(first, last + 1)
            row, right = [0] * (last - first), 0
            for k in range(last - first - 1, -1, -1):
                most = below[k]
                if right > most:
                    most = right
                pair = (kind, kinds_b[first + k])
                common = self._common.get(pair)
                if common is None:
                    common = self._in_common(*pair)
                if common:
                    common += below[k + 1]
                    if common > most:
                        most = common
                row[k] = right = most
            best.append(_ScoreRow(first, row))
        best.reverse()
        return best

    def _in_common(self, a: int, b: int) -> int:
        common = self._common.get((a, b))
        if common is None:
            kinds = self.kinds
            alike = kinds.groups[a] == kinds.groups[b] or kinds.operations[a] is kinds.operations[b] is None
            common = _overlap(kinds.bags[a], kinds.bags[b]) if alike else 0
            self._common[a, b] = common
        return common

    def _find_moved(self, steps: list[AlignmentStep]) -> None:
        """Pair an unpaired call of one side with a nearby unpaired call of the other side, if they are equal."""
        lacking = [
            (at, left if left is not None else right, left is not None)
            for at, (left, right) in enumerate(steps)
            if (left is None) != (right is None)
        ]
        kinds, taken = self.kinds, set[int]()
        for k, (at, item, from_a) in enumerate(lacking):
            if not isinstance(item, Leaf) or k in taken or not _is_movable(kinds.operations[item.kind]):
                continue
            for other in range(k + 1, min(k + 1 + MAX_MOVE, len(lacking))):
                there, found, also_a = lacking[other]
                if there - at > MAX_MOVE or also_a == from_a or not isinstance(found, Leaf) or other in taken:
                    continue
                if any(isinstance(each, Fork) for step in steps[at:there] for each in step):
                    break
                if kinds.operations[item.kind] == kinds.operations[found.kind]:
                    taken.add(other)
                    left, right = (item, found) if from_a else (found, item)
                    if left.node not in self.pairs and right.node not in self.paired:
                        self._pair(left, right)
                        self.moved.add(left.node)
                    break


def _unforked(item: Leaf | Fork, other: Leaf | Fork, gap: list[Leaf | Fork]) -> Leaf | Fork:
    """Replace a fork that is paired with a single call by its join; its branches go to the gap before it."""
    if not isinstance(item, Fork) or isinstance(other, Fork) or item.join is None:
        return item
    gap.append(Fork(item.branches, None, item.kind))
    return item.join


def _is_movable(op: Op | None) -> bool:
    """Whether networks differ in where they have an operation: after its layer or the next, before a pool or after."""
    return op is not None and (op.role in ("finish", "layout") or op.category == "pool")


def _band(i: int, n: int, m: int) -> tuple[int, int]:
    """The band of row i: its first column, and the one after its last."""
    low, high = min(m - n, 0) - SLACK, max(m - n, 0) + SLACK
    if n * (high - low) > MAX_CELLS and n * m > MAX_CELLS:
        i, half = i * m // n, MAX_CELLS // (2 * n) + 1
        low, high = -half, half
    return max(i + low, 0), min(i + high + 1, m)


def _overlap(a: Bag, b: Bag) -> int:
    if len(b) < len(a):
        a, b = b, a
    return sum([min(weight, b[key]) for key, weight in a.items() if key in b])
