"""Template text to a tree: Go's `text/template/parse`, by recursive descent."""

from collections.abc import Callable, Collection
from typing import Final, TypeVar

from veriscope.templates.constants import number, quote, unquote, unquote_rune
from veriscope.templates.errors import TemplateError
from veriscope.templates.language.lexer import Kind, Lexer, Token
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
    Node,
    Operand,
    Pipe,
    Template,
    Text,
    Variable,
)

MAX_SOURCE_BYTES: Final = 1 << 20
MAX_DEPTH: Final = 100
_STOPS: Final = ("end", "else")
_T = TypeVar("_T")
_BOOLEANS: Final = {"true": True, "false": False}
_TERMS: Final = frozenset(
    {Kind.IDENTIFIER, Kind.DOT, Kind.FIELD, Kind.VARIABLE, Kind.NUMBER, Kind.RUNE, Kind.STRING}
    | {Kind.RAW_STRING, Kind.OPEN}
)


def parse(name: str, text: str, functions: Collection[str]) -> dict[str, Template]:
    """
    Return the templates of *text* by name: those it defines, and itself as *name*.

    Raises `TemplateError` in Go's words, also on a function that is not among *functions*.
    """
    lexer = Lexer(name, text)
    if len(text.encode("utf-8", "replace")) > MAX_SOURCE_BYTES:
        raise lexer.error(0, f"text is over {MAX_SOURCE_BYTES} bytes; split it or make it shorter")
    return _Parser(lexer, functions).whole()


