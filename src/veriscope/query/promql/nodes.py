"""The plan of a query: what to fetch, and how to combine it. Every node says on which grid."""

from dataclasses import dataclass
from typing import TypeAlias

from veriscope.query.promql.ast import Aggregate, Binary, Call, Edges, Span, VectorSelector
from veriscope.signals import Grid, RawFetch


@dataclass(frozen=True, slots=True)
class Constant:
    """The same number on every step."""

    grid: Grid
    value: float


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    grid: Grid
    value: str


@dataclass(frozen=True, slots=True)
class SamplesRead:
    """
    A range vector: the samples in `(end - length, end]` for every step of *ends*.

    *ends*, in the data's time, has the steps of `grid`, or (`pinned`) a single one for them all.
    What `edges` are not plain needs samples beyond the range, which `fetch` holds too.
    """

    grid: Grid
    fetch: RawFetch
    ends: Grid
    length_ms: int
    pinned: bool = False
    edges: Edges = Edges.PLAIN
    span: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class SubqueryRead:
    """A range vector of the points of *inner*; None where its range holds no step."""

    grid: Grid
    inner: "Node | None"
    ends: Grid
    length_ms: int
    pinned: bool = False
    span: Span = (0, 0)


@dataclass(frozen=True, slots=True)
class Newest:
    """The newest sample of each window, its value or (`timestamps`) its Unix time in seconds."""

    grid: Grid
    samples: SamplesRead
    timestamps: bool


@dataclass(frozen=True, slots=True)
class RangeCall:
    """A function of a range vector; `params` are its other arguments."""

    grid: Grid
    function: str
    samples: SamplesRead | SubqueryRead
    params: tuple["Node", ...]
    spans: tuple[Span, ...] = ()
    """Where the parameters stand in the text."""


@dataclass(frozen=True, slots=True)
class Absent:
    """1 with the labels of *call*'s selector on every step where *inner* has no point."""

    grid: Grid
    inner: "Node"
    call: Call


@dataclass(frozen=True, slots=True)
class InstantCall:
    """Any other function; `args` are the plans of `call.args`."""

    grid: Grid
    call: Call
    args: tuple["Node", ...]


@dataclass(frozen=True, slots=True)
class AggregateNode:
    """An aggregation over series."""

    grid: Grid
    aggregate: Aggregate
    inner: "Node"
    param: "Node | None"


@dataclass(frozen=True, slots=True)
class BinaryNode:
    """Binary operators, one after the other: `first op right op right …`."""

    grid: Grid
    first: "Node"
    applied: tuple[tuple[Binary, "Node"], ...]
    """Each operator and its right side."""


@dataclass(frozen=True, slots=True)
class Information:
    """
    `info(inner, {matchers})`: *inner* with labels of the info metrics that belong to it.

    These are read for `ends`, as is the first selector of *inner*.
    """

    grid: Grid
    inner: "Node"
    selector: VectorSelector | None
    ends: Grid


@dataclass(frozen=True, slots=True)
class NegationNode:
    """A unary minus."""

    grid: Grid
    inner: "Node"


@dataclass(frozen=True, slots=True)
class Repeat:
    """What *inner* gives on its single step, on every step of *grid*."""

    grid: Grid
    inner: "Node"


Node: TypeAlias = (
    Constant
    | Text
    | SamplesRead
    | SubqueryRead
    | Newest
    | RangeCall
    | Absent
    | InstantCall
    | AggregateNode
    | BinaryNode
    | Information
    | NegationNode
    | Repeat
)
