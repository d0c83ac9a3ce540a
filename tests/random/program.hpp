// Random programs over scalars and tensors, and their interpreter in forward mode: every formula of
// values and derivatives stands here once more, element by element, so that nothing of the library
// but its shapes is believed.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "gradtape/core/random.hpp"
#include "gradtape/core/shape.hpp"

namespace program {

using gradtape::Index;
using gradtape::Shape;

/// A value and its derivative along one direction.
struct Jet {
  double x = 0, t = 0;

  friend Jet operator+(Jet a, Jet b) { return {a.x + b.x, a.t + b.t}; }
  friend Jet operator-(Jet a, Jet b) { return {a.x - b.x, a.t - b.t}; }
  friend Jet operator*(Jet a, Jet b) { return {a.x * b.x, a.t * b.x + a.x * b.t}; }
  friend Jet operator/(Jet a, Jet b) { return {a.x / b.x, (a.t * b.x - a.x * b.t) / (b.x * b.x)}; }
};
inline Jet exp(Jet a) { return {std::exp(a.x), std::exp(a.x) * a.t}; }
inline Jet tanh(Jet a) {
  const double c = std::cosh(a.x);
  return {std::tanh(a.x), a.t / (c * c)};
}
inline Jet log(Jet a) { return {std::log(a.x), a.t / a.x}; }
inline Jet sqrt(Jet a) { return {std::sqrt(a.x), a.t / (2 * std::sqrt(a.x))}; }
inline Jet sigmoid(Jet a) { return Jet{1} / (Jet{1} + exp(Jet{} - a)); }

enum class Op {
  tanh,      // of a; takes the place of what does not fit
  affine,    // 1.5 a - 0.25
  cube,      // a^3 / 8
  add,       // a + b
  subtract,  // a - b / 2
  multiply,  // a b
  divide,    // a / (1 + b^2)
  larger,    // max(a, b)
  gate,      // sigmoid(a) b + (1 - sigmoid(a)) tanh(a - b)
  sum,
  mean,
  sum_along,
  max_along,
  softmax,
  log_softmax,
  logsumexp,
  cumsum,
  normalise,      // layer_norm of a with gain and bias b
  squares,        // mse(a, b)
  huber,          // of a and b, each element's
  cross_entropy,  // of logits a and shares b, each column's
  label_loss,     // sum of a's columns' cross-entropies, smoothed, one class ignored
  element,
  join,  // of scalars a, b, a: a vector
  slice,
  concat,
  stack,
  repeat,
  reshape,
  transpose,
  gather,
  matmul,
  matmul_transposed,  // a^T b
  count
};
constexpr const char* names[] = {"tanh",       "affine",   "cube",
                                 "add",        "subtract", "multiply",
                                 "divide",     "larger",   "gate",
                                 "sum",        "mean",     "sum_along",
                                 "max_along",  "softmax",  "log_softmax",
                                 "logsumexp",  "cumsum",   "normalise",
                                 "squares",    "huber",    "cross_entropy",
                                 "label_loss", "element",  "join",
                                 "slice",      "concat",   "stack",
                                 "repeat",     "reshape",  "transpose",
                                 "gather",     "matmul",   "matmul_transposed"};
static_assert(std::size(names) == static_cast<std::size_t>(Op::count));

/// An operation on earlier values, by their numbers.  p and q choose dimensions and positions.
struct Step {
  Op op;
  std::size_t a, b;
  Index p, q;
};

struct Form {
  bool is_scalar;
  Shape shape;
};

enum class Kind { variable, constant, parameter, count };

struct Leaf {
  Form form;
  Kind kind;
  std::vector<Jet> elements;  // tangents of a constant are 0
};

/// Values are numbered: the leaves, then the results of steps.  The last is the result.
struct Program {
  std::vector<Leaf> leaves;
  std::vector<Step> steps;
};

constexpr int largest_rank = Shape::max_rank;

inline int dimension_of(const Step& step, const Shape& shape) {
  return static_cast<int>(step.p % std::max(shape.rank(), 1));
}
inline Index slice_length(const Step& step, Index n) { return step.q % 8 == 0 ? 0 : (n + 1) / 2; }
inline Index slice_start(const Step& step, Index n) { return step.q % (n - (n + 1) / 2 + 1); }
inline Index repeat_count(const Step& step) { return step.q % 16 == 0 ? 0 : 1 + step.q % 3; }
inline std::array<Index, 3> gathered(const Step& step, Index n) {
  return {step.p % n, step.q % n, step.p % n};
}

inline Index label(const Step& step, Index column, Index classes) {
  return (step.p + column * step.q) % classes;
}
inline Index ignored_label(const Step& step, Index classes) { return step.q % (classes + 1); }

inline Shape without(const Shape& shape, int dimension) {
  Shape result;
  for (int d = 0; d < shape.rank(); ++d) {
    if (d != dimension) result = result.with(result.rank(), shape[d]);
  }
  return result;
}

/// The form of a step's result, if it is possible.
inline std::optional<Form> form_of(const Step& step, const Form& a, const Form& b) {
  const Shape &s = a.shape, &r = b.shape;
  const int dim = dimension_of(step, s);
  const bool is_tensor = !a.is_scalar, has_dim = is_tensor && s.rank() > 0,
             is_pair = is_tensor && !b.is_scalar;
  const auto tensor_if = [](bool fits, const Shape& shape) {
    return fits ? std::optional<Form>({false, shape}) : std::nullopt;
  };
  const auto scalar_if = [](bool fits) {
    return fits ? std::optional<Form>({true, {}}) : std::nullopt;
  };
  switch (step.op) {
    case Op::tanh:
    case Op::affine:
    case Op::cube:
      return a;
    case Op::add:
    case Op::subtract:
    case Op::multiply:
    case Op::divide:
    case Op::larger:
    case Op::gate: {
      Shape shape = s.with_rank(std::max(s.rank(), r.rank()));
      for (int d = 0; d < shape.rank(); ++d) {
        if (s[d] != r[d] && s[d] != 1 && r[d] != 1) return std::nullopt;
        shape = shape.with(d, s[d] == 1 ? r[d] : s[d]);
      }
      return Form{a.is_scalar && b.is_scalar, shape};
    }
    case Op::sum:
      return scalar_if(is_tensor);
    case Op::mean:
    case Op::element:
      return scalar_if(is_tensor && s.size() > 0);
    case Op::sum_along:
      return tensor_if(has_dim, without(s, dim));
    case Op::max_along:
    case Op::logsumexp:
      return tensor_if(has_dim && s.size() > 0, without(s, dim));
    case Op::softmax:
    case Op::log_softmax:
      return tensor_if(has_dim && s.size() > 0, s);
    case Op::cumsum:
      return tensor_if(has_dim, s);
    case Op::normalise:
      return tensor_if(has_dim && is_pair && r == Shape{s[0]}, s);
    case Op::squares:
      return scalar_if(is_pair && s == r && s.size() > 0);
    case Op::huber:
      return tensor_if(is_pair && s == r, s);
    case Op::cross_entropy:
      return tensor_if(has_dim && is_pair && s == r && s.size() > 0, without(s, 0));
    case Op::label_loss:
      return scalar_if(s.rank() == 2 && s.size() > 0);
    case Op::join:
      return tensor_if(a.is_scalar && b.is_scalar, {3});
    case Op::slice:
      return tensor_if(has_dim, s.with(dim, slice_length(step, s[dim])));
    case Op::concat:
      return tensor_if(has_dim && is_pair && r.rank() == s.rank() && r.with(dim, s[dim]) == s,
                       s.with(dim, s[dim] + r[dim]));
    case Op::stack:
      return tensor_if(is_pair && s == r && s.rank() < largest_rank, s.with(s.rank(), 2));
    case Op::repeat:
      return tensor_if(has_dim, s.with(dim, s[dim] * repeat_count(step)));
    case Op::reshape:
      return tensor_if(is_tensor, {s.columns(), s.rows()});
    case Op::transpose:
      return tensor_if(is_tensor && s.rank() <= 2, {s[1], s[0]});
    case Op::gather:
      return tensor_if(s.rank() == 2 && s[1] > 0, {s[0], 3});
    case Op::matmul:
    case Op::matmul_transposed: {
      const bool transposes = step.op == Op::matmul_transposed;
      const Index rows = s[transposes ? 1 : 0], inner = s[transposes ? 0 : 1];
      Shape shape = Shape{rows, r[1]}.with_rank(std::max(s.rank(), r.rank()));
      if (s.rank() == 2 && r.rank() == 1) shape = shape.with_rank(1);
      bool fits = s.rank() >= 2 && !b.is_scalar && r.rank() >= 1 && inner == r[0];
      for (int d = 2; d < shape.rank(); ++d) {
        fits = fits && (s[d] == r[d] || s[d] == 1 || r[d] == 1);
        shape = shape.with(d, s[d] == 1 ? r[d] : s[d]);
      }
      return tensor_if(fits, shape);
    }
    case Op::count:
      break;
  }
  return std::nullopt;
}

/// The step itself, or what takes its place where it does not fit or would grow too large.
inline Step fitted(Step step, const Form& a, const Form& b) {
  const auto form = form_of(step, a, b);
  if (!form || form->shape.size() > 300) step.op = Op::tanh;
  return step;
}

using Position = std::array<Index, largest_rank>;

/// A value in forward mode.
struct Array {
  Form form;
  std::vector<Jet> elements;

