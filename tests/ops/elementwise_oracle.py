"""Reference values and partial derivatives of every element-wise operation.

    /usr/bin/python3 tests/ops/elementwise_oracle.py > tests/ops/elementwise_oracle.inc
    /usr/bin/python3 tests/ops/elementwise_oracle.py second > tests/ops/elementwise_second.inc

Writes rows of C++ data to stdout, the number of rows and checks to stderr; about a minute. The
second table has ordinary points alone, with 25 digits and the second derivatives too. Needs
mpmath >= 1.2, nothing else; the output is the same on every run. The C++ formulas are not used: a
value is mpmath's function or exact rational arithmetic, a derivative is the closed form of a
calculus book, worked at 80 digits and more and rounded once.

How an entry is decided, in this order:

 1. The table "Values and derivatives at kinks, poles and extremes" of the conventions. Such a
    row's comment names the table's row as [table: ...].
 2. NaN in, NaN out (the table's last row). A partial derivative is NaN when its formula contains
    the NaN argument; when it does not (-1 of neg, 1 of add, b of a*b, 0 of floor), demanding NaN
    would only cost, so it is `any`. Where C names a number as the result for a NaN argument
    (pow(1, nan), pow(nan, 0), hypot(inf, nan), copysign(1, nan)) the table and C disagree, and
    the row is `any`.
 3. An argument that is +-inf: the limit, the finite arguments being fixed. No limit of the value:
    NaN, and for the derivative too unless its own formula has a limit. A limit of the value but
    none of the derivative: `any` for the derivative.
 4. Poles and ends of a domain: the limit from inside the domain, [limit]; where two sides
    disagree, C's choice for the value and `any` where C has none or for the derivative.
 5. Outside the domain the value is NaN and the derivative, which nothing determines, is `any`.
 6. Everywhere else: the closed form at the exact double, rounded to nearest even; too large
    becomes inf, too small a denormal or zero.

The sign of a zero: in a value that of C's Annex F for the functions C has, and of the exact result
where it underflows; in a derivative, and in values C does not order (max(0, -0), relu(-0),
sign(-0), a limit at -inf), it means nothing, and a test compares zeros as equal.

Every derivative obtained by 6 is then checked against mpmath.diff of the textbook form of the
function, to 40 digits; only jumps (floor at an integer) are left out.
"""

import math
import sys
from fractions import Fraction

import mpmath
from mpmath import mp, mpf

INF, NAN = math.inf, math.nan
MAX = sys.float_info.max  # 1.7976931348623157e308
TINY = 5e-324  # the smallest denormal
PI_DOUBLE = math.pi


class _Any:
    """Deliberately undefined: neither a convention nor mathematics fixes this entry."""


ANY = _Any()


# ------------------------------------------------------------------------------------------ numbers


def exact(x):
    """The rational number that an int, a Fraction, an mpf or a finite float is."""
    if isinstance(x, mpf):
        sign, mantissa, exponent, _ = x._mpf_
        mantissa = -int(mantissa) if sign else int(mantissa)
        return Fraction(mantissa) * Fraction(2) ** exponent
    return Fraction(x)


def to_double(x):
    """Nearest double, ties to even, overflow to inf, underflow to a denormal or a signed zero."""
    if x is ANY or isinstance(x, float):
        return x
    if isinstance(x, mpf):
        if mpmath.isnan(x) or mpmath.isinf(x):
            raise ValueError("closed form left the real numbers: a special case is missing")
        sign, mantissa, exponent, bits = x._mpf_
        # A number like exp(1e308) has an exponent that must not be expanded.
        if mantissa and exponent + bits > 1100:
            return -INF if sign else INF
        if mantissa and exponent + bits < -1100:
            return -0.0 if sign else 0.0
    x = exact(x)
    try:
        result = x.numerator / x.denominator  # correctly rounded, denormals included
    except OverflowError:
        return INF if x > 0 else -INF
    return math.copysign(result, -1.0) if x < 0 else result


def below(x):
    return math.nextafter(x, -INF)


def above(x):
    return math.nextafter(x, INF)


def magnitude10(x):
    return abs(math.frexp(x)[1]) * 0.30103 if x and math.isfinite(x) else 0.0


def smallness10(x):
    """How many decimals after the point are zero; never more than double can tell."""
    if x == 0:
        return 0
    with mp.workdps(30):
        return min(700, max(0, int(-mpmath.log10(abs(to_mpf(x))))))


def digits(args):
    """Working digits: 80, and as many more as huge and tiny arguments can cancel."""
    return 80 + int(2.2 * max(magnitude10(x) for x in args))


def close(x, y, digits_wanted):
    """Same to that many digits; numbers that both underflow to nothing are the same."""
    x, y = mpf(x), mpf(y)
    size = max(abs(x), abs(y))
    if size < mpmath.ldexp(1, -1100):
        return True
    return abs(x - y) <= size * mpf(10) ** (-digits_wanted)


# --------------------------------------------------------------------------------------- operations


class Operation:
    """One operation.

    value, partials   closed forms over mpf, or over Fraction if rational
    special           args -> None, or (value, partials[, note]): kinks, poles, infinities, ends of
                      the domain
    depends           for each partial derivative the arguments that its formula contains
    textbook          the value once more as a book writes it, cancellation and all; for the check
    kink              args -> where the closed form holds by convention, but a difference quotient
                      does not
    zero              args -> the sign of a value that is exactly zero
    """

    def __init__(self, name, arity, points, value, partials, special=None, depends=None,
                 rational=False, textbook=None, kink=None, zero=None, note=None):
        self.name, self.arity, self.points = name, arity, points
        self.value, self.partials = value, partials
        self.special = special or (lambda *args: None)
        self.depends = depends or [set(range(arity))] * arity
        self.rational = rational
        self.textbook = textbook or value
        self.kink = kink or (lambda *args: False)
        self.zero = zero or (lambda *args: 0.0)
        self.note = note or (lambda *args: "")

    def row(self, args):
        """(value, partials, note, by closed form?), not yet rounded."""
        special = self.special(*args)
        if special is not None:
            value, partials = special[:2]
            return value, list(partials), special[2] if len(special) > 2 else "", False
        unknown = {i for i, x in enumerate(args) if math.isnan(x)}
        if unknown:
            partials = [NAN if unknown & needs else ANY for needs in self.depends]
            note = "[table: NaN in]"
            if ANY in partials:
                note += "; any: the formula has no NaN in it"
            return NAN, partials, note, False
        if any(math.isinf(x) for x in args):
            raise ValueError(f"{self.name}{args}: no special case for an infinity")
        value, partials = self.closed_form(args)
        if value == 0:
            value = self.zero(*args)
        return value, partials, self.note(*args), True

    def closed_form(self, args):
        if self.rational:
            args = [Fraction(x) for x in args]
            return self.value(*args), list(self.partials(*args))
        results = []
        for factor in (1, 2):
            with mp.workdps(factor * digits(args)):
                exact_args = [mpf(x) for x in args]
                results.append([self.value(*exact_args), *self.partials(*exact_args)])
        for once, twice in zip(*results):
            if once is not NAN and not close(once, twice, 50):
                raise ValueError(f"{self.name}{args}: fewer than 50 digits are certain")
        return results[1][0], results[1][1:]

    def check(self, args, value, partials):
        """Against the textbook form and its difference quotient; the number of comparisons."""
        if self.kink(*args):
            return 0
        count = 0
        for i, partial in enumerate(partials):
            rounded = to_double(partial)
            if not math.isfinite(rounded):
                continue
            # A derivative of 1e-300 beside a value of 1, or a value of 1e-300 that the textbook
            # form gets as a difference, needs 300 digits more.
            small = max(smallness10(partial), smallness10(value))
            with mp.workdps(60 + digits(args) - 80 + small):
                def along(t):
                    moved = [mpf(x) for x in args]
                    moved[i] = t
                    return to_mpf(self.textbook(*moved))

                quotient = mpmath.diff(along, mpf(args[i]), relative=args[i] != 0)
                if not close(quotient, to_mpf(partial), 40):
                    here, there = (mpmath.nstr(to_mpf(d), 20) for d in (partial, quotient))
                    raise ValueError(f"{self.name}{args}: derivative {i} is {here}, "
                                     f"the difference quotient says {there}")
                if not close(along(mpf(args[i])), to_mpf(value), 40):
                    raise ValueError(f"{self.name}{args}: the value differs from its textbook form")
            count += 1
        return count


def to_mpf(x):
    """An mpf at the present precision."""
    if isinstance(x, Fraction):
        return mpf(x.numerator) / x.denominator
    return +mpf(x)