class _Parser:
    def __init__(self, lexer: Lexer, functions: Collection[str]) -> None:
        self._lexer = lexer
        self._functions = functions
        self._tokens = lexer.tokens()
        self._at = 0
        self._depth = 0
        self._loops = 0
        self._variables = ["$"]
        self._defined: dict[str, Template] = {}

    def whole(self) -> dict[str, Template]:
        """Return all templates of the text."""
        nodes: list[Node] = []
        while self._peek().kind is not Kind.END:
            if (word := self._keyword()) is not None and word.text == "define":
                self._define()
            elif word is not None and word.text in _STOPS:
                raise self._error(word, f"unexpected {{{{{word.text}}}}}")
            else:
                nodes.append(self._node())
        self._add(self._lexer.name, tuple(nodes))
        return self._defined

    def _add(self, name: str, body: Body) -> None:
        made = Template(name, body, self._lexer.name, self._lexer.text)
        known = self._defined.get(name)
        if known is None or known.is_empty:
            self._defined[name] = made
        elif not made.is_empty:
            message = f"template: multiple definition of template {quote(name)}"
            raise self._error(self._peek(), message)

    # tokens

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind is not Kind.END
        return token

    def _skip_space(self) -> Token:
        while self._peek().kind is Kind.SPACE:
            self._at += 1
        return self._peek()

    def _expect(self, kinds: Collection[Kind], context: str) -> Token:
        token = self._skip_space()
        if token.kind not in kinds:
            raise self._unexpected(token, context)
        return self._take()

    def _close(self, context: str) -> None:
        self._expect((Kind.RIGHT,), context)

    def _keyword(self) -> Token | None:
        """Return the keyword that the action here begins with."""
        if self._peek().kind is not Kind.LEFT:
            return None
        at = self._at + 1
        while self._tokens[at].kind is Kind.SPACE:
            at += 1
        return self._tokens[at] if self._tokens[at].kind is Kind.KEYWORD else None

    def _error(self, token: Token, message: str) -> TemplateError:
        return self._lexer.error(token.start, message)

    def _unexpected(self, token: Token, context: str) -> TemplateError:
        if token.kind is Kind.END:
            return self._error(token, "unexpected EOF")
        shown = f"<{token.text}>" if token.kind is Kind.KEYWORD else quote(token.text)
        return self._error(token, f"unexpected {shown} in {context}")

    # statements

    def _node(self) -> Node:
        token = self._take()
        if token.kind is Kind.TEXT:
            return Text(token.start, token.text)
        word = self._skip_space()
        if word.kind is not Kind.KEYWORD or word.text == "nil":
            mark = len(self._variables)
            pipe = self._pipe("command", Kind.RIGHT)
            if not pipe.variables:
                del self._variables[mark:]
            return Action(pipe.start, pipe)
        self._take()
        if word.text in ("if", "with", "range"):
            return self._nested(lambda: self._branch(word))
        if word.text in ("break", "continue"):
            return self._leave(word)
        if word.text == "template":
            return self._invocation()
        if word.text == "block":
            return self._nested(self._block)
        raise self._unexpected(word, "command")

    def _nested(self, read: Callable[[], _T]) -> _T:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise self._error(
                self._peek(), f"nested deeper than {MAX_DEPTH} levels; make it flatter"
            )
        found = read()
        self._depth -= 1
        return found

    def _body(self) -> tuple[Body, Token]:
        """Return what stands before `{{end` or `{{else`, and that keyword, which is taken."""
        nodes: list[Node] = []
        while (token := self._peek()).kind is not Kind.END:
            word = self._keyword()
            if word is not None and word.text in _STOPS:
                self._take()
                self._skip_space()
                return tuple(nodes), self._take()
            nodes.append(self._node())
        raise self._error(token, "unexpected EOF")

    def _branch(self, word: Token) -> Branch:
        kind, mark = word.text, len(self._variables)
        pipe = self._pipe(kind, Kind.RIGHT)
        self._loops += kind == "range"
        body, stop = self._body()
        self._loops -= kind == "range"
        otherwise: Body | None = None
        if stop.text == "else":
            otherwise = self._otherwise(kind)
        else:
            self._close("end")
        del self._variables[mark:]
        return Branch(pipe.start, kind, pipe, body, otherwise)

    def _otherwise(self, kind: str) -> Body:
        word = self._skip_space()
        if word.kind is Kind.KEYWORD and word.text == kind and kind != "range":
            self._take()
            return (self._nested(lambda: self._branch(word)),)
        self._close("else")
        body, stop = self._body()
        if stop.text != "end":
            raise self._error(stop, "expected end; found {{else}}")
        self._close("end")
        return body

    def _leave(self, word: Token) -> Leave:
        if not self._loops:
            raise self._error(word, f"{{{{{word.text}}}}} outside {{{{range}}}}")
        self._close(f"{{{{{word.text}}}}}")
        return Leave(word.start, word.text)

    def _invocation(self) -> Invocation:
        place, name = self._name("template clause")
        pipe = None
        if self._skip_space().kind is not Kind.RIGHT:
            pipe = self._pipe("template clause", Kind.RIGHT)
        else:
            self._take()
        return Invocation(place, self._tokens[self._at - 1].start, name, pipe)

    def _name(self, context: str) -> tuple[int, str]:
        """Return the name of a template, and where it stands."""
        token = self._expect((Kind.STRING, Kind.RAW_STRING), context)
        return token.start, self._unquoted(token)

    def _block(self) -> Invocation:
        place, name = self._name("block clause")
        pipe = self._pipe("block clause", Kind.RIGHT)
        self._define_body(name)
        return Invocation(place, pipe.end, name, pipe)

    def _define(self) -> None:
        self._take()
        self._skip_space()
        self._take()
        _, name = self._name("define clause")
        self._close("define clause")
        self._define_body(name)

    def _define_body(self, name: str) -> None:
        kept = self._variables, self._loops
        self._variables, self._loops = ["$"], 0
        body, stop = self._body()
        if stop.text != "end":
            raise self._error(stop, "unexpected {{else}} in define clause")
        self._close("define clause")
        self._add(name, body)
        self._variables, self._loops = kept

    # pipelines

    def _pipe(self, context: str, end: Kind) -> Pipe:
        start = self._skip_space().start
        variables, assigns = self._declarations(context)
        commands: list[Command] = []
        while (token := self._skip_space()).kind is not end:
            if token.kind not in _TERMS and token.text != "nil":
                raise self._unexpected(token, context)
            commands.append(self._command())
        self._check_stages(token, commands, context)
        self._take()
        return Pipe(start, token.start, tuple(commands), variables, assigns)

    def _check_stages(self, token: Token, commands: list[Command], context: str) -> None:
        if not commands:
            raise self._error(token, f"missing value for {context}")
        for stage, command in enumerate(commands[1:], 2):
            if isinstance(command.operands[0], Constant | Dot):
                message = f"non executable command in pipeline stage {stage}"
                raise self._error(token, message)

    def _declarations(self, context: str) -> tuple[tuple[str, ...], bool]:
        names: list[str] = []
        while (variable := self._skip_space()).kind is Kind.VARIABLE:
            mark = self._at
            self._take()
            following = self._skip_space()
            if following.kind in (Kind.ASSIGN, Kind.DECLARE):
                self._take()
                names.append(variable.text)
                self._variables.extend(names)
                return tuple(names), following.kind is Kind.ASSIGN
            if following.kind is not Kind.COMMA:
                self._at = mark
                break
            self._take()
            names.append(variable.text)
            if context != "range" or len(names) > 1:
                raise self._error(variable, f"too many declarations in {context}")
        if names:
            raise self._error(self._peek(), "range can only initialize variables")
        return (), False

    def _command(self) -> Command:
        start = self._skip_space().start
        operands: list[Operand] = []
        while (operand := self._operand()) is not None:
            operands.append(operand)
            token = self._peek()
            if token.kind is not Kind.SPACE:
                break
            self._skip_space()
        token = self._peek()
        if token.kind is Kind.PIPE:
            self._take()
        elif token.kind not in (Kind.RIGHT, Kind.CLOSE):
            raise self._unexpected(token, "operand")
        return Command(start, operands[-1].end, tuple(operands))

    def _operand(self) -> Operand | None:
        term = self._term()
        if term is None or self._peek().kind is not Kind.FIELD:
            return term
        names: list[str] = []
        place, end = self._peek().start, term.end
        while self._peek().kind is Kind.FIELD:
            field = self._take()
            names.append(field.text[1:])
            end = field.start + len(field.text)
        match term:
            case FieldOf():
                return FieldOf(term.start, end, place, (*term.names, *names))
            case Variable():
                return Variable(term.start, end, place, term.name, tuple(names))
            case Constant() | Dot():
                shown = quote(self._lexer.text[term.start : term.end])
                raise self._lexer.error(term.start, f"unexpected . after term {shown}")
        return Chain(term.start, end, place, term, tuple(names))

    def _term(self) -> Operand | None:
        token = self._peek()
        if token.kind not in _TERMS and not (token.kind is Kind.KEYWORD and token.text == "nil"):
            return None
        self._take()
        if token.kind is Kind.OPEN:
            return self._nested(lambda: self._pipe("parenthesized pipeline", Kind.CLOSE))
        if token.kind is Kind.IDENTIFIER:
            return self._word(token)
        if token.kind is Kind.VARIABLE and token.text not in self._variables:
            raise self._error(token, f"undefined variable {quote(token.text)}")
        return self._single(token)

    def _single(self, token: Token) -> Operand:
        start, end = token.start, token.start + len(token.text)
        match token.kind:
            case Kind.DOT:
                return Dot(start, end)
            case Kind.FIELD:
                return FieldOf(start, end, start, (token.text[1:],))
            case Kind.VARIABLE:
                return Variable(start, end, start, token.text, ())
        return self._constant(token)

    def _word(self, token: Token) -> Operand:
        start, end = token.start, token.start + len(token.text)
        if token.text in _BOOLEANS:
            return Constant(start, end, _BOOLEANS[token.text])
        if token.text not in self._functions:
            raise self._error(token, f"function {quote(token.text)} not defined")
        return Identifier(start, end, token.text)

    def _constant(self, token: Token) -> Constant:
        start, end = token.start, token.start + len(token.text)
        if token.kind is Kind.KEYWORD:
            return Constant(start, end, None)
        if token.kind in (Kind.STRING, Kind.RAW_STRING):
            return Constant(start, end, self._unquoted(token))
        try:
            if token.kind is Kind.RUNE:
                return Constant(start, end, unquote_rune(token.text), is_rune=True)
            return Constant(start, end, number(token.text))
        except ValueError as error:
            raise self._error(token, str(error)) from error

    def _unquoted(self, token: Token) -> str:
        try:
            return token.text[1:-1] if token.kind is Kind.RAW_STRING else unquote(token.text)
        except ValueError as error:
            raise self._error(token, str(error)) from error
