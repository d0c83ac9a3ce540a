// Two tapes under a random order of recording, scopes, clear, trace and sweeps, beside a model of
// what is recorded where: every handle that the model takes for dead, or that meets one of another
// tape, is refused with a TapeError; every other has the model's value and, after a sweep, the
// model's gradient.
#include <cmath>
#include <memory>

#include "fuzz.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;

namespace {

constexpr std::size_t length = 3;  // of a tensor

/// A handle, and what the model knows of it.
struct Entry {
  std::size_t tape = 0;
  bool is_alive = true, is_tensor = false, has_gradient = true;
  std::vector<double> value{};  // 1 or `length` elements
  struct Operand {
    std::size_t index;
    std::vector<double> partial;  // an element each of the result
  };
  std::vector<Operand> operands{};
  Var<double> scalar{};
  Tensor<double> tensor{};

  /// A number of no tape, which nothing can make dead.
  bool is_free() const { return !is_tensor && !has_gradient; }
  double at(std::size_t k) const { return value[value.size() == 1 ? 0 : k]; }
};

class Lives {
 public:
  void run(fuzz::Bytes bytes) {
    while (!bytes.is_empty()) {
      const unsigned op = bytes.byte() % 16, number = bytes.byte();
      const std::size_t t = number % 2;
      switch (op) {
        case 0:
        case 1:
          add_leaf(t, number, op == 1, true);
          break;
        case 2:
          add_leaf(t, number, true, false);
          break;
        case 3:
          open_scope(t);
          break;
        case 4:
          close_scope(t);
          break;
        case 5:
          clear(t);
          break;
        case 6:
          tapes_[t].trace((number & 2) != 0);
          break;
        case 7:
        case 8:
          if (!entries_.empty()) sweep(number % entries_.size());
          break;
        case 9:
          if (!entries_.empty()) add_sum(number % entries_.size());
          break;
        default:
          if (!entries_.empty()) combine(number % entries_.size(), bytes.byte() % entries_.size());
      }
      if (entries_.size() > 200) return;
    }
  }

 private:
  struct Scope {
    std::unique_ptr<Tape<double>::Scope> scope;
    std::size_t first;  // entry
    bool was_empty, is_void;
  };

  bool is_usable(const Entry& e) const { return e.is_free() || e.is_alive; }

  /// Runs f, which must throw a TapeError if and only if it may not succeed.
  template <class F>
  bool succeeds(bool may, F&& f) {
    try {
      f();
    } catch (const TapeError&) {
      fuzz::require(!may, "a live handle is accepted");
      return false;
    }
    fuzz::require(may, "a dead handle, one of another tape, and a constant are refused");
    return true;
  }

  void check_values(const Entry& e) {
    if (!is_usable(e)) {
      if (e.is_tensor) succeeds(false, [&] { return e.tensor.value(); });
      return;
    }
    for (std::size_t k = 0; k < e.value.size(); ++k) {
      const double x = e.is_tensor ? e.tensor.data()[k] : e.scalar.value();
      fuzz::require(std::abs(x - e.value[k]) <= 1e-12 * (1 + std::abs(x)), "the same value");
    }
  }

  void add(Entry entry) {
    if (!entry.is_tensor)
      fuzz::require(entry.scalar.is_constant() == !entry.has_gradient, "a constant is one");
    entries_.push_back(std::move(entry));
    check_values(entries_.back());
  }

  void add_leaf(std::size_t t, unsigned number, bool is_tensor, bool has_gradient) {
    const double x = static_cast<double>(number) / 64 - 2;
    Entry e{.tape = t, .is_tensor = is_tensor, .has_gradient = has_gradient};
    e.value.assign(is_tensor ? length : 1, x);
    if (!is_tensor) {
      e.scalar = tapes_[t].variable(x);
    } else {
      e.value.back() = -x;
      e.tensor = has_gradient ? tapes_[t].variable(Shape{length}, e.value)
                              : tapes_[t].constant(Shape{length}, e.value);
    }
    add(std::move(e));
  }

  void add_sum(std::size_t i) {
    const Entry& x = entries_[i];
    if (!x.is_tensor) return;
    Entry e{.tape = x.tape, .has_gradient = x.has_gradient};
    if (!succeeds(x.is_alive, [&] { e.scalar = sum(x.tensor); })) return;
    double total = 0;
    for (const double element : x.value) total += element;
    e.value = {total};
    e.operands = {{i, std::vector<double>(length, 1.0)}};
    if (is_tame(e)) add(std::move(e));
  }