operations = []


def operation(*args, **options):
    operations.append(Operation(*args, **options))


# ------------------------------------------------------------------------------------ unary: points

POSITIVE = [TINY, 1e-310, 1e-300, 1e-20, 1e-8, 0.1, 0.5, 1.0, 2.0, 3.0, 10.0, 1e3, 1e10, 1e300,
            1e308]
ENDS = [0.0, -0.0, INF, -INF, NAN]


def everywhere(*more):
    return [*POSITIVE, *(-x for x in POSITIVE), *more, *ENDS]


def positive(*more):
    """For functions of x >= 0, with a few points outside the domain."""
    return [*POSITIVE, *more, -TINY, -1.0, -1e300, *ENDS]


def unit_interval(*more):
    """For functions of -1 <= x <= 1."""
    points = [TINY, 1e-310, 1e-300, 1e-20, 1e-8, 0.1, 0.5, 0.75, 0.999, below(1.0), 1.0]
    return [*points, *(-x for x in points), *more, above(1.0), -above(1.0), 2.0, -1e300, *ENDS]


def both(*xs):
    return [s * x for x in xs for s in (1.0, -1.0)]


def around(*xs):
    return [y for x in xs for y in (below(x), x, above(x))]


def odd(x):
    return math.copysign(0.0, x)


def at(cases, otherwise=None):
    """Special cases of one argument as a dictionary, where the key "-0" stands for -0.0."""
    def special(x):
        key = "-0" if x == 0 and math.copysign(1, x) < 0 else x
        if key in cases:
            return cases[key]
        return otherwise(x) if otherwise and not math.isnan(x) else None
    return special


OUTSIDE = (NAN, [ANY], "outside the domain")
NO_LIMIT = (NAN, [NAN], "no limit")


def outside(condition):
    return lambda x: OUTSIDE if condition(x) else None


def limits(low, low_partial, high, high_partial):
    """At -inf and at +inf: value and derivative."""
    return {-INF: (low, [low_partial]), INF: (high, [high_partial])}


# ----------------------------------------------------------------------------------- unary: algebra

half = Fraction(1, 2)

operation("neg", 1, everywhere(MAX), lambda x: -x, lambda x: [-1],
          at(limits(INF, -1.0, -INF, -1.0)),
          depends=[set()], rational=True, zero=lambda x: -x)

operation("sqrt", 1, positive(0.25, 1e-200, 1e200, MAX, below(1.0), above(1.0), 2.0 ** -1022, 0.3),
          mpmath.sqrt, lambda x: [1 / (2 * mpmath.sqrt(x))],
          at({0.0: (0.0, [INF], "[table: sqrt at 0]"), "-0": (-0.0, [INF], "[table: sqrt at 0]"),
              INF: (INF, [0.0])}, outside(lambda x: x < 0)))


def cbrt(x):
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


operation("cbrt", 1, everywhere(*both(8.0, 27.0, 0.001, above(1.0), MAX)), cbrt,
          lambda x: [1 / (3 * cbrt(x) ** 2)],
          at({0.0: (0.0, [INF], "[limit]"), "-0": (-0.0, [INF], "[limit]"),
              **limits(-INF, 0.0, INF, 0.0)}))

operation("square", 1, everywhere(*both(1e154, 1e155, 1e-162, 1e-154, above(1.0))), lambda x: x * x,
          lambda x: [2 * x], at(limits(INF, -INF, INF, INF)), rational=True)

operation("reciprocal", 1, everywhere(*both(MAX, 2.0 ** -1022, 1e-154, 1e154, 7.0)),
          lambda x: 1 / x,
          lambda x: [-1 / (x * x)],
          at({0.0: (INF, [-INF], "value: C; derivative [limit]"),
              "-0": (-INF, [-INF], "value: C; derivative [limit]"),
              **limits(-0.0, -0.0, 0.0, -0.0)}),
          rational=True)

# ------------------------------------------------------------------------------ unary: exponentials

EXP_EDGE = [709.0, 709.78271289338397, above(709.78271289338397), -708.5, -745.0,
            -745.13321910194111, -746.0]

operation("exp", 1, everywhere(*EXP_EDGE, above(0.5), -40.0, 0.6931471805599453), mpmath.exp,
          lambda x: [mpmath.exp(x)], at(limits(0.0, 0.0, INF, INF)))

operation("exp2", 1, everywhere(1023.0, below(1024.0), 1024.0, -1022.5, -1074.0, -1075.0, -1074.5,
                                0.3),
          lambda x: mpmath.power(2, x), lambda x: [mpmath.ln2 * mpmath.power(2, x)],
          at(limits(0.0, 0.0, INF, INF)))

operation("expm1", 1, everywhere(*EXP_EDGE, *both(1e-16, 1e-5, 0.3), -37.0, -40.0, 40.0),
          mpmath.expm1,
          lambda x: [mpmath.exp(x)], at(limits(-1.0, 0.0, INF, INF)), zero=odd,
          textbook=lambda x: mpmath.exp(x) - 1)

LOG_EXTRA = [below(1.0), above(1.0), 0.9999, 1.0001, math.e, MAX, 2.0 ** -1022, 0.25]
for name, base in (("log", mpmath.e), ("log2", mpf(2)), ("log10", mpf(10))):
    operation(name, 1, positive(*LOG_EXTRA, 8.0, 1000.0, 1024.0),
              lambda x, b=base: mpmath.log(x) / mpmath.log(b),
              lambda x, b=base: [1 / (x * mpmath.log(b))],
              at({0.0: (-INF, [INF], "[limit]"),
                  "-0": (-INF, [ANY], "derivative: 1/x with the sign of the zero"),
                  INF: (INF, [0.0])}, outside(lambda x: x < 0)))

operation("log1p", 1, [*POSITIVE, *(-x for x in POSITIVE if x < 1), above(-1.0), -0.999,
                       below(-1.0), -1.0, -2.0, *both(1e-16, 1e-5, 2.2e-16), MAX, *ENDS],
          mpmath.log1p, lambda x: [1 / (1 + x)],
          at({-1.0: (-INF, [INF], "[limit]"), INF: (INF, [0.0])}, outside(lambda x: x < -1)),
          zero=odd,
          textbook=lambda x: mpmath.log(1 + x))

# ---------------------------------------------------------------------------------- unary: circular

CIRCULAR = both(0.7853981633974483, 1.5707963267948966, PI_DOUBLE, 1e5, 1e22)
PERIODIC = at({INF: NO_LIMIT, -INF: NO_LIMIT})

operation("sin", 1, everywhere(*CIRCULAR), mpmath.sin, lambda x: [mpmath.cos(x)], PERIODIC,
          zero=odd)
operation("cos", 1, everywhere(*CIRCULAR), mpmath.cos, lambda x: [-mpmath.sin(x)], PERIODIC)
operation("tan", 1, everywhere(*CIRCULAR, *both(4.71238898038469, above(1.5707963267948966))),
          mpmath.tan,
          lambda x: [1 / mpmath.cos(x) ** 2], PERIODIC, zero=odd)


def pi_times(k):
    """A multiple of pi, rounded once."""
    with mp.workdps(80):
        return to_double(mpmath.pi * k)


HALF_PI = pi_times(0.5)

operation("asin", 1, unit_interval(), mpmath.asin, lambda x: [1 / mpmath.sqrt(1 - x * x)],
          at({1.0: (HALF_PI, [INF], "[limit]"), -1.0: (-HALF_PI, [INF], "[limit]")},
             outside(lambda x: abs(x) > 1)),
          zero=odd)
operation("acos", 1, unit_interval(), mpmath.acos, lambda x: [-1 / mpmath.sqrt(1 - x * x)],
          at({1.0: (0.0, [-INF], "[limit]"), -1.0: (pi_times(1), [-INF], "[limit]")},
             outside(lambda x: abs(x) > 1)))
operation("atan", 1, everywhere(*both(1e155, 1e16, above(1.0), MAX)), mpmath.atan,
          lambda x: [1 / (1 + x * x)],
          at(limits(-HALF_PI, 0.0, HALF_PI, 0.0)), zero=odd)

# -------------------------------------------------------------------------------- unary: hyperbolic

HYPERBOLIC = both(20.0, 40.0, 709.5, 710.4, 711.0, 1e-5, 0.3)

operation("sinh", 1, everywhere(*HYPERBOLIC), mpmath.sinh, lambda x: [mpmath.cosh(x)],
          at(limits(-INF, INF, INF, INF)), zero=odd)
