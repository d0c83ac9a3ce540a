"""Finds where a header computes a derivative or passes it on, and puts a switch there.

The rules go by how the code is written:
- a static function partial, partial_a, ... of a struct computes a slope;
- a function or lambda that speaks of adjoints (y_bar, adjoint(x), grad, ...) handles shares of them,
  unless it records: then its lambdas are looked at one by one.
"""
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KINDS = {"slope": ("negated", "times 1.01", "zero"), "exchange": ("operands exchanged",),
         "share": ("negated", "times 1.01", "zero"), "call": ("left out",),
         "operation": ("negated", "times 1.01", "left out")}
CONTROL = {"if", "for", "while", "switch", "catch"}
RECORDS = re.compile(r"\b(record(_\w+)?|set_backward)\b\s*(<[^;(]*>)?\(")
ADJOINTS = re.compile(r"\badjoint(_|s)?\b|_bar\b|\bgrad(ient)?\b|gradient_target|\bpartials?\b|"
                      r"\btangent\b|\bassigns\b|\btarget\(\)")
# Code that does not say so, by file and name of the function: it passes shares on, decides whose
# gradients are kept, or is a formula of an optimizer.
WATCHED = re.compile(r"(ops|nn)/.*:(add(_columns)?|contribute)|.*:push\w*|core/tape.hpp:.*|optim/.*|"
                     r"core/expression.hpp:merge_\w+|"
                     r"core/(parameter|recording|tensor|statements).hpp:"
                     r"(needs_grad|gradient_target|is_\w+|has_\w+|begin_\w+|touch|clear\w*|"
                     r"untouched|rewind|sweep_\w+|run_sweep|paused)")