  /// y = a b + a / 2
  void combine(std::size_t i, std::size_t j) {
    const Entry &a = entries_[i], &b = entries_[j];
    Entry e{.tape = a.is_free() ? b.tape : a.tape,
            .is_tensor = a.is_tensor || b.is_tensor,
            .has_gradient = a.has_gradient || b.has_gradient};
    const bool same = a.is_free() || b.is_free() || a.tape == b.tape;
    Entry::Operand of_a{i, {}}, of_b{j, {}};
    for (std::size_t k = 0; k < (e.is_tensor ? length : 1); ++k) {
      e.value.push_back(a.at(k) * b.at(k) + a.at(k) / 2);
      of_a.partial.push_back(b.at(k) + 0.5);
      of_b.partial.push_back(a.at(k));
    }
    e.operands = {of_a, of_b};
    if (!is_tame(e)) return;
    const auto formula = [](const auto& x, const auto& y) { return x * y + 0.5 * x; };
    const bool is_done = succeeds(same && is_usable(a) && is_usable(b), [&] {
      if (a.is_tensor && b.is_tensor) e.tensor = formula(a.tensor, b.tensor);
      if (a.is_tensor && !b.is_tensor) e.tensor = formula(a.tensor, b.scalar);
      if (!a.is_tensor && b.is_tensor) e.tensor = formula(a.scalar, b.tensor);
      if (!a.is_tensor && !b.is_tensor) e.scalar = formula(a.scalar, b.scalar);
    });
    if (is_done) add(std::move(e));
  }

  static bool is_tame(const Entry& e) {
    for (const double x : e.value) {
      if (!(std::abs(x) < 100)) return false;
    }
    return true;
  }

  void open_scope(std::size_t t) {
    if (scopes_[t].size() > 5) return;
    const bool is_empty = tapes_[t].statement_count() + tapes_[t].node_count() == 0;
    scopes_[t].push_back(
        {std::make_unique<Tape<double>::Scope>(tapes_[t]), entries_.size(), is_empty, false});
  }
  void close_scope(std::size_t t) {
    if (scopes_[t].empty()) return;
    const Scope& scope = scopes_[t].back();
    if (!scope.is_void) kill(t, scope.first);
    scopes_[t].pop_back();
  }
  void clear(std::size_t t) {
    tapes_[t].clear();
    kill(t, 0);
    for (Scope& scope : scopes_[t]) scope.is_void = scope.is_void || !scope.was_empty;
  }
  void kill(std::size_t t, std::size_t first) {
    for (std::size_t i = first; i < entries_.size(); ++i) {
      if (entries_[i].tape == t) entries_[i].is_alive = false;
    }
  }

  void sweep(std::size_t last) {
    const Entry& y = entries_[last];
    const bool is_done = succeeds(y.is_alive && y.has_gradient, [&] {
      Tape<double>& tape = tapes_[y.tape];
      y.is_tensor ? tape.backward(y.tensor, Eigen::VectorXd::Ones(Index{length}))
                  : tape.backward(y.scalar);
    });
    for (const Entry& e : entries_) check_values(e);
    if (!is_done) return;
    std::vector<std::vector<double>> adjoints;
    for (const Entry& e : entries_) adjoints.emplace_back(e.value.size(), 0.0);
    adjoints[last].assign(y.value.size(), 1.0);
    double scale = 1;
    for (std::size_t i = last + 1; i-- > 0;) {
      for (const Entry::Operand& operand : entries_[i].operands) {
        std::vector<double>& x_bar = adjoints[operand.index];
        for (std::size_t k = 0; k < operand.partial.size(); ++k) {
          const double share = adjoints[i][adjoints[i].size() == 1 ? 0 : k] * operand.partial[k];
          x_bar[x_bar.size() == 1 ? 0 : k] += share;
          scale = std::max(scale, std::abs(share));
        }
      }
    }
    for (std::size_t i = 0; i < entries_.size(); ++i) {
      const Entry& e = entries_[i];
      if (!e.is_alive || !e.has_gradient || e.tape != y.tape) continue;
      for (std::size_t k = 0; k < e.value.size(); ++k) {
        const double gradient =
            e.is_tensor ? e.tensor.grad()(static_cast<Index>(k)) : e.scalar.grad();
        fuzz::require(std::abs(gradient - adjoints[i][k]) <= 1e-9 * scale, "the same gradient");
      }
    }
  }

  Tape<double> tapes_[2];
  std::vector<Scope> scopes_[2];
  std::vector<Entry> entries_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Lives().run({data, size});
  return 0;
}