operation("cosh", 1, everywhere(*HYPERBOLIC), mpmath.cosh, lambda x: [mpmath.sinh(x)],
          at(limits(INF, -INF, INF, INF)))


def sech2(x):
    return 1 / mpmath.cosh(x) ** 2


operation("tanh", 1, everywhere(*both(1e-5, 0.3, 18.0, 19.1, 22.0, 40.0, 355.0, 372.0, 400.0)),
          mpmath.tanh,
          lambda x: [sech2(x)], at(limits(-1.0, 0.0, 1.0, 0.0)), zero=odd)
operation("asinh", 1, everywhere(*both(1e-5, 0.3, 1e155, MAX)), mpmath.asinh,
          lambda x: [1 / mpmath.sqrt(x * x + 1)], at(limits(-INF, 0.0, INF, 0.0)), zero=odd)
operation("acosh", 1, [above(1.0), 1.0000000001, 1.0001, 1.25, 1.5, 2.0, 3.0, 5.0, 10.0, 100.0, 1e5,
                       1e8, 1e10, 1e16, 1e155, 1e300, 1e308, MAX, 1.0, below(1.0), 0.5, -1.0, -5.0,
                       *ENDS],
          mpmath.acosh, lambda x: [1 / mpmath.sqrt(x * x - 1)],
          at({1.0: (0.0, [INF], "[limit]"), INF: (INF, [0.0])}, outside(lambda x: x < 1)))
operation("atanh", 1, unit_interval(*both(1e-5, 0.99999)), mpmath.atanh,
          lambda x: [1 / (1 - x * x)],
          at({1.0: (INF, [INF], "[limit]"), -1.0: (-INF, [INF], "[limit]")},
             outside(lambda x: abs(x) > 1)), zero=odd)

# ------------------------------------------------------------------------- unary: special functions


def gauss(x):
    """exp(-x^2), erf's derivative without its factor."""
    return mpmath.exp(-x * x)


def erfc(x):
    """mpmath's erfc, which cannot take 1e300; the leading term is exact to 200 digits there."""
    return mpmath.erfc(x) if x < mpf(10) ** 100 else gauss(x) / (x * mpmath.sqrt(mpmath.pi))


ERF_EXTRA = both(1e-5, 0.3, 0.84375, 1.25, 4.0, 5.9, 6.0, 15.0, 20.0, 26.0, 26.6, 27.2, 27.3, 28.0)

operation("erf", 1, everywhere(*ERF_EXTRA), mpmath.erf,
          lambda x: [2 / mpmath.sqrt(mpmath.pi) * gauss(x)],
          at(limits(-1.0, 0.0, 1.0, 0.0)), zero=odd)
operation("erfc", 1, everywhere(*ERF_EXTRA), erfc,
          lambda x: [-2 / mpmath.sqrt(mpmath.pi) * gauss(x)],
          at(limits(2.0, -0.0, 0.0, -0.0)), textbook=lambda x: 1 - mpmath.erf(x))

GAMMA_EXTRA = [1e-10, -1e-10, 1.5, 2.5, 4.0, 7.5, 30.5, 171.5, -0.5, -0.75, -1.5, -2.5, -3.3, -10.5,
               -100.5, -10000000000.5, *around(1.4616321449683622), below(1.0), above(1.0),
               below(2.0), above(2.0), below(-1.0), above(-1.0), below(-2.0), above(-2.0), -3.0,
               1e16, 1e305, 1e306]


def trigamma(x):
    """mpmath walks from a negative x to the positive side in steps of 1; reflection leaps."""
    if x > 0:
        return mpmath.psi(1, x)
    return (mpmath.pi / mpmath.sinpi(x)) ** 2 - mpmath.psi(1, 1 - x)


def gamma_pole(x):
    return x <= 0 and x == math.floor(x)


def near_zero_of(what, *zeros):
    """A note for the points where the result is small because two terms cancel."""
    def note(x):
        near = any(0 <= abs(x - z) < 1e-8 for z in zeros)
        return f"near a zero of the {what}: badly conditioned" if near else ""
    return note


operation("lgamma", 1, everywhere(*GAMMA_EXTRA, -2.4570247382208006, -2.7476826467274127),
          lambda x: mpmath.re(mpmath.loggamma(x)), lambda x: [mpmath.psi(0, x)],
          at({0.0: (INF, [-INF], "[limit]"),
              "-0": (INF, [ANY], "value: C; derivative: no two-sided limit"),
              -INF: (INF, [ANY], "value: C; derivative: no limit"), INF: (INF, [INF])},
             lambda x: (INF, [ANY], "pole; value: C") if gamma_pole(x) else None),
          textbook=lambda x: (mpmath.log(abs(mpmath.gamma(x))) if abs(x) < 1000
                              else mpmath.re(mpmath.loggamma(x))),
          note=near_zero_of("value", -2.4570247382208006, -2.7476826467274127))
operation("digamma", 1, everywhere(*GAMMA_EXTRA, -0.504083008264455, -1.5734984731623904),
          lambda x: mpmath.psi(0, x), lambda x: [trigamma(x)],
          at({0.0: (-INF, [INF], "[limit]"),
              "-0": (ANY, [INF], "value: no two-sided limit; derivative [limit]"),
              -INF: NO_LIMIT, INF: (INF, [0.0])},
             lambda x: (ANY, [ANY], "pole, not in the domain") if gamma_pole(x) else None),
          note=near_zero_of("value", 1.4616321449683622, -0.504083008264455, -1.5734984731623904))



def gamma(x):
    """mpmath's, and the same by reflection where it would walk in steps of 1."""
    return mpmath.gamma(x) if x > -1000 else mpmath.pi / (mpmath.sinpi(x) * mpmath.gamma(1 - x))


def tgamma_special(x):
    if math.isnan(x):
        return None
    if x == 0:
        return math.copysign(INF, x), [-INF], "value: C; derivative [limit]"
    if x > 1e12:
        return INF, [INF], "" if math.isinf(x) else "far beyond the largest double"
    if math.isinf(x):
        return NO_LIMIT
    if gamma_pole(x):
        return NAN, [ANY], "pole, not in the domain"
    return None


operation("tgamma", 1, everywhere(*GAMMA_EXTRA, 171.62437695630272, 171.7, 184.5, -184.5, -177.5,
                                  -150.3, -1000.5),
          gamma, lambda x: [gamma(x) * mpmath.psi(0, x)], tgamma_special,
          note=near_zero_of("derivative", 1.4616321449683622))

# ------------------------------------------------------------------------------------- unary: steps

STEPS = [*both(0.49999999999999994, above(0.5), 1.5, 2.5, 0.7, 1.2, below(1.0), above(1.0),
               4503599627370495.5, 4503599627370497.0, 9007199254740991.0)]


def floor(x):
    x = exact(x)
    return x.numerator // x.denominator


def ceil(x):
    return -floor(-exact(x))


def trunc(x):
    return floor(x) if x >= 0 else ceil(x)


def round_half_away(x):
    return floor(exact(x) + half) if x >= 0 else ceil(exact(x) - half)


def round_half_even(x):
    return round(exact(x))


for name, function, jumps in (("floor", floor, lambda x: x == math.floor(x)),
                              ("ceil", ceil, lambda x: x == math.floor(x)),
                              ("round", round_half_away, lambda x: (2 * Fraction(x)) % 2 == 1),
                              ("rint", round_half_even, lambda x: (2 * Fraction(x)) % 2 == 1),
                              ("trunc", trunc, lambda x: x != 0 and x == math.floor(x))):
    operation(name, 1, everywhere(*STEPS), function, lambda x: [0], at(limits(-INF, 0.0, INF, 0.0)),
              depends=[set()], rational=True, kink=jumps, zero=odd)

operation("sign", 1, everywhere(*both(0.7, 2.0 ** -1022, MAX)), lambda x: 1 if x > 0 else -1,
          lambda x: [0],
          at({0.0: (0.0, [0.0], "[table: abs, sign at 0]"),
              "-0": (0.0, [0.0], "[table: abs, sign at 0]"),
              **limits(-1.0, 0.0, 1.0, 0.0)}), depends=[set()], rational=True)
operation("abs", 1, everywhere(*both(0.7, 2.0 ** -1022, MAX)), abs, lambda x: [1 if x > 0 else -1],
          at({0.0: (0.0, [0.0], "[table: abs, sign at 0]"),
              "-0": (0.0, [0.0], "[table: abs, sign at 0]"),
              **limits(INF, -1.0, INF, 1.0)}), rational=True)

