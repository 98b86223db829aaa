"""Small, realistic mistakes in a module's source, each at one place."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

SWAPPED = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: ("not in", "in"),
    ast.Add: ("+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: ("*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "/"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: ("|", "&"),
}
OTHER_NAME = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
VARIADIC = {"min", "max", "keyed_hash", "generator", "uniforms"}  # each argument is one of several of a kind


@dataclass(frozen=True)
class Mutant:
    """One mistake: the bytes `start` to `end` of the module become `after`.

    `line` is the text of the line where it stands, `first_line` and `last_line` (from 1) those of its statement.
    """

    module: str
    kind: str
    before: str
    after: str
    start: int
    end: int
    line: str
    first_line: int
    last_line: int

    def apply(self, source: str) -> str:
        """Return the module's source with the mistake in it."""
        data = source.encode()
        return (data[: self.start] + self.after.encode() + data[self.end :]).decode()


def mutants_of(module: str, source: str) -> list[Mutant]:
    """Return the mistakes that can be planted in a module, in the order of their places.

    Error messages, f-strings, docstrings, annotations, decorators and imports are left as they are.
    """
    tree = ast.parse(source)
    plain = ast.dump(tree)
    found = {
        (mutant.start, mutant.end, mutant.after): mutant for mutant in _Planter(module, source).plant(tree)
    }.values()
    ordered = sorted(found, key=lambda mutant: (mutant.start, mutant.end))
    return [mutant for mutant in ordered if _changes(mutant, source, plain)]


def _changes(mutant: Mutant, source: str, plain: str) -> bool:
    """Tell whether the mutant is valid Python and another program."""
    try:
        return ast.dump(ast.parse(mutant.apply(source))) != plain
    except SyntaxError:
        return False