  /// Element at a position; along dimensions of size 1 there is but one.
  const Jet& at(const Position& i) const {
    Index k = 0;
    for (int d = largest_rank - 1; d >= 0; --d) {
      const Index n = form.shape[d];
      k = k * n + (n == 1 ? 0 : i[static_cast<std::size_t>(d)]);
    }
    return elements[static_cast<std::size_t>(k)];
  }
};

/// An array of that form, element(position) for each position in column-major order.
template <class F>
Array array_of(const Form& form, F&& element) {
  Array y{form, {}};
  Position i{};
  for (Index k = 0; k < form.shape.size(); ++k) {
    y.elements.push_back(element(i));
    for (std::size_t d = 0; d < i.size(); ++d) {
      if (++i[d] < form.shape[static_cast<int>(d)]) break;
      i[d] = 0;
    }
  }
  return y;
}

/// A position with another index along a dimension, and with one more or fewer.
inline Position moved(Position i, int dimension, Index to) {
  i[static_cast<std::size_t>(dimension)] = to;
  return i;
}
inline Position inserted(const Position& i, int dimension, Index index) {
  Position result{};
  for (int d = 0, from = 0; d < largest_rank; ++d)
    result[static_cast<std::size_t>(d)] =
        d == dimension ? index : i[static_cast<std::size_t>(from++)];
  return result;
}

/// The result of a fitted step.
inline Array evaluate(const Step& step, const Array& a, const Array& b) {
  const Form form = *form_of(step, a.form, b.form);
  const Shape& s = a.form.shape;
  const int dim = dimension_of(step, s);
  const Index n = s[dim];
  const auto d = static_cast<std::size_t>(dim);
  const auto each = [&](auto f) {
    return array_of(form, [&](const Position& i) { return f(a.at(i)); });
  };
  const auto both = [&](auto f) {
    return array_of(form, [&](const Position& i) { return f(a.at(i), b.at(i)); });
  };
  const auto total = [&] {
    Jet sum;
    for (const Jet& x : a.elements) sum = sum + x;
    return sum;
  };
  const auto product = [&](bool transposes) {
    return array_of(form, [&](const Position& i) {
      Jet sum;
      for (Index l = 0; l < b.form.shape[0]; ++l) {
        Position from = moved(i, 1, l);
        if (transposes) std::swap(from[0], from[1]);
        sum = sum + a.at(from) * b.at(moved(i, 0, l));
      }
      return sum;
    });
  };
  const auto sum_of = [](Index count, auto f) {
    Jet sum;
    for (Index k = 0; k < count; ++k) sum = sum + f(k);
    return sum;
  };
  const auto log_sum = [&](const Position& i, int along) {
    return log(sum_of(s[along], [&](Index k) { return exp(a.at(moved(i, along, k))); }));
  };
  switch (step.op) {
    case Op::tanh:
      return each([](Jet x) { return tanh(x); });
    case Op::affine:
      return each([](Jet x) { return Jet{1.5} * x - Jet{0.25}; });
    case Op::cube:
      return each([](Jet x) { return Jet{0.125} * x * x * x; });
    case Op::add:
      return both([](Jet x, Jet y) { return x + y; });
    case Op::subtract:
      return both([](Jet x, Jet y) { return x - Jet{0.5} * y; });
    case Op::multiply:
      return both([](Jet x, Jet y) { return x * y; });
    case Op::divide:
      return both([](Jet x, Jet y) { return x / (Jet{1} + y * y); });
    case Op::larger:
      return both([](Jet x, Jet y) {
        return x.x == y.x ? Jet{x.x, (x.t + y.t) / 2} : x.x > y.x ? x : y;
      });
    case Op::gate:
      return both([](Jet x, Jet y) {
        const Jet g = sigmoid(x);
        return g * y + (Jet{1} - g) * tanh(x - y);
      });
    case Op::sum:
      return {form, {total()}};
    case Op::mean:
      return {form, {total() / Jet{static_cast<double>(s.size())}}};
    case Op::sum_along:
      return array_of(form, [&](const Position& i) {
        Jet sum;
        for (Index k = 0; k < n; ++k) sum = sum + a.at(inserted(i, dim, k));
        return sum;
      });
    case Op::max_along:
      return array_of(form, [&](const Position& i) {
        Jet largest = a.at(inserted(i, dim, 0));
        for (Index k = 1; k < n; ++k) {
          if (a.at(inserted(i, dim, k)).x > largest.x) largest = a.at(inserted(i, dim, k));
        }
        return largest;
      });
    case Op::softmax:
      return array_of(form, [&](const Position& i) {
        Jet sum;
        for (Index k = 0; k < n; ++k) sum = sum + exp(a.at(moved(i, dim, k)));
        return exp(a.at(i)) / sum;
      });
    case Op::log_softmax:
      return array_of(form, [&](const Position& i) { return a.at(i) - log_sum(i, dim); });
    case Op::logsumexp:
      return array_of(form, [&](const Position& i) { return log_sum(inserted(i, dim, 0), dim); });
    case Op::cumsum:
      return array_of(form, [&](const Position& i) {
        return sum_of(i[d] + 1, [&](Index k) { return a.at(moved(i, dim, k)); });
      });
    case Op::normalise:
      return array_of(form, [&](const Position& i) {
        const Jet m{static_cast<double>(s[0])};
        const auto x = [&](Index k) { return a.at(moved(i, 0, k)); };
        const Jet mean = sum_of(s[0], x) / m;
        const auto square = [&](Index k) { return (x(k) - mean) * (x(k) - mean); };
        const Jet variance = sum_of(s[0], square) / m, gain = b.at({i[0]});
        return gain * (a.at(i) - mean) / sqrt(variance + Jet{0.1}) + gain;
      });
    case Op::squares: {
      const auto square = [&](Index k) {
        const auto e = static_cast<std::size_t>(k);
        return (a.elements[e] - b.elements[e]) * (a.elements[e] - b.elements[e]);
      };
      return {form, {sum_of(s.size(), square) / Jet{static_cast<double>(s.size())}}};
    }
    case Op::huber:
      return both([](Jet x, Jet y) {
        const Jet difference = x - y, half{0.5};
        if (std::abs(difference.x) <= 0.5) return half * difference * difference;
        return half * (difference.x < 0 ? y - x : difference) - Jet{0.125};
      });
    case Op::cross_entropy:
      return array_of(form, [&](const Position& i) {
        const Position first = inserted(i, 0, 0);
        const Jet all = log_sum(first, 0);
        return sum_of(s[0], [&](Index k) {
          return b.at(moved(first, 0, k)) * (all - a.at(moved(first, 0, k)));
        });
      });
    case Op::label_loss:
      return {form, {sum_of(s[1], [&](Index j) {
                const Index t = label(step, j, s[0]);
                if (t == ignored_label(step, s[0])) return Jet{};
                const Jet all = log_sum({0, j}, 0), classes{static_cast<double>(s[0])};
                const auto loss = [&](Index k) { return all - a.at({k, j}); };
                return Jet{0.75} * loss(t) + Jet{0.25} / classes * sum_of(s[0], loss);
              })}};
    case Op::element:
      return {form, {a.elements[static_cast<std::size_t>(step.p % s.size())]}};
    case Op::join:
      return {form, {a.elements[0], b.elements[0], a.elements[0]}};
    case Op::slice:
      return array_of(form, [&](const Position& i) {
        return a.at(moved(i, dim, i[d] + slice_start(step, n)));
      });
    case Op::concat:
      return array_of(form, [&](const Position& i) {
        return i[d] < n ? a.at(i) : b.at(moved(i, dim, i[d] - n));
      });
    case Op::stack:
      return array_of(form, [&](const Position& i) {
        return i[static_cast<std::size_t>(s.rank())] == 0 ? a.at(i) : b.at(i);
      });
    case Op::repeat:
      return array_of(form, [&](const Position& i) { return a.at(moved(i, dim, i[d] % n)); });
    case Op::reshape:
      return {form, a.elements};
    case Op::transpose:
      return array_of(form, [&](const Position& i) { return a.at({i[1], i[0]}); });
    case Op::gather:
      return array_of(form, [&](const Position& i) {
        return a.at({i[0], gathered(step, s[1])[static_cast<std::size_t>(i[1])]});
      });
    case Op::matmul:
      return product(false);
    case Op::matmul_transposed:
      return product(true);
    case Op::count:
      break;
  }
  return {};
}

/// The values of a program; of its steps those that fit.
inline std::vector<Array> evaluate(const Program& program) {
  std::vector<Array> values;
  for (const Leaf& leaf : program.leaves) values.push_back({leaf.form, leaf.elements});
  for (const Step& step : program.steps) {
    const Array &a = values[step.a], &b = values[step.b];
    values.push_back(evaluate(fitted(step, a.form, b.form), a, b));
  }
  return values;
}

inline bool is_tame(const Array& value) {
  return std::all_of(value.elements.begin(), value.elements.end(),
                     [](const Jet& x) { return std::abs(x.x) < 20 && std::abs(x.t) < 1e3; });
}

/// A program of a few leaves and up to twelve steps, of which later ones rather use late values.
/// \param random  where its choices come from: index(n) and uniform(low, high), as Random has them.
template <class Source>
Program generate(Source&& random) {
  const auto size = [&] {
    constexpr Index sizes[] = {1, 1, 2, 3, 3, 3, 4, 5, 9, 17};
    return random.index(20) == 0 ? 0 : sizes[random.index(10)];
  };
  Program program;
  std::vector<Array> values;
  const Index leaves = 2 + random.index(4), steps = 1 + random.index(12);
  const Index common = size();  // so that shapes often fit
  for (Index i = 0; i < leaves; ++i) {
    Form form{random.index(4) == 0, {}};
    const Index rank = form.is_scalar ? 0 : random.index(largest_rank + 1);
    for (int d = 0; d < rank; ++d)
      form.shape =
          form.shape.with(d, random.index(2) == 0 ? (d < 2 ? common : std::min(common, Index{3}))
                             : d < 2              ? size()
                                                  : 2);
    auto kind = static_cast<Kind>(random.index(static_cast<Index>(Kind::count)));
    if (form.is_scalar) kind = Kind::variable;
    const double slope = kind == Kind::constant ? 0 : 1;
    const Array value = array_of(form, [&](const Position&) {
      const double x = random.uniform(-2, 2);
      return Jet{x, slope * random.uniform(-1, 1)};
    });
    program.leaves.push_back({form, kind, value.elements});
    values.push_back(value);
  }
  const auto operand = [&] {
    const double u = random.uniform(0, 1), n = static_cast<double>(values.size());
    return values.size() - 1 - static_cast<std::size_t>(u * u * n);
  };
  for (Index i = 0; i < steps; ++i) {
    Step step{};
    for (int attempt = 0; attempt < 8; ++attempt) {
      step = {static_cast<Op>(random.index(static_cast<Index>(Op::count))), operand(), operand(),
              random.index(1000), random.index(1000)};
      if (form_of(step, values[step.a].form, values[step.b].form)) break;
    }
    const Array &a = values[step.a], &b = values[step.b];
    step = fitted(step, a.form, b.form);
    Array value = evaluate(step, a, b);
    if (!is_tame(value)) {
      step.op = Op::tanh;
      value = evaluate(step, a, b);
    }
    program.steps.push_back(step);
    values.push_back(std::move(value));
  }
  return program;
}

/// Without value number k: what used it uses its first operand, or of a leaf the first value.
inline Program without(const Program& program, std::size_t k) {
  Program result = program;
  const std::size_t leaves = program.leaves.size();
  std::size_t other = 0;
  if (k < leaves) {
    result.leaves.erase(result.leaves.begin() + static_cast<std::ptrdiff_t>(k));
  } else {
    other = program.steps[k - leaves].a;
    result.steps.erase(result.steps.begin() + static_cast<std::ptrdiff_t>(k - leaves));
  }
  for (Step& step : result.steps) {
    for (std::size_t* const x : {&step.a, &step.b}) *x = *x == k ? other : *x > k ? *x - 1 : *x;
  }
  return result;
}

/// A program that still fails, of which nothing can be left out.
template <class Fails>
Program shrunk(Program program, Fails&& fails) {
  for (std::size_t k = program.leaves.size() + program.steps.size(); k-- > 0;) {
    if (k < program.leaves.size() && program.leaves.size() == 1) break;
    Program smaller = without(program, k);
    if (!fails(smaller)) continue;
    program = std::move(smaller);
    k = program.leaves.size() + program.steps.size();
  }
  return program;
}

/// A line for each value.
inline std::string to_string(const Program& program) {
  const std::vector<Array> values = evaluate(program);
  std::string text;
  for (std::size_t k = 0; k < values.size(); ++k) {
    const Form& form = values[k].form;
    text += "  x" + std::to_string(k) + " = ";
    if (k < program.leaves.size()) {
      constexpr const char* kinds[] = {"variable", "constant", "parameter"};
      text += kinds[static_cast<std::size_t>(program.leaves[k].kind)];
    } else {
      const Step& s = program.steps[k - program.leaves.size()];
      const Step step = fitted(s, values[s.a].form, values[s.b].form);
      text += std::string(names[static_cast<std::size_t>(step.op)]) + "(x" +
              std::to_string(step.a) + ", x" + std::to_string(step.b) + "; " +
              std::to_string(step.p) + ", " + std::to_string(step.q) + ")";
    }
    text += "  " + (form.is_scalar ? "scalar" : to_string(form.shape)) + "\n";
  }
  return text;
}

}  // namespace program