# ------------------------------------------------------------------------------- unary: activations


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


LOGISTIC = both(1e-5, 0.3, 5.0, 20.0, 36.0, 37.0, 40.0, 100.0, 700.0, 709.5, 720.0, 744.0, 746.0,
                1e4)

operation("sigmoid", 1, everywhere(*LOGISTIC), sigmoid, lambda x: [sigmoid(x) * sigmoid(-x)],
          at(limits(0.0, 0.0, 1.0, 0.0)))
operation("log_sigmoid", 1, everywhere(*LOGISTIC), lambda x: -mpmath.log1p(mpmath.exp(-x)),
          lambda x: [sigmoid(-x)],
          at(limits(-INF, 1.0, -0.0, 0.0)), textbook=lambda x: mpmath.log(sigmoid(x)))
operation("softplus", 1, everywhere(*LOGISTIC), lambda x: mpmath.log1p(mpmath.exp(x)),
          lambda x: [sigmoid(x)],
          at(limits(0.0, 0.0, INF, 1.0)), textbook=lambda x: mpmath.log(1 + mpmath.exp(x)))

RELU_AT_0 = (0.0, [1.0], "[table: relu]")
operation("relu", 1, everywhere(*both(0.3, 2.0 ** -1022, MAX)), lambda x: x if x > 0 else 0,
          lambda x: [1 if x > 0 else 0],
          at({0.0: RELU_AT_0, "-0": RELU_AT_0, **limits(0.0, 0.0, INF, 1.0)}), rational=True)

SLOPE = 0.01  # the double, not one hundredth
operation("leaky_relu", 1, everywhere(*both(0.3, 2.0 ** -1022, MAX)),
          lambda x: x if x > 0 else exact(SLOPE) * exact(x),
          lambda x: [1 if x > 0 else exact(SLOPE)],
          at({0.0: (0.0, [1.0], "derivative 1 as [table: relu]"),
              "-0": (-0.0, [1.0], "derivative 1 as [table: relu]"),
              **limits(-INF, SLOPE, INF, 1.0)}), rational=True)

# Smooth to the first order: exp(0) = 1 on both sides.
operation("elu", 1, everywhere(*EXP_EDGE, *both(1e-16, 1e-5, 0.3), -37.0, -40.0),
          lambda x: x if x > 0 else mpmath.expm1(x), lambda x: [mpmath.exp(min(x, 0))],
          at(limits(-1.0, 0.0, INF, 1.0)), zero=odd,
          textbook=lambda x: x if x > 0 else mpmath.exp(x) - 1, kink=lambda x: x == 0)


def normal_cdf(x):
    return erfc(-x / mpmath.sqrt(2)) / 2  # as (1 + erf)/2 it would lose the left tail


def normal_density(x):
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi)


GELU_EXTRA = [*both(1e-5, 0.3, 0.75, 5.0, 6.0, 8.0, 20.0, 37.0, 38.4, 38.6, 40.0, 100.0),
              -0.7517915246935645, -0.7524614220710162]

operation("gelu", 1, everywhere(*GELU_EXTRA), lambda x: x * normal_cdf(x),
          lambda x: [normal_cdf(x) + x * normal_density(x)], at(limits(0.0, 0.0, INF, 1.0)),
          zero=odd,
          textbook=lambda x: x / 2 * (1 + mpmath.erf(x / mpmath.sqrt(2))),
          note=near_zero_of("derivative", -0.7517915246935645))


def gelu_inner(x):
    return mpmath.sqrt(2 / mpmath.pi) * (x + mpf("0.044715") * x ** 3)


def gelu_inner_slope(x):
    return mpmath.sqrt(2 / mpmath.pi) * (1 + 3 * mpf("0.044715") * x ** 2)


def gelu_tanh_partials(x):
    u = 2 * gelu_inner(x)
    return [sigmoid(u) + x * 2 * gelu_inner_slope(x) * sigmoid(u) * sigmoid(-u)]


# (1 + tanh u)/2 = sigmoid(2u), which keeps the left tail.
operation("gelu_tanh", 1, everywhere(*GELU_EXTRA, -21.0, -21.5, -21.6),
          lambda x: x * sigmoid(2 * gelu_inner(x)),
          gelu_tanh_partials, at(limits(0.0, 0.0, INF, 1.0)), zero=odd,
          textbook=lambda x: x / 2 * (1 + mpmath.tanh(gelu_inner(x))),
          note=near_zero_of("derivative", -0.7524614220710162))

operation("silu", 1, everywhere(*LOGISTIC, -1.278464542761074, -750.0), lambda x: x * sigmoid(x),
          lambda x: [sigmoid(x) * (1 + x * sigmoid(-x))], at(limits(0.0, 0.0, INF, 1.0)), zero=odd,
          note=near_zero_of("derivative", -1.278464542761074))

operation("hardtanh", 1, everywhere(*both(0.3, below(1.0), above(1.0), MAX)),
          lambda x: max(-1, min(1, x)),
          lambda x: [1 if -1 < x < 1 else 0],
          at({1.0: (1.0, [1.0], "[table: clamp at its bounds]"),
              -1.0: (-1.0, [1.0], "[table: clamp at its bounds]"),
              **limits(-1.0, 0.0, 1.0, 0.0)}), rational=True, zero=odd)

# ------------------------------------------------------------------------------- binary: arithmetic

PAIRS = [(1.0, 2.0), (2.0, 1.0), (-1.5, 3.0), (3.0, -1.5), (-2.0, -7.0), (0.1, 0.2), (0.1, 0.3),
         (1e10, 1e-10), (1e300, 1e300), (-1e300, 1e300), (1e300, 1e-300), (1e-300, 1e300),
         (1e-300, 1e-300), (1e308, 1e308), (TINY, TINY), (1e-310, 3.0), (3.0, 1e-310), (TINY, 1.0),
         (1.0, TINY), (0.0, 1.0), (1.0, 0.0), (-0.0, 1.0), (1.0, -0.0), (0.0, 0.0), (0.0, -0.0),
         (-0.0, 0.0), (-0.0, -0.0), (1.0, above(1.0)), (above(1.0), 1.0), (1.0, -below(1.0)),
         (1.0, 1e-16), (MAX, 1.0), (INF, 1.0), (1.0, INF), (-INF, 1.0), (1.0, -INF), (INF, INF),
         (INF, -INF), (-INF, -INF), (NAN, 1.0), (1.0, NAN), (NAN, NAN), (NAN, INF), (0.0, NAN)]


def infinite(*args):
    return any(map(math.isinf, args)) and not any(map(math.isnan, args))


def add_special(a, b):
    if infinite(a, b):
        return a + b, [1.0, 1.0], "no limit of the value" if math.isnan(a + b) else ""
    return None


def negative(x):
    return math.copysign(1.0, x) < 0


operation("add", 2, PAIRS + [(1e16, 1.0), (1e308, 8e307), (0.3, -0.1), (-1.0, 1.0)],
          lambda a, b: a + b, lambda a, b: [1, 1], add_special, depends=[set(), set()],
          rational=True, zero=lambda a, b: a + b)


def sub_special(a, b):
    if infinite(a, b):
        return a - b, [1.0, -1.0], "no limit of the value" if math.isnan(a - b) else ""
    return None


operation("sub", 2, PAIRS + [(1e16, 1.0), (-1e308, 8e307), (0.3, 0.1), (1.0, 1.0)],
          lambda a, b: a - b, lambda a, b: [1, -1], sub_special, depends=[set(), set()],
          rational=True, zero=lambda a, b: a - b)


def mul_special(a, b):
    if infinite(a, b):
        return a * b, [b, a], "no limit of the value" if math.isnan(a * b) else ""
    return None


operation("mul", 2, PAIRS + [(0.0, INF), (-INF, 0.0), (1e200, -1e200), (1e-200, -1e-200),
                             (3.0, 0.7)],
          lambda a, b: a * b, lambda a, b: [b, a], mul_special, depends=[{1}, {0}], rational=True,
          zero=lambda a, b: a * b)


def div_special(a, b):
    if math.isnan(a) or math.isnan(b):
        return None
    if b == 0:
        one_over_b = math.copysign(INF, b)
        if a == 0:
            return NAN, [ANY, ANY], "outside the domain"
        value = math.copysign(INF, a) * math.copysign(1.0, b)
        note = "1/b with the sign of the zero; d/db [limit]"
        return value, [one_over_b, math.copysign(INF, -a)], note
    if math.isinf(a) and math.isinf(b):
        return NAN, [0.0, ANY], "no limit of the value, none of -a/b^2"
    if math.isinf(a):
        return a / b, [exact_quotient(1, b), -a], ""
    if math.isinf(b):
        return a / b, [1.0 / b, math.copysign(0.0, -a)], ""
    return None


