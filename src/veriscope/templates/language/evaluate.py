"""Templates carried out: Go's `text/template` executor, over declared values only."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn

from veriscope.templates.constants import quote
from veriscope.templates.errors import TemplateError
from veriscope.templates.functions.calls import CallError, Function, Kind, constant_as, wrong_type
from veriscope.templates.functions.limits import Budget
from veriscope.templates.functions.methods import method_of
from veriscope.templates.language.nodes import (
    Action,
    Body,
    Branch,
    Chain,
    Command,
    Constant,
    Dot,
    FieldOf,
    Identifier,
    Invocation,
    Leave,
    Operand,
    Pipe,
    Template,
    Text,
    Variable,
    spell,
)
from veriscope.templates.language.writers import TextWriter, Writer
from veriscope.templates.values import Record, SafeHtml, StringMap, Value, is_true, type_name

_MAX_DEPTH: Final = 100


class _Absent:
    """No value is handed down the pipeline."""


_ABSENT: Final = _Absent()


@dataclass(frozen=True, slots=True)
class _Given:
    """What a function or method is given: its operands, and what comes down the pipeline."""

    operands: Sequence[Operand] = ()
    final: Value = _ABSENT

    def __len__(self) -> int:
        return len(self.operands) + (not isinstance(self.final, _Absent))


_NOTHING: Final = _Given()


class _LeaveError(Exception):
    """A `{{break}}` or `{{continue}}` on its way to its loop."""

    def __init__(self, kind: str) -> None:
        self.kind = kind


@dataclass(slots=True)
class Execution:
    """One run of a template: what it may call, where it writes, and what it may still spend."""

    templates: Mapping[str, Template]
    functions: Mapping[str, Function]
    writer: Writer
    budget: Budget
    depth: int = 0
    _template: Template = field(default_factory=lambda: Template("", ()))
    _at: Operand | Command | Pipe | Invocation | None = None
    _variables: list[tuple[str, Value]] = field(default_factory=list)

    def run(self, name: str, data: Value) -> None:
        """Carry out the template *name* on *data*; raises `TemplateError`."""
        template = self.templates.get(name)
        if template is None:
            raise TemplateError(f"template: no template {quote(name)}")
        kept = self._template, self._variables, self._at
        self._template, self._variables = template, [("$", data)]
        self.depth += 1
        try:
            self._body(template.body, data)
        finally:
            self.depth -= 1
            self._template, self._variables, self._at = kept

    def run_safely(self, name: str, data: Value) -> None:
        """Do as `run`; raises `TemplateError` on whatever a template can bring about."""
        try:
            self.run(name, data)
        except RecursionError:
            raise TemplateError(f"template: {name}: nested too deeply; make it flatter") from None

    def written_by(self, name: str, data: Value) -> SafeHtml:
        """Return what the template *name* writes on *data*: Prometheus' function `tmpl`."""
        if self.depth >= _MAX_DEPTH:
            self._fail(f"exceeded maximum template depth ({_MAX_DEPTH})")
        kept, self.writer = self.writer, TextWriter()
        try:
            self.run(name, data)
            return SafeHtml(str(self.writer))
        finally:
            self.writer = kept

    # statements

    def _body(self, body: Body, dot: Value) -> None:
        for node in body:
            self._spend(1)
            match node:
                case Text():
                    self._write(self.writer.text, node.text)
                case Action():
                    self._action(node, dot)
                case Branch():
                    self._branch(node, dot)
                case Invocation():
                    self._invoke(node, dot)
                case Leave():
                    raise _LeaveError(node.kind)

    def _action(self, node: Action, dot: Value) -> None:
        value = self._pipe(dot, node.pipe)
        if not node.pipe.variables:
            self._at = node.pipe
            self._write(self.writer.value, value)

    def _branch(self, node: Branch, dot: Value) -> None:
        mark = len(self._variables)
        value = self._pipe(dot, node.pipe)
        if node.kind == "range":
            self._range(node, dot, value)
        elif is_true(value):
            self._body(node.body, value if node.kind == "with" else dot)
        elif node.otherwise is not None:
            self._body(node.otherwise, dot)
        del self._variables[mark:]

    def _range(self, node: Branch, dot: Value, value: Value) -> None:
        names = node.pipe.variables
        mark = len(self._variables)
        looped = False
        for key, one in self._elements(node, value):
            looped = True
            self._spend(1)
            self._set_loop(names, key, one)
            try:
                self._body(node.body, one)
            except _LeaveError as leave:
                if leave.kind == "break":
                    break
            finally:
                del self._variables[mark:]
        if not looped and node.otherwise is not None:
            self._body(node.otherwise, dot)

    def _set_loop(self, names: Sequence[str], key: Value, one: Value) -> None:
        values = (one,) if len(names) == 1 else (key, one)
        for name, value in zip(names, values, strict=False):
            self._assign(name, value)

    def _elements(self, node: Branch, value: Value) -> Sequence[tuple[Value, Value]]:
        if value is None:
            return ()
        if isinstance(value, Mapping):
            return [(key, value[key]) for key in sorted(value)]
        if isinstance(value, Sequence) and not isinstance(value, str):
            return list(enumerate(value))
        if isinstance(value, int) and not isinstance(value, bool):
            self._at = node.pipe
            self._spend(max(value, 0))
            return [(number, number) for number in range(value)]
        self._at = node.pipe
        return self._fail(f"range can't iterate over {self._shown(value)}")

    def _invoke(self, node: Invocation, dot: Value) -> None:
        self._at = node
        if node.name not in self.templates:
            self._fail(f"template {quote(node.name)} not defined")
        if self.depth >= _MAX_DEPTH:
            self._fail(f"exceeded maximum template depth ({_MAX_DEPTH})")
        self.run(node.name, None if node.pipe is None else self._pipe(dot, node.pipe))

    # variables

    def _assign(self, name: str, value: Value) -> None:
        for at in range(len(self._variables) - 1, -1, -1):
            if self._variables[at][0] == name:
                self._variables[at] = (name, value)
                return
        self._fail(f"undefined variable: {name}")

    def _variable(self, name: str) -> Value:
        for known, value in reversed(self._variables):
            if known == name:
                return value
        return self._fail(f"undefined variable: {name}")

    # pipelines

    def _pipe(self, dot: Value, pipe: Pipe) -> Value:
        value: Value = _ABSENT
        for command in pipe.commands:
            value = self._command(dot, command, value)
        for name in pipe.variables:
            if pipe.assigns:
                self._assign(name, value)
            else:
                self._variables.append((name, value))
        return value

    def _command(self, dot: Value, command: Command, final: Value) -> Value:
        self._spend(1)
        first = command.operands[0]
        given = _Given(command.operands[1:], final)
        if isinstance(first, Identifier):
            return self._function(dot, first, command, final)
        if isinstance(first, FieldOf | Chain) or (isinstance(first, Variable) and first.names):
            self._at = first
            return self._fields(dot, self._receiver(dot, first), first, first.names, given)
        self._at = first
        if given:
            self._fail(f"can't give argument to non-function {self._source(first)}")
        if isinstance(first, Constant) and first.value is None:
            self._fail("nil is not a command")
        return self._operand(dot, first)

    def _operand(self, dot: Value, node: Operand) -> Value:
        self._at = node
        match node:
            case Dot():
                return dot
            case Constant():
                return node.value
            case Pipe():
                return self._pipe(dot, node)
            case Identifier():
                command = Command(node.start, node.end, (node,))
                return self._function(dot, node, command, _ABSENT)
        return self._fields(dot, self._receiver(dot, node), node, node.names, _NOTHING)

    def _receiver(self, dot: Value, node: FieldOf | Variable | Chain) -> Value:
        """Return what the names of *node* are followed from."""
        match node:
            case FieldOf():
                return dot
            case Variable():
                return self._variable(node.name)
            case Chain():
                return self._operand(dot, node.of)

    # fields and calls

    def _fields(
        self,
        dot: Value,
        receiver: Value,
        node: Operand,
        names: Sequence[str],
        given: _Given,
    ) -> Value:
        """Follow *names* from *receiver*; the last one takes the arguments."""
        for name in names[:-1]:
            receiver = self._field(dot, receiver, node, name, _NOTHING)
        return self._field(dot, receiver, node, names[-1], given) if names else receiver

    def _field(
        self,
        dot: Value,
        receiver: Value,
        node: Operand,
        name: str,
        given: _Given,
    ) -> Value:
        self._spend(1)
        if (method := method_of(receiver, name)) is not None:
            return self._call(dot, name, method, node, given)
        if isinstance(receiver, Record) and name in receiver.fields:
            if given:
                self._fail(f"{name} has arguments but cannot be invoked as function")
            return receiver.fields[name]
        if isinstance(receiver, Mapping):
            if given:
                self._fail(f"{name} is not a method but has arguments")
            return receiver.get(name, "" if isinstance(receiver, StringMap) else None)
        if receiver is None:
            self._fail(f"nil pointer evaluating interface {{}}.{name}")
        return self._fail(f"can't evaluate field {name} in type {type_name(receiver)}")

    def _function(self, dot: Value, node: Identifier, command: Command, final: Value) -> Value:
        self._at = node
        name, rest = node.name, command.operands[1:]
        if name in ("and", "or"):
            return self._short_circuit(dot, name, rest, final)
        return self._call(dot, name, self.functions[name], command, _Given(rest, final))

    def _short_circuit(
        self, dot: Value, name: str, operands: Sequence[Operand], final: Value
    ) -> Value:
        """Return the first operand that decides an `and` or `or`, or the last one."""
        if not operands and isinstance(final, _Absent):
            self._fail(f"wrong number of args for {name}: want at least 1 got 0")
        value: Value = None
        for node in operands:
            value = self._operand(dot, node)
            if is_true(value) == (name == "or"):
                return value
        return value if isinstance(final, _Absent) else final

    def _call(
        self,
        dot: Value,
        name: str,
        function: Function,
        node: Operand | Command,
        given: _Given,
    ) -> Value:
        operands, final = given.operands, given.final
        if (fault := function.miscount(len(given))) is not None:
            self._fail(f"wrong number of args for {name}: {fault}")
        arguments = [
            self._argument(dot, operand, function.kind(at)) for at, operand in enumerate(operands)
        ]
        if not isinstance(final, _Absent):
            kind = function.kind(len(operands))
            if (fault := wrong_type(final, kind)) is not None:
                self._fail(fault)
            arguments.append(final)
        self._spend(1 + sum(_weight(argument) for argument in arguments))
        try:
            result = function.call(*arguments)
        except CallError as error:
            self._at = node
            self._fail(f"error calling {name}: {error}")
        self._spend(_weight(result))
        return result

    def _argument(self, dot: Value, node: Operand, kind: Kind) -> Value:
        if isinstance(node, Constant):
            self._at = node
            try:
                return constant_as(node.value, kind, self._source(node))
            except CallError as error:
                self._fail(str(error))
        value = self._operand(dot, node)
        self._at = node
        if (fault := wrong_type(value, kind)) is not None:
            self._fail(fault)
        return value

    # faults

    def _spend(self, steps: int) -> None:
        if self.budget.spend(steps):
            self._fail(f"takes over {self.budget.limit} steps; make it do less")

    def _write(self, write: Callable[[Value], None], what: Value) -> None:
        try:
            write(what)
        except CallError as error:
            self._fail(str(error))

    def _source(self, node: Operand | Command | Invocation) -> str:
        return spell(node, self._template.source)

    def _shown(self, value: Value) -> str:
        return str(self.functions["print"].call(value))

    def _fail(self, message: str) -> NoReturn:
        """Raise *message* with the place, as Go words it."""
        template, node = self._template, self._at
        if node is None:
            raise TemplateError(f"template: {template.name}: {message}")
        place = node.place if isinstance(node, FieldOf | Variable | Chain) else node.start
        before = template.source[:place]
        line, column = before.count("\n") + 1, len(before[before.rfind("\n") + 1 :].encode())
        shown = self._source(node)
        raise TemplateError(
            f"template: {template.source_name}:{line}:{column}: executing {quote(template.name)}"
            f" at <{shown}>: {message}"
        )


_CHARACTERS_A_STEP: Final = 64


def _weight(value: Value) -> int:
    """Return what an argument or a result costs besides its call: long text is not free."""
    return len(value) // _CHARACTERS_A_STEP if isinstance(value, str | Sequence) else 0