def blank_comments(text):
    """The text with comments and string literals blanked, every character in its place."""
    return re.sub(r'//[^\n]*|/\*.*?\*/|"(\\.|[^"\\\n])*"',
                  lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def match(text, at, step=1):
    """The position of the bracket that closes the one at this position; step -1: that opens it."""
    depth, i = 0, at
    while True:
        depth += (text[i] in "([{") - (text[i] in ")]}")
        if depth == 0:
            return i
        i += step


class Block:
    """The body of a function or lambda, text[begin:end] with its braces."""

    def __init__(self, text, begin):
        self.begin, self.end = begin, match(text, begin) + 1
        head = re.search(r"\)(\s|const|mutable|noexcept|__attribute__\(\(\w+\)\)|->\s*[\w:<>]+)*$",
                         text[max(0, begin - 200):begin])
        self.name = None
        if head is None:
            return
        close = max(0, begin - 200) + head.start()
        self.parameters = (match(text, close, -1) + 1, close)
        before = text[:self.parameters[0] - 1].rstrip()
        name = re.search(r"(operator[^\w\s]+|\w+)$", before)
        if name is None:
            self.name = "lambda" if before[-1:] in "]>" else None
        elif name.group() not in CONTROL and not before.endswith(("if constexpr", "__attribute__")):
            self.name = name.group()


class Header:
    """A header on the way to its mutants: places are inserted into the text from the back."""

    def __init__(self, path):
        self.name = str(path.relative_to(ROOT / "include/gradtape"))
        self.text = path.read_text()
        self.bare = blank_comments(self.text)
        self.edits, self.places = [], []
        blocks = [Block(self.bare, m.start()) for m in re.finditer(r"\{", self.bare)]
        self.blocks = [b for b in blocks if b.name]
        self.find_partials()
        self.find_shares()

    def place(self, what, begin, end):
        text = " ".join(self.text[begin:end].split())
        line = self.text.count("\n", 0, begin) + 1
        self.places.append((what, self.name, line, text))
        return f"MUTANT{len(self.places) - 1}"

    def wrap(self, what, begin, end, function):
        """text[begin:end], an expression, as an argument of function(number, ...)."""
        self.insert(begin, f"{function}({self.place(what, begin, end)}, ")
        self.insert(end, ")")

    def insert(self, at, text, end=None):
        """In place of text[at:end], if there is an end."""
        self.edits.append((at, at if end is None else end, text))

    # Partials of element-wise operations, and what they select from.

    def find_partials(self):
        partials = [b for b in self.blocks if re.fullmatch(r"partial(_[abc])?", b.name)
                    and re.search(r"static\s+\w+\s+$", self.bare[:self.parameters_start(b)])]
        helpers = {b.name: b for b in self.blocks if not b.name.startswith("partial")
                   and b.name != "value"}
        for block in partials:
            self.change_partial(block)
        wanted, done = list(partials), set()
        while wanted:  # what is called from partials as well
            block = wanted.pop()
            if block.begin in done:
                continue
            done.add(block.begin)
            body = self.bare[block.begin:block.end]
            wanted += [helpers[n] for n in re.findall(r"\b(\w+)(?:<X>)?\(", body) if n in helpers]
            for m in re.finditer(r"\bselect\(", body):
                self.change_select(block.begin + m.end() - 1)

    def parameters_start(self, block):
        return block.parameters[0] - 1 - len(block.name)

    def change_partial(self, block):
        begin, end = block.parameters
        result = re.search(r"(\w+)\s+$", self.bare[:self.parameters_start(block)])
        for m in re.finditer(r"\breturn\b\s*([^;]*);", self.bare[block.begin:block.end]):
            at, stop = block.begin + m.start(1), block.begin + m.end(1)
            if result.group(1) == "X":
                self.wrap("slope", at, stop, "::gradtape::mutation::slope<X>")
                continue
            number = self.place("slope", result.start(1), stop)  # One or MinusOne
            self.insert(at, f"::gradtape::mutation::slope<X>({number}, "
                            f"X(::gradtape::detail::Literal<X>(1)) * {result.group(1)}())", stop)
        self.insert(result.start(1), "X", result.end(1))
        names = [re.search(r"&\s*(\w*)$", p.strip()).group(1)
                 for p in self.bare[begin:end].split(",")]
        count = len(names) if len(names) == 2 else len(names) - 1  # y is exchanged for x alone
        if not any(names[:count]):
            return
        number = self.place("exchange", self.parameters_start(block), end)
        self.insert(begin, ", ".join(f"const X&  p{i}" for i in range(len(names))), end)
        picks = "".join(
            f"\n    const X& {n} = ::gradtape::mutation::exchanged({number}, p{i}, "
            f"p{(i + 1) % count if i < count else i});" for i, n in enumerate(names) if n)
        used = ", ".join(f"&p{i}" for i in range(len(names)))
        self.insert(block.begin + 1, f"[[maybe_unused]] const auto used = [{used}] {{}};{picks}")

    def change_select(self, at):
        close, start, parts = match(self.bare, at), at + 1, []
        for i in range(at + 1, close + 1):
            if i == close or (self.bare[i] == "," and self.is_between(at + 1, i)):
                parts.append((start, i))
                start = i + 1
        for begin, end in parts[1:]:
            begin += len(self.bare[begin:end]) - len(self.bare[begin:end].lstrip())
            if not re.fullmatch(r"zero|X\(Literal<X>\(0\)\)", self.bare[begin:end]):
                self.wrap("slope", begin, end, "::gradtape::mutation::slope<X>")

    def is_between(self, begin, at):
        part = self.bare[begin:at]
        return all(part.count(a) == part.count(b) for a, b in ("()", "[]", "{}", "<>"))

    # Assignments and calls in functions and lambdas that handle adjoints.

    def find_shares(self):
        end, regions = 0, []
        for block in self.blocks:
            whole = self.bare[block.parameters[0]:block.end]
            if block.begin < end or RECORDS.search(whole) or block.name.startswith("partial"):
                continue
            if ADJOINTS.search(whole) or WATCHED.fullmatch(f"{self.name}:{block.name}"):
                end = block.end
                regions.append(block)
                self.find_assignments(block)
                self.find_calls(block)
        formulas = self.name.startswith("optim/")
        lambdas = [b for b in self.blocks if b.name == "lambda" and not formulas
                   and any(r.begin <= b.begin < r.end for r in regions)]
        returns = {(b.begin + m.start(1), b.begin + m.end(1)) for b in lambdas for m in re.finditer(
            r"\breturn\b\s*([^;{}]+);", self.bare[b.begin:b.end])}
        for block in regions:
            declared = self.bare[:self.parameters_start(block)].rsplit("\n", 1)[-1]
            if re.match(r"(?!.*constexpr).*\b(bool|double|T|X)\s+$", declared):
                returns |= {(block.begin + m.start(1), block.begin + m.end(1)) for m in re.finditer(
                    r"\breturn\b\s*([^;{}]+);", self.bare[block.begin:block.end])}
        if formulas:  # numbers made of options, in lists of initialisers
            returns |= {(m.start(1), match(self.bare, m.end(1) - 1) + 1) for m in re.finditer(
                r"\w\((static_cast<T>\()", self.bare)}
        for begin, end in sorted(returns):
            self.wrap("share", begin, end, "::gradtape::mutation::share")

    def statement_before(self, at):
        """What stands in its statement before this position, without heads of if and for."""
        begin = at
        while self.bare[begin - 1] not in ";{}([":
            begin = match(self.bare, begin - 1, -1) if self.bare[begin - 1] in ")]" else begin - 1
            if self.bare[begin] == "(" and self.bare[begin - 1] == " " and re.search(
                    r"\b(if|constexpr|for|while)\s+$", self.bare[:begin]):
                return self.bare[match(self.bare, begin) + 1:at]
        return self.bare[begin:at]

    def find_assignments(self, block):
        operator = re.compile(r"(?<![=!<>*/%&|^+\-])[+\-/]?=(?![=])")
        for m in operator.finditer(self.bare, block.begin, block.end):
            left = re.sub(r"^\s*else\b", "", self.statement_before(m.start())).strip()
            outer = re.sub(r"\([^()]*(\([^()]*\)[^()]*)*\)", "()", left)
            if re.search(r"^\.|^$|\[\s*&?$|operator$|,|\bauto\b|[\w>&*]\s+[*&]?\w+$", outer):
                continue  # a declaration, or captured by a lambda
            stop = m.end()
            while self.bare[stop] not in ";),":
                stop = match(self.bare, stop) + 1 if self.bare[stop] in "([{" else stop + 1
            begin = m.end() + re.match(r"\s*", self.bare[m.end():stop]).end()
            if self.bare[stop] == ")" and re.search(
                    r"\bfor\s*$", self.bare[:match(self.bare, stop, -1)]):
                continue  # the step of a loop
            if not re.search(r"\{|^(nullptr|true|false|\d+)$", self.bare[begin:stop]):
                self.wrap("share", begin, stop, "::gradtape::mutation::share")

    def find_calls(self, block):
        for m in re.finditer(r"(?<=[;{}])\s+((?:\+\+|--)[^;()]+);", self.bare[block.begin:block.end]):
            self.make_optional(block.begin + m.start(1), block.begin + m.end(1))
        name = re.compile(r"(?:(?<=[;{})])|(?<=\belse))\s+"
                          r"([\w:.\[\]]*(?:->)?(?:template )?\w+(?:<[^;(){}]*>)?)\(")
        for m in name.finditer(self.bare, block.begin, block.end):
            begin, close = m.start(1), match(self.bare, m.end() - 1)
            if self.bare[close + 1] != ";" or re.match(
                    r"(if|for|while|switch|return|static_assert|load|std::snprintf|([\w:]*::)?(fail|check_\w+))\b", m.group(1)):
                continue
            self.make_optional(begin, close + 1)

    def make_optional(self, begin, end):
        number = self.place("call", begin, end)
        self.insert(begin, f"(::gradtape::mutation::calls({number}) ? void(")
        self.insert(end, ") : void())")

    def mutated(self, first):
        """The text with its mutants numbered from there on."""
        text = self.text
        order = sorted(range(len(self.edits)), key=lambda i: (self.edits[i][0], i), reverse=True)
        for begin, end, new in (self.edits[i] for i in order):
            text = text[:begin] + new + text[end:]
        numbers = [first]
        for what, *_ in self.places:
            numbers.append(numbers[-1] + len(KINDS[what]))
        return re.sub(r"\bMUTANT(\d+)\b", lambda m: str(numbers[int(m.group(1))]), text)