def exact_quotient(a, b):
    return Fraction(a) / Fraction(b)


operation("div", 2, PAIRS + [(1.0, 3.0), (-1.0, 0.0), (-1.0, -0.0), (0.0, 5.0), (INF, 0.0),
                             (5.0, 1e-160), (1e200, -1e160), (1e-200, 1e-160), (0.0, INF),
                             (-3.0, -1e300), (INF, -2.0)],
          lambda a, b: a / b, lambda a, b: [1 / b, -a / (b * b)], div_special,
          depends=[{1}, {0, 1}], rational=True,
          zero=lambda a, b: math.copysign(0.0, a) * math.copysign(1.0, b))

# -------------------------------------------------------------------------------------- binary: pow


def is_integer(b):
    return math.isinf(b) or b == math.floor(b)


def c_pow(a, b):
    """C's result at zeros and infinities (Annex F), without Python's exceptions."""
    try:
        return math.pow(a, b)
    except (ValueError, ZeroDivisionError):
        return -INF if negative(a) and b % 2 == 1 else INF  # a is a zero and b < 0: the pole


def pow_special(a, b):
    if math.isnan(a) and b == 0 or a == 1 and math.isnan(b):
        return ANY, [ANY, ANY], "C says 1, [table: NaN in] says NaN"
    if math.isnan(a) or math.isnan(b):
        return None
    if a == 0:
        if b < 0:
            return c_pow(a, b), [ANY, ANY], "[table: pow d/da at a = 0, b < 0]"
        if b == 0:
            return 1.0, [0.0, ANY], "[table: pow d/da at a = 0, b = 0]; d/db: 0^b jumps here"
        partial = 0.0 if b > 1 else 1.0 if b == 1 else INF
        return c_pow(a, b), [partial, 0.0], "[table: pow d/da at a = 0; d/db at a = 0, b > 0]"
    if a < 0 and not is_integer(b):
        if math.isinf(a):
            return c_pow(a, b), [ANY, NAN], "value: C; d/db [table: pow d/db, a < 0]"
        return NAN, [ANY, NAN], "outside the domain; d/db [table: pow d/db, a < 0]"
    if math.isinf(a) and math.isinf(b) and a > 0:
        return (INF, [INF, INF]) if b > 0 else (0.0, [0.0, 0.0])
    if math.isinf(a) and math.isfinite(b):
        value = c_pow(a, b)
        # b a^(b-1): its size is decided by b - 1, its sign by b and by the parity of b - 1.
        size = INF if b > 1 else 1.0 if b == 1 else 0.0
        sign = math.copysign(1.0, b) * (-1.0 if a < 0 and b % 2 == 0 else 1.0)
        partial_a = sign * size if b != 0 else 0.0
        if a < 0:
            return value, [partial_a, NAN], "d/db [table: pow d/db, a < 0]"
        return value, [partial_a, INF if b >= 0 else 0.0], ""
    if math.isinf(b):
        if a < 0:
            return c_pow(a, b), [ANY, NAN], "value: C; d/db [table: pow d/db, a < 0]"
        if a == 1:
            return 1.0, [b, 0.0], "value: C"
        grows = (a > 1) == (b > 0)
        if not grows:
            return 0.0, [0.0, 0.0], ""
        return INF, [math.copysign(INF, b), INF if a > 1 else -INF], ""
    return None


def pow_partials(a, b):
    by_a = b * mpmath.power(a, b - 1)
    return [by_a, mpmath.power(a, b) * mpmath.log(a) if a > 0 else NAN]


POW_PAIRS = [(2.0, 3.0), (2.0, 0.5), (2.0, -1.5), (0.5, 10.0), (0.3, 0.7), (10.0, -3.0),
             (1.5, 100.0), (math.e, 1.0), (1.0, 5.0), (1.0, -1e300), (1.0, 0.0), (above(1.0), 1e15),
             (below(1.0), 1e16), (1.0000001, 1e10), (2.0, 1023.0), (2.0, 1024.0), (2.0, -1074.0),
             (2.0, -1075.0), (1e155, 2.0), (1e-200, 2.0), (1e-200, -1.5), (1e300, 1.0),
             (1e300, 1e-300), (1e300, -1.0), (1e-300, 0.5), (TINY, 0.5), (TINY, 1.0),
             (1e-310, -1.0), (1e-310, 2.0), (1e308, 0.5), (MAX, 1.0), (7.0, 0.0), (3.0, TINY),
             (2.0, 1e-20), (0.5, 1e300), (2.0, 1e300), (2.0, -1e300), (0.5, -1e300),
             (9.0, 0.3333333333333333), (-2.0, 3.0), (-2.0, 2.0), (-2.0, -3.0), (-0.5, 5.0),
             (-3.0, 1.0), (-3.0, 0.0), (-1.0, 1e300), (-1.0, 3.0), (-1e155, 2.0), (-1e155, 3.0),
             (-2.0, 0.5), (-2.0, -1.5), (-1e-310, 0.5), (0.0, 2.0), (0.0, above(1.0)), (0.0, 1.0),
             (0.0, below(1.0)), (0.0, 0.5), (0.0, TINY), (0.0, 0.0), (0.0, -0.0), (0.0, -0.5),
             (0.0, -1.0), (0.0, -2.0), (0.0, 1e300), (-0.0, 3.0), (-0.0, 2.0), (-0.0, 1.0),
             (-0.0, 0.5), (-0.0, 0.0), (-0.0, -1.0), (-0.0, -2.0), (INF, 2.0), (INF, 1.0),
             (INF, 0.5), (INF, 0.0), (INF, -1.0), (-INF, 3.0), (-INF, 2.0), (-INF, 1.0),
             (-INF, -1.0), (-INF, -2.0), (-INF, 0.5), (2.0, INF), (0.5, INF), (2.0, -INF),
             (0.5, -INF), (1.0, INF), (1.0, -INF), (0.0, INF), (0.0, -INF), (INF, INF), (INF, -INF),
             (-2.0, INF), (NAN, 2.0), (2.0, NAN), (NAN, NAN), (NAN, 0.0), (1.0, NAN), (0.0, NAN),
             (-1.0, NAN)]


def pow_note(a, b):
    return "d/db [table: pow d/db, a < 0]" if a < 0 else ""


operation("pow", 2, POW_PAIRS, mpmath.power, pow_partials, pow_special, note=pow_note,
          textbook=lambda a, b: mpmath.exp(b * mpmath.log(a)) if a > 0 else mpmath.power(a, b))

# --------------------------------------------------------------------------------- binary: geometry


def norm(a, b):
    return mpmath.sqrt(a * a + b * b)


def hypot_special(a, b):
    if (math.isinf(a) and math.isnan(b)) or (math.isnan(a) and math.isinf(b)):
        return ANY, [ANY, ANY], "C says inf, [table: NaN in] says NaN"
    if math.isnan(a) or math.isnan(b):
        return None
    if a == 0 and b == 0:
        return 0.0, [0.0, 0.0], "[table: hypot(0,0)]"
    if math.isinf(a) and math.isinf(b):
        return INF, [ANY, ANY], "no limit of the derivatives"
    if math.isinf(a):
        return INF, [math.copysign(1.0, a), 0.0], ""
    if math.isinf(b):
        return INF, [0.0, math.copysign(1.0, b)], ""
    return None


operation("hypot", 2, PAIRS + [(3.0, 4.0), (-3.0, 4.0), (5.0, -12.0), (1e200, 1e190),
                               (1e-170, 1e-170), (1e-310, 1e-310), (1e300, -1e292), (0.0, -3.0),
                               (MAX, MAX), (1.0, 1e-8), (1e-8, -1.0), (NAN, -INF)],
          norm, lambda a, b: [a / norm(a, b), b / norm(a, b)], hypot_special)


def atan2_special(y, x):
    if math.isnan(y) or math.isnan(x):
        return None
    sign = math.copysign(1.0, y)
    if y == 0 and x == 0:
        value = sign * (pi_times(1) if negative(x) else 0.0)
        return value, [ANY, ANY], "value: C; the derivative has no limit"
    if y == 0 and math.isfinite(x):
        # On the cut the sign of the zero chooses the side; the slope is the same on both.
        return sign * (pi_times(1) if x < 0 else 0.0), [exact_quotient(1, x), 0.0], "value: C"
    if infinite(y, x):
        if math.isinf(y) and math.isinf(x):
            value = pi_times(0.75 if x < 0 else 0.25)
        elif math.isinf(y):
            value = HALF_PI
        else:
            value = pi_times(1) if x < 0 else 0.0
        return sign * value, [0.0, 0.0], "value: C; both derivatives are at most 1/r"
    return None