class _Planter:
    def __init__(self, module: str, source: str):
        self._module = module
        self._data = source.encode()
        lengths = [len(line) for line in self._data.splitlines(keepends=True)]
        self._line_starts = [sum(lengths[:i]) for i in range(len(lengths))]
        self._statement: ast.stmt | None = None

    def plant(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, (ast.Raise, ast.Import, ast.ImportFrom, ast.JoinedStr)) or _is_text(node):
            return
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        outer = self._statement
        if isinstance(node, ast.stmt):
            self._statement = node
        if isinstance(node, (ast.expr, ast.stmt, ast.comprehension, ast.arguments)):
            yield from getattr(self, f"_{type(node).__name__.lower()}", self._nothing)(node)
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "returns", "decorator_list"):
                continue
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    yield from self.plant(child)
        self._statement = outer

    def _nothing(self, node: ast.AST) -> Iterator[Mutant]:
        return iter(())

    # Where a node stands, and a mutant of it.

    def _offset(self, line: int, column: int) -> int:
        return self._line_starts[line - 1] + column

    def _range(self, node: ast.AST) -> tuple[int, int]:
        start = self._offset(node.lineno, node.col_offset)  # type: ignore[attr-defined]
        return start, self._offset(node.end_lineno, node.end_col_offset)  # type: ignore[attr-defined]

    def _text(self, node: ast.AST) -> str:
        start, end = self._range(node)
        return self._data[start:end].decode()

    def _mutant(self, kind: str, start: int, end: int, after: str) -> Mutant:
        statement = self._statement
        assert statement is not None
        body = getattr(statement, "body", None)  # of a compound statement, only its head
        last = max(statement.lineno, body[0].lineno - 1) if body else statement.end_lineno or statement.lineno
        before = self._data[start:end].decode()
        line = self._data[: self._data.find(b"\n", start)].splitlines()[-1].decode().strip()
        return Mutant(self._module, kind, before, after, start, end, line, statement.lineno, last)

    def _replaced(self, kind: str, node: ast.AST, after: str) -> Mutant:
        return self._mutant(kind, *self._range(node), after)

    def _swapped(self, kind: str, left: ast.AST, right: ast.AST, operator: ast.AST) -> Iterator[Mutant]:
        """Swap the operator that stands between two operands."""
        if type(operator) not in SWAPPED:
            return
        old, new = SWAPPED[type(operator)]
        start, end = self._range(left)[1], self._range(right)[0]
        between = self._data[start:end].decode()
        at = between.find(old)
        if at >= 0 and "#" not in between:
            yield self._mutant(kind, start + at, start + at + len(old), new)

    def _without(self, kind: str, nodes: list[ast.AST], i: int) -> Mutant:
        """Take one of several nodes that commas separate out of the source."""
        if i + 1 < len(nodes):
            return self._mutant(kind, self._start(nodes[i]), self._start(nodes[i + 1]), "")
        return self._mutant(kind, self._range(nodes[i - 1])[1], self._range(nodes[i])[1], "")

    def _start(self, node: ast.AST) -> int:
        return self._range(node)[0]

    # One method a type of node, named after it.

    def _compare(self, node: ast.Compare) -> Iterator[Mutant]:
        operands = [node.left, *node.comparators]
        for left, right, operator in zip(operands, operands[1:], node.ops, strict=False):
            yield from self._swapped("comparison", left, right, operator)

    def _boolop(self, node: ast.BoolOp) -> Iterator[Mutant]:
        word = " and " if isinstance(node.op, ast.And) else " or "
        for i in range(len(node.values)):
            rest = [f"({self._text(value)})" for j, value in enumerate(node.values) if j != i]
            yield self._replaced("condition dropped", node, f"({word.join(rest)})")

    def _unaryop(self, node: ast.UnaryOp) -> Iterator[Mutant]:
        if isinstance(node.op, (ast.Not, ast.USub, ast.Invert)):
            yield self._replaced("sign dropped", node, f"({self._text(node.operand)})")

    def _binop(self, node: ast.BinOp) -> Iterator[Mutant]:
        if _is_text(node.left) or _is_text(node.right):
            return
        yield from self._swapped("arithmetic", node.left, node.right, node.op)
        if isinstance(node.op, (ast.Mult, ast.Div, ast.Mod, ast.Add, ast.Sub, ast.BitAnd)):
            yield self._replaced("operand dropped", node, f"({self._text(node.left)})")

    def _constant(self, node: ast.Constant) -> Iterator[Mutant]:
        if isinstance(node.value, bool):
            yield self._replaced("constant", node, str(not node.value))
        elif isinstance(node.value, int):
            yield self._replaced("constant", node, str(node.value + 1))
        elif isinstance(node.value, float):
            yield self._replaced("constant", node, repr(node.value * 2 or 1.0))

    def _call(self, node: ast.Call) -> Iterator[Mutant]:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        if isinstance(node.func, ast.Name) and name in OTHER_NAME:
            yield self._replaced("function", node.func, OTHER_NAME[name])
        arguments = sorted([*node.args, *node.keywords], key=self._start)
        for i, argument in enumerate(arguments):
            optional = isinstance(argument, ast.keyword) and argument.arg
            part = name in VARIADIC and len(node.args) > 1 and isinstance(argument, ast.expr)
            if part or (optional and len(arguments) > 1):
                yield self._without("argument dropped", list(arguments), i)
            elif optional:
                yield self._replaced("argument dropped", argument, "")

    def _ifexp(self, node: ast.IfExp) -> Iterator[Mutant]:
        for branch in (node.body, node.orelse):
            yield self._replaced("branch", node, f"({self._text(branch)})")

    def _if(self, node: ast.If) -> Iterator[Mutant]:
        for value in ("True", "False"):
            yield self._replaced("branch", node.test, value)

    def _comprehension(self, node: ast.comprehension) -> Iterator[Mutant]:
        for test in node.ifs:
            yield self._replaced("condition dropped", test, "True")

    def _slice(self, node: ast.Slice) -> Iterator[Mutant]:
        for bound in (node.lower, node.upper, node.step):
            if bound is not None:
                yield self._replaced("bound dropped", bound, "")

    def _expr(self, node: ast.Expr) -> Iterator[Mutant]:
        if isinstance(node.value, ast.Call):
            yield self._replaced("statement dropped", node, "pass")

    def _augassign(self, node: ast.AugAssign) -> Iterator[Mutant]:
        yield self._replaced("statement dropped", node, "pass")

    def _assign(self, node: ast.Assign) -> Iterator[Mutant]:
        if all(isinstance(target, ast.Subscript) for target in node.targets):
            yield self._replaced("statement dropped", node, "pass")

    def _continue(self, node: ast.Continue) -> Iterator[Mutant]:
        yield self._replaced("branch", node, "break")

    def _break(self, node: ast.Break) -> Iterator[Mutant]:
        yield self._replaced("branch", node, "continue")

    def _elements(self, node: ast.List | ast.Set | ast.Tuple) -> Iterator[Mutant]:
        literal = isinstance(node, ast.Set) or all(isinstance(element, ast.Constant) for element in node.elts)
        if len(node.elts) > 1 and literal:
            for i in range(len(node.elts)):
                yield self._without("element dropped", list(node.elts), i)

    _list = _set = _tuple = _elements

    def _dict(self, node: ast.Dict) -> Iterator[Mutant]:
        if len(node.keys) < 2 or None in node.keys:
            return
        for i in range(len(node.keys)):
            nodes = [key for key in node.keys if key is not None]
            if i + 1 < len(nodes):
                yield self._mutant("element dropped", self._start(nodes[i]), self._start(nodes[i + 1]), "")
            else:
                end = self._range(node.values[i])[1]
                yield self._mutant("element dropped", self._range(node.values[i - 1])[1], end, "")


def _is_text(node: ast.AST) -> bool:
    """Tell whether a node is a string, alone (a docstring) or in an expression."""
    value = node.value if isinstance(node, ast.Expr) else node
    return isinstance(value, ast.JoinedStr) or (isinstance(value, ast.Constant) and isinstance(value.value, str))