operation("atan2", 2, PAIRS + [(3.0, 4.0), (-3.0, -4.0), (1e-20, -1.0), (-1e-20, -1.0), (0.0, -1.0),
                               (-0.0, -1.0), (-1.0, 0.0), (1e200, 1e190), (1e-170, 1e-170),
                               (1e-310, 1e-310), (TINY, 1e300), (TINY, -1e300), (INF, -1.0),
                               (-INF, INF), (0.0, INF), (0.0, -INF), (1e300, -1e300)],
          mpmath.atan2, lambda y, x: [x / (x * x + y * y), -y / (x * x + y * y)], atan2_special)

# With one exponent of two, which is no operand of the tape.
operation("ldexp", 1, everywhere(*both(0.7, 3e-324, 2.0 ** -1020, 2.0 ** -1070, 1e-323, MAX)),
          lambda x: x / 8, lambda x: [Fraction(1, 8)], at(limits(-INF, 0.125, INF, 0.125)),
          depends=[set()], rational=True, zero=odd)

# ------------------------------------------------------------------------------- binary: remainders


def remainder_special(a, b):
    if math.isnan(a) or math.isnan(b):
        return None
    if math.isinf(a) or b == 0:
        return NAN, [ANY, ANY], "outside the domain"
    if math.isinf(b):
        return a, [1.0, 0.0], "value: C"
    return None


REMAINDERS = [(5.0, 3.0), (-5.0, 3.0), (5.0, -3.0), (-5.0, -3.0), (7.5, 2.0), (0.3, 0.1),
              (1.0, 0.1), (6.0, 3.0), (-6.0, 3.0), (5.0, 2.0), (7.0, 2.0), (-5.0, 2.0), (-7.0, 2.0),
              (1.0, 2.0), (3.0, 2.0), (1.5, 1.0), (0.5, 1.0), (2.0, 3.0), (4.0, 3.0), (1e17, 3.1),
              (-1e17, 3.1), (1e17, -3.1), (1e18, 7.0), (2147483648.0, 1.0), (2147483649.5, 1.0),
              (6442450943.0, 1.5), (1e300, 3.1), (1e300, 1e-10), (1e-300, 1e300), (1e300, 1e300),
              (1e-310, 3.0), (3.0, 1e-310), (TINY, TINY), (TINY, 1.0), (1e-310, TINY),
              (1.0, above(1.0)), (above(1.0), 1.0), (below(3.0), 1.0), (0.1, 0.3), (MAX, 7.0),
              (9007199254740991.0, 2.0), (3.0, below(2.0)), (5.0, above(2.0)), (0.0, 1.0),
              (-0.0, 1.0), (0.0, -1.0), (1.0, INF), (-1.0, INF), (1.0, -INF), (0.0, INF),
              (-0.0, -INF), (1.0, 0.0), (1.0, -0.0), (0.0, 0.0), (INF, 1.0), (-INF, 1.0),
              (INF, INF), (NAN, 1.0), (1.0, NAN), (NAN, NAN), (NAN, 0.0), (INF, NAN)]


def remainder_note(kink):
    return lambda a, b: "[table: fmod, remainder d/db]" + ("; at a jump" if kink(a, b) else "")


def at_integer(a, b):
    return a != 0 and exact_quotient(a, b).denominator == 1


def at_half(a, b):
    return exact_quotient(a, b).denominator == 2


for name, nearest, kink in (("fmod", trunc, at_integer), ("remainder", round_half_even, at_half)):
    operation(name, 2, REMAINDERS,
              lambda a, b, n=nearest: exact(a) - exact(b) * n(exact(a) / exact(b)),
              lambda a, b, n=nearest: [1, -n(a / b)], remainder_special, depends=[set(), {0, 1}],
              rational=True, kink=kink, zero=lambda a, b: math.copysign(0.0, a),
              note=remainder_note(kink))


def copysign_special(a, b):
    if math.isnan(b) and not math.isnan(a):
        return ANY, [ANY, ANY], "C takes the NaN's sign bit, [table: NaN in] says NaN"
    if math.isnan(a):
        return NAN, [NAN, ANY], "[table: NaN in]; d/db is 0 whatever a is"
    value = math.copysign(a, b)
    if a == 0:
        return value, [0.0, 0.0], "as [table: abs, sign at 0]"
    if infinite(a, b) or b == 0:
        return value, [1.0 if negative(a) == negative(b) else -1.0, 0.0], ""
    return None


operation("copysign", 2, PAIRS + [(-3.0, 5.0), (3.0, -5.0), (-3.0, -5.0), (3.0, -TINY),
                                  (-1e-310, 1.0), (INF, -0.0)],
          lambda a, b: abs(a) if b > 0 else -abs(a),
          lambda a, b: [1 if (a > 0) == (b > 0) else -1, 0],
          copysign_special, rational=True)

# -------------------------------------------------------------------------------- binary: selection


def extremum(pick):
    def special(a, b):
        if math.isnan(a) or math.isnan(b):
            return None
        if a == b:
            # C does not order the zeros: +0 unless both are -0.
            value = a if negative(a) == negative(b) else 0.0
            return value, [0.5, 0.5], "[table: element-wise max/min at a tie]"
        value = pick(a, b)
        return value, [1.0 if value == a else 0.0, 1.0 if value == b else 0.0], ""
    return special


SELECTION = PAIRS + [(3.0, 3.0), (-2.0, -2.0), (1e-310, 1e-310), (0.3, above(0.3)),
                     (0.3, below(0.3)), (-TINY, 0.0), (TINY, 0.0), (NAN, -INF), (NAN, -1.0)]
for name, pick in (("min", min), ("max", max)):
    operation(name, 2, SELECTION, pick,
              lambda a, b, p=pick: [1 if p(a, b) == a else 0, 1 if p(a, b) == b else 0],
              lambda a, b, s=extremum(pick): s(a, b) if infinite(a, b) or a == b else None,
              rational=True)


def fdim_special(a, b):
    if math.isnan(a) or math.isnan(b):
        return None
    if a == b:
        return 0.0, [1.0, -1.0], "as [table: relu]"
    if infinite(a, b):
        return max(a - b, 0.0), [1.0, -1.0] if a > b else [0.0, 0.0], ""
    return None


operation("fdim", 2, SELECTION + [(1e308, -1e308), (0.3, -0.1)], lambda a, b: max(a - b, 0),
          lambda a, b: [1, -1] if a > b else [0, 0], fdim_special, rational=True)

# ------------------------------------------------------------------------------- binary: logarithms


def xlogy_special(x, y):
    if math.isnan(x) or math.isnan(y):
        return None
    if y < 0 and x == 0:
        return ANY, [ANY, ANY], "outside the domain, 0 log y"
    if y < 0:
        return NAN, [ANY, ANY], "outside the domain"
    if x == 0 and y == 0:
        return 0.0, [0.0, 0.0], "[table: xlogy(0, 0)]"
    if y == 0:
        value = math.copysign(INF, -x)
        if negative(y):
            return value, [-INF, ANY], "[limit]; d/dy: x/y with the sign of the zero"
        return value, [-INF, math.copysign(INF, x)], "[limit]"
    if math.isinf(y):
        if x == 0:
            return 0.0, [INF, 0.0], "x = 0 being fixed"
        if math.isinf(x):
            return x, [INF, ANY], "no limit of x/y"
        return math.copysign(INF, x), [INF, 0.0], ""
    if math.isinf(x):
        if y == 1:
            return ANY, [0.0, x], "inf * 0"
        with mp.workdps(80):
            return (x if y > 1 else -x), [mpmath.log(mpf(y)), x], ""
    return None


XLOGY = [(1.0, 2.0), (2.0, 1.0), (-1.5, 3.0), (0.3, 0.3), (-2.0, 0.7), (5.0, 1e-300), (1e-300, 5.0),
         (1e300, 1e300), (1e308, 0.5), (1e-310, 1e-310), (TINY, 2.0), (TINY, TINY), (1.0, TINY),
         (1.0, 1e-310), (-1.0, 1e308), (1e-300, 1e-300), (3.0, above(1.0)), (3.0, below(1.0)),
         (1e16, above(1.0)), (0.5, 0.5), (10.0, 1e10), (0.0, 0.0), (-0.0, 0.0), (0.0, -0.0),
         (-0.0, -0.0), (0.0, 1.0), (0.0, 0.5), (0.0, TINY), (0.0, 1e300), (-0.0, 2.0), (1.0, 0.0),
         (-1.0, 0.0), (2.0, -0.0), (TINY, 0.0), (1.0, -1.0), (0.0, -1.0), (0.0, INF), (1.0, INF),
         (-2.0, INF), (INF, 2.0), (INF, 0.5), (-INF, 2.0), (INF, 1.0), (INF, INF), (INF, 0.0),
         (NAN, 1.0), (NAN, 0.0), (1.0, NAN), (0.0, NAN), (NAN, NAN)]

operation("xlogy", 2, XLOGY, lambda x, y: x * mpmath.log(y), lambda x, y: [mpmath.log(y), x / y],
          xlogy_special,
          depends=[{1}, {0, 1}], zero=lambda x, y: x * math.log(y))


def logaddexp_special(a, b):
    if not infinite(a, b):
        return None
    if a == b:
        return a, [ANY, ANY], "a - b, and with it the derivative, has no limit"
    partials = [1.0 if a > b else 0.0, 1.0 if b > a else 0.0]
    note = "as [table: logsumexp with some -inf]" if min(a, b) == -INF else ""
    return max(a, b), partials, note


LOGADDEXP = [(0.0, 0.0), (-0.0, 0.0), (1.0, 2.0), (2.0, 1.0), (-1.0, -3.0), (0.5, -0.5),
             (0.0, -40.0), (-40.0, 0.0), (0.0, -700.0), (0.0, -744.0), (0.0, -800.0), (1.0, -40.0),
             (36.0, 0.0), (37.0, 0.0), (20.0, 1.0), (1000.0, 1000.0), (1000.0, 999.0),
             (-1000.0, -1000.0), (-1000.0, -1001.0), (1000.0, -1000.0), (-1000.0, 1000.0),
             (1e308, 1e308), (-1e308, -1e308), (1e308, -1e308), (-1e308, 1e308), (MAX, MAX),
             (1e300, 1e299), (TINY, TINY), (1e-310, -1e-310), (1e-300, 0.0), (1e-20, 1e-20),
             (1.0, above(1.0)), (1e16, 1e16), (0.3, 0.3),
             (-0.6931471805599453, -0.6931471805599453), (-0.5, -0.9327521295671886), (INF, 1.0),
             (1.0, INF), (-INF, 1.0), (1.0, -INF), (-INF, -1e308), (INF, -INF), (-INF, INF),
             (INF, INF), (-INF, -INF), (NAN, 1.0), (1.0, NAN), (NAN, NAN), (NAN, -INF), (INF, NAN)]



def logaddexp_note(a, b):
    cancels = min(a, b) < 0 and -1 < max(a, b) < 0
    return "near a zero of the value: badly conditioned" if cancels else ""


operation("logaddexp", 2, LOGADDEXP, lambda a, b: max(a, b) + mpmath.log1p(mpmath.exp(-abs(a - b))),
          lambda a, b: [sigmoid(a - b), sigmoid(b - a)], logaddexp_special,
          textbook=lambda a, b: mpmath.log(mpmath.exp(a) + mpmath.exp(b)),
          note=logaddexp_note)

# Of these the second table alone has rows, or closed forms: the second operand of the first two is
# hardly ever a variable, and trigamma is there as the derivative of digamma.
operation("leaky_relu_by", 2, [], lambda x, s: x if x > 0 else s * x,
          lambda x, s: [1 if x > 0 else s, 0 if x > 0 else x], rational=True)
operation("elu_by", 2, [], lambda x, a: x if x > 0 else a * mpmath.expm1(x),
          lambda x, a: [1 if x > 0 else a * mpmath.exp(x), 0 if x > 0 else mpmath.expm1(x)])
operation("where", 3, [], lambda c, a, b: a if c else b, lambda c, a, b: [0, int(c != 0), int(c == 0)],
          rational=True)
operation("trigamma", 1, [], lambda x: mpmath.psi(1, x), lambda x: [mpmath.psi(2, x)])

# ------------------------------------------------------------------------------------------ ternary


def clamp(x, low, high):
    return low if x < low else high if x > high else x


def clamp_partials(x, low, high):
    return [int(low <= x <= high), int(x < low), int(x > high)]


def clamp_special(x, low, high):
    if any(map(math.isnan, (x, low, high))):
        return None
    if x == low or x == high or infinite(x, low, high):
        bound = "[table: clamp at its bounds]" if x == low or x == high else ""
        return clamp(x, low, high), [float(p) for p in clamp_partials(x, low, high)], bound
    return None


CLAMP = [(0.5, 0.0, 1.0), (-0.5, 0.0, 1.0), (1.5, 0.0, 1.0), (0.0, 0.0, 1.0), (1.0, 0.0, 1.0),
         (-0.0, 0.0, 1.0), (0.0, -0.0, 1.0), (TINY, 0.0, 1.0), (-TINY, 0.0, 1.0),
         (below(1.0), 0.0, 1.0), (above(1.0), 0.0, 1.0), (2.0, -3.0, 3.0), (-4.0, -3.0, 3.0),
         (4.0, -3.0, 3.0), (-3.0, -3.0, 3.0), (3.0, -3.0, 3.0), (1.0, 1.0, 1.0), (0.0, 1.0, 1.0),
         (5.0, 1.0, 1.0), (1e300, -1e10, 1e10), (-1e300, -1e10, 1e10), (1e-310, 1e-300, 1.0),
         (1e-310, -1e-300, 1e-300), (1e308, 0.0, MAX), (INF, -1.0, 1.0), (-INF, -1.0, 1.0),
         (INF, 0.0, INF), (-INF, -INF, 0.0), (3.0, -INF, INF), (3.0, -INF, 2.0), (1.0, 2.0, INF),
         (NAN, -1.0, 1.0), (0.0, NAN, 1.0), (0.0, -1.0, NAN), (5.0, NAN, 1.0), (NAN, NAN, NAN),
         (NAN, -INF, INF)]

operation("clamp", 3, CLAMP, clamp, clamp_partials, clamp_special, rational=True)


def fma_special(a, b, c):
    if not infinite(a, b, c):
        return None
    value = a * b + c
    if math.isnan(value) and infinite(a, b):
        return value, [b, a, 1.0], "no limit of the value"
    if math.isinf(c) and not infinite(a, b):
        value = c  # also where a b leaves the range of doubles
    return value, [b, a, 1.0], ""


FMA = [(2.0, 3.0, 4.0), (0.1, 10.0, -1.0), (0.1, 0.1, -0.010000000000000002), (3.0, 1.0 / 3, -1.0),
       (above(1.0), above(1.0), -1.0), (above(1.0), below(1.0), -1.0), (-1.5, 0.7, 0.3),
       (1e200, 1e200, -1e300), (1e200, 1e108, -1e308), (1e-200, 1e-200, 1.0), (1e-200, 1e-200, 0.0),
       (1e-160, 1e-160, -1e-320), (TINY, 0.5, TINY), (TINY, TINY, TINY), (MAX, 2.0, -MAX),
       (1e300, 1e10, -INF), (MAX, MAX, -INF), (1.0, 1.0, -1.0), (0.0, 5.0, 3.0), (5.0, 0.0, 3.0),
       (0.0, 0.0, 0.0), (-0.0, 1.0, 0.0), (2.0, -3.0, 6.0), (1e16, 1.0, 1.0), (1.0, 1e-17, 1.0),
       (134217729.0, 134217729.0, -18014398777917440.0), (INF, 1.0, 2.0), (INF, 1.0, -INF),
       (1.0, -INF, 2.0), (0.0, INF, 1.0), (2.0, 3.0, INF), (NAN, 1.0, 2.0), (1.0, NAN, 2.0),
       (1.0, 2.0, NAN), (NAN, NAN, NAN), (0.0, NAN, 1.0)]

operation("fma", 3, FMA, lambda a, b, c: a * b + c, lambda a, b, c: [b, a, 1], fma_special,
          depends=[{1}, {0}, set()], rational=True)


def norm3(a, b, c):
    return mpmath.sqrt(a * a + b * b + c * c)


def hypot3_special(*args):
    infinities, unknown = sum(map(math.isinf, args)), any(map(math.isnan, args))
    if infinities and unknown:
        return ANY, [ANY] * 3, "C says inf, [table: NaN in] says NaN"
    if unknown:
        return None
    if infinities > 1:
        return INF, [ANY] * 3, "no limit of the derivatives"
    if infinities:
        return INF, [math.copysign(1.0, x) if math.isinf(x) else 0.0 for x in args], ""
    if not any(args):
        return 0.0, [0.0] * 3, "as [table: hypot(0,0)]"
    return None


HYPOT3 = [(2.0, 3.0, 6.0), (-2.0, 3.0, -6.0), (1.0, 4.0, 8.0), (0.1, 0.2, 0.3), (3.0, 4.0, 0.0),
          (0.0, 0.0, -5.0), (0.0, -2.0, 0.0), (7.0, 0.0, 0.0), (1e200, -1e200, 1e200),
          (1e-200, 1e-200, -1e-200), (MAX, MAX, MAX), (1.0, MAX, MAX), (MAX, 1e300, -MAX),
          (1e308, 1e308, 1e-308), (1e-310, 1e-310, 1e-310), (TINY, TINY, TINY), (TINY, 0.0, 0.0),
          (0.0, TINY, 0.0), (1.0, 1e-8, 1e-8), (1e-8, 1.0, 1e-200), (1e300, 1e-300, 1.0),
          (1.0, 1.0, 1e16), (1e16, -1.0, 1.0), (0.0, 0.0, 0.0), (-0.0, 0.0, -0.0),
          (INF, 1.0, 2.0), (1.0, -INF, 2.0), (1.0, 2.0, INF), (INF, INF, 1.0), (NAN, 1.0, 2.0),
          (1.0, NAN, 2.0), (1.0, 2.0, NAN), (NAN, INF, 1.0), (0.3, above(0.3), below(0.3))]

operation("hypot3", 3, HYPOT3, norm3,
          lambda a, b, c: [x / norm3(a, b, c) for x in (a, b, c)], hypot3_special)


def where_special(c, a, b):
    taken = a if c else b
    if math.isnan(taken):
        return NAN, [0.0, *([ANY, 0.0] if c else [0.0, ANY])], "[table: where], [table: NaN in]"
    return taken, [0.0, *([1.0, 0.0] if c else [0.0, 1.0])], "[table: where]"


WHERE = [(c, a, b) for c in (1.0, 0.0)
         for a, b in ((2.0, 3.0), (-1.5, 7.0), (0.0, 1.0), (-0.0, 0.0), (4.0, 4.0), (TINY, 1e300),
                      (1e-310, -1e-310), (INF, 1.0), (1.0, -INF), (INF, -INF), (1.0, NAN),
                      (NAN, 1.0), (NAN, NAN), (0.1, 0.2))]

# Nothing is computed: each row is its convention, so there is no closed form to check.
operation("where", 3, WHERE, None, None, where_special)

# ------------------------------------------------------------------------------------------- output


def literal(x):
    """A double as C++: exact hexadecimal, and the identifiers inf, nan, any."""
    if x is ANY:
        return "any"
    if math.isnan(x):
        return "nan"
    if math.isinf(x):
        return "inf" if x > 0 else "-inf"
    if x == 0:
        return "-0.0" if negative(x) else "0"
    mantissa, exponent = math.frexp(abs(x))
    fraction = format(int(math.ldexp(mantissa, 53)) - 2 ** 52, "013x").rstrip("0")
    return f"{'-' if x < 0 else ''}0x1{'.' + fraction if fraction else ''}p{exponent - 1:+d}"


def decimal(x):
    """About 20 digits of a value before rounding; nothing for a zero, an infinity or a NaN."""
    rounded = to_double(x)
    if rounded is ANY or isinstance(x, float) or not math.isfinite(rounded) or rounded == 0:
        return ""
    with mp.workdps(40):
        return " = " + mpmath.nstr(to_mpf(x), 5)


def argument(x):
    if math.isnan(x):
        return "nan"
    return repr(x)[:-2] if repr(x).endswith(".0") and x != 0 else repr(x)


def format_row(op, args, value, partials, note):
    def braced(numbers):
        return "{" + ", ".join(map(literal, numbers)) + "}"

    comment = f"({', '.join(map(argument, args))}){decimal(value)}" + (f"  {note}" if note else "")
    return (f'{{"{op.name}", {op.arity}, {braced(args)}, {literal(to_double(value))}, '
            f"{braced([to_double(p) for p in partials])}}}, // {comment}")


HEAD = """\
// Values and partial derivatives of the element-wise operations, from mpmath and not from this
// library's formulas. Written by elementwise_oracle.py, whose head says how each entry is decided;
// change it there.
//
//   {name, number of arguments, arguments, value, partial derivative to each argument},
//
// An argument is that double exactly, a result is the exact one rounded to nearest; the remark
// shows the arguments and the value in decimal. The file that includes this one defines the doubles
// inf, nan and any; `any` marks an entry that nothing determines. Zeros compare as equal."""


SECOND_HEAD = """\
// Values, partial derivatives and second derivatives of the element-wise operations at ordinary
// points, to 25 digits. Written by elementwise_oracle.py second; change it there.
//
//   {name, number of arguments, arguments, value, partial derivatives, second derivatives by rows},"""


def long_literal(x):
    with mp.workdps(40):
        x = to_mpf(x)
        return "0" if x == 0 else mpmath.nstr(x, 25) + "L"


def padded(rows):
    return "{" + ", ".join([*map(long_literal, rows), *["0"] * (3 - len(rows))]) + "}"


# Away from every kink and jump, within every domain in some rows.
ORDINARY = {
    1: [(x,) for x in (-7.3, -2.3, -1.21, -0.64, -0.13, 0.17, 0.58, 0.91, 1.31, 2.7, 6.2, 11.8)],
    2: [(0.37, 1.9), (1.45, 0.31), (2.2, -1.3), (3.7, 2.8), (-0.7, 1.6), (-2.6, -0.45), (6.1, 0.9)],
    3: [(0.4, -1.2, 2.3), (-1.7, -0.8, 0.6), (3.1, 0.2, 1.9), (0.0, -1.5, 2.5)],
}


def second_row(op, args):
    """Value, partial derivatives and their derivatives, or None where one of them is no number."""
    if op.value is None or op.special(*args) is not None:
        return None
    with mp.workdps(80):
        value, partials = op.closed_form(args)
        if any(x is NAN for x in partials):
            return None
        second = []
        for i in range(op.arity):
            def partial_along(t, i=i, j=0):
                moved = [mpf(x) for x in args]
                moved[j] = t
                return to_mpf(op.partials(*moved)[i])

            second.append([mpmath.chop(mpmath.diff(lambda t, j=j: partial_along(t, j=j),
                                                   mpf(args[j])), mpf(10) ** -40)
                           for j in range(op.arity)])
    return value, partials, second


def second_table():
    print(SECOND_HEAD)
    total = 0
    for op in operations:
        count = 0
        for args in ORDINARY[op.arity]:
            row = second_row(op, args)
            if row is None:
                continue
            value, partials, second = row
            arguments = ", ".join([*map(literal, args), *["0"] * (3 - op.arity)])
            matrix = ", ".join(padded(line)[1:-1] for line in second)
            print(f'{{"{op.name}", {op.arity}, {{{arguments}}}, {long_literal(value)}, '
                  f"{padded(partials)}, {{{matrix}}}}},")
            count += 1
        print(f"{op.name:12} {count:4} rows", file=sys.stderr)
        total += count
    print(f"{total} rows", file=sys.stderr)


def same_double(x):
    return "nan" if math.isnan(x) else literal(x)


def main():
    print(HEAD)
    total_rows = total_checks = 0
    for op in operations:
        if not op.points:
            continue
        seen, checks = set(), 0
        print(f"\n// {op.name}")
        for args in op.points:
            args = args if isinstance(args, tuple) else (args,)
            key = tuple(map(same_double, args))
            if key in seen:
                continue
            seen.add(key)
            value, partials, note, by_closed_form = op.row(args)
            assert len(args) == len(partials) == op.arity, (op.name, args)
            print(format_row(op, args, value, partials, note))
            if by_closed_form:
                checks += op.check(args, value, partials)
        assert len(seen) >= (20 if op.arity == 1 else 25), op.name
        print(f"{op.name:12} {len(seen):4} rows {checks:4} derivatives checked", file=sys.stderr)
        total_rows += len(seen)
        total_checks += checks
    print(f"{len(operations)} operations {total_rows} rows {total_checks} derivatives checked",
          file=sys.stderr)


if __name__ == "__main__":
    second_table() if sys.argv[1:] == ["second"] else main()
