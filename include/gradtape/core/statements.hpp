#pragma once
/// \file
/// The scalar half of a tape.  A statement is one named scalar; it stores how it depends on others
/// as (partial, operand) pairs:
///
///     y = f(x_1 .. x_n)       count[y] = n,   partial = dy/dx_i,   operand = index of x_i
///     reverse sweep           adjoint[x_i] += partial_i adjoint[y],     last statement first
///
/// Structure of arrays; 12 bytes an operand and 1 a statement for double.  Statement 0 is nobody:
/// constants send their share there, which saves a test for each. Source: the statement-level
/// taping of Hogan (2014), Fast reverse-mode automatic differentiation using expression templates
/// in C++, ACM TOMS 40(4).

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>

#include "arena.hpp"
#include "kinds.hpp"

namespace gradtape {
namespace detail {

/// Whether a number contributes nothing to a derivative of any order.  For nested scalars (see
/// dual.hpp, var.hpp) a zero value is not enough.
template <class T>
constexpr bool is_exact_zero(const T& x) {
  return x == T(0);
}

template <class T>
bool is_exact_zero(const Var<T>& x);
template <class U>
bool is_exact_zero(const Dual<U>& x);

/// The plain number inside of a scalar, however deep.
template <class T>
requires std::is_arithmetic_v<T>
constexpr T primal(const T& x) { return x; }
template <class T>
auto primal(const Var<T>& x);
template <class U>
auto primal(const Dual<U>& x);

template <class T>
bool is_finite(const T& x) {
  return std::isfinite(primal(x));
}

/// Operands of one statement, in one byte.  An enumeration, since a character might alias anything,
/// and every store would make the compiler reload the lengths of the streams.
enum class Count : std::uint8_t {};

/// Most operands of one statement: its count is one byte.
inline constexpr std::size_t max_operands = 255;

template <class T>
class Statements {
 public:
  /// Lengths of the streams: a place to rewind to.
  struct Mark {
    std::size_t statements = 0, operands = 0;
  };

  explicit Statements(Budget& budget)
      : partial_(budget), operand_(budget), count_(budget), adjoint_(budget) {}

  std::size_t size() const { return statements_; }
  Mark mark() const { return {statements_, operands_}; }
  void rewind(Mark mark) {
    if constexpr (guards_memory) close_from(mark);
    statements_ = mark.statements;
    operands_ = mark.operands;
    divert(diverted_);
  }

  /// Rewinds to the beginning.  The count stream then has room for as many statements as operands.
  void clear() {
    if constexpr (guards_memory) close_from({});
    statements_ = operands_ = 0;
    if (!diverted_) operand_limit_ = operand_capacity_;
  }

  std::size_t bytes() const {
    return partial_.capacity() * sizeof(T) + operand_.capacity() * sizeof(std::uint32_t) +
           count_.capacity() + adjoint_.capacity() * sizeof(T);
  }

  /// Whether a statement of n >= 1 operands fits; if not, or if statements are diverted:
  /// `make_room`.  The count stream needs no test of its own: it always has room for as many
  /// statements as operands still fit.
  [[gnu::always_inline]] bool has_room(std::size_t n) const {
    return operands_ + n <= operand_limit_;
  }

  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room(std::size_t n) {
    const std::size_t statements_left = max_statements - statements_;
    if (n > statements_left) fail<TapeError>("tape: more than 2^32 scalar statements");
    std::size_t capacity = operand_capacity_;
    if (operands_ + n > capacity) {
      capacity = std::min(std::max<std::size_t>(2 * capacity, initial_capacity) + n,
                          operands_ + statements_left);
      partial_.reserve(capacity);
      operand_.reserve(capacity);
    }
    make_room_for_statements(std::max(statements_ + capacity - operands_, capacity));
    operand_capacity_ = capacity;  // not before all streams have grown: any of them may throw
    divert(diverted_);
  }

  /// Makes `has_room` fail always, so that recording takes its slow path; this is how tracing and
  /// `no_grad` cost nothing when they are off.
  void divert(bool on) {
    diverted_ = on;
    // rewinding may give back more operands than statements: then the count stream is the limit
    const std::size_t statements_left =
        std::max(count_.capacity(), statements_ + 1) - statements_ - 1;
    operand_limit_ = on ? 0 : std::min(operand_capacity_, operands_ + statements_left);
    leaf_limit_ = on ? std::numeric_limits<std::ptrdiff_t>::min()
                     : static_cast<std::ptrdiff_t>(count_.capacity() - operand_capacity_) - 1;
  }

  /// Appends a statement of n >= 1 operands, for which there is room.  `write(partial, operand)`
  /// fills its pairs; n is known at compile time where speed matters.
  template <class Write>
  [[gnu::always_inline]] std::uint32_t append(std::size_t n, Write&& write) {
    const std::size_t operands = operands_, statement = statements_ + 1;
    write(partial_.open(operands, n), operand_.open(operands, n));
    *count_.open(statement) = static_cast<Count>(n);
    operands_ = operands + n;
    statements_ = statement;
    return static_cast<std::uint32_t>(statement);
  }

  /// The same of pairs that stand in memory; makes room where there is none.
  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  [[gnu::cold, gnu::noinline]] std::uint32_t append(std::size_t n, const T* partials,
                                                    const std::uint32_t* operands) {
    if (!has_room(n)) make_room(n);
    return append(n, [&](T* partial, std::uint32_t* operand) {
      for (std::size_t k = 0; k < n; ++k) {
        partial[k] = partials[k];
        operand[k] = operands[k];
      }
    });
  }

  /// Whether a statement without operands fits.
  [[gnu::always_inline]] bool has_room_for_leaf() const {
    return static_cast<std::ptrdiff_t>(statements_ - operands_) < leaf_limit_;
  }
  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room_for_leaf() {
    if (statements_ + 1 > max_statements) fail<TapeError>("tape: more than 2^32 scalar statements");
    make_room_for_statements(statements_ + 1 + operand_capacity_ - operands_);
    divert(diverted_);
  }
  [[gnu::always_inline]] std::uint32_t append_leaf() {
    const std::size_t statement = ++statements_;
    *count_.open(statement) = Count{0};
    return static_cast<std::uint32_t>(statement);
  }

  /// Appends n statements without operands and returns the first.
  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  std::uint32_t append_leaves(std::size_t n) {
    if (n > max_statements - statements_) fail<TapeError>("tape: more than 2^32 scalar statements");
    if (statements_ + n + operand_capacity_ - operands_ + 2 > count_.capacity()) {
      make_room_for_statements(statements_ + n + operand_capacity_ - operands_);
      divert(diverted_);
    }
    const std::size_t first = statements_ + 1;
    fill_n(count_.open(first, n), n, Count{0});
    statements_ += n;
    return static_cast<std::uint32_t>(first);
  }

  // The sweep.

  /// Clears all adjoints and puts the sweep behind the last statement.
  void begin_sweep() {
    if (statements_ >= adjoint_.capacity()) [[unlikely]]
      adjoint_.reserve(std::max(2 * adjoint_.capacity(), statements_ + 1));
    fill_n(adjoint_.open(0, statements_ + 1), statements_ + 1, T(0));
    cursor_ = mark();
  }

  /// What looks at no statement of a sweep.
  struct Ignore {
    void operator()(std::size_t, const T*, std::size_t, const T*, const std::uint32_t*) const {}
  };

  bool is_swept_down_to(std::size_t last) const { return cursor_.statements <= last; }

  /// Sweeps the statements above `last`, down from where the sweep stands.
  /// `visit(statement, adjoints, n, partial, operand)` sees each statement whose adjoint is not
  /// zero when that is final and its n operands have received their shares.
  template <class Visit = Ignore>
  [[gnu::always_inline]] void sweep_down_to(std::size_t last, const Visit& visit = {}) {
    T* const __restrict adjoint = adjoint_.data();
    const Count* const count = count_.data();
    const T* partial = partial_.data() + cursor_.operands;
    const std::uint32_t* operand = operand_.data() + cursor_.operands;
    T y_bar = adjoint[cursor_.statements];
    // where no operands are left, only leaves are
    for (std::size_t statement = cursor_.statements; statement > last && partial != partial_.data();
         --statement) {
      const auto n = static_cast<std::size_t>(count[statement]);
      partial -= n;
      operand -= n;
      if (n == 0 || is_exact_zero(y_bar)) {
        y_bar = adjoint[statement - 1];
        continue;
      }
      for (std::size_t k = n - 1; k > 0; --k) adjoint[operand[k]] += partial[k] * y_bar;
      const std::size_t first = operand[0];
      const T before = adjoint[statement - 1];
      const T sum = adjoint[first] + partial[0] * y_bar;
      adjoint[first] = sum;
      visit(statement, adjoint, n, partial, operand);
      y_bar = first == statement - 1 ? sum : before;
    }
    cursor_.statements = std::min(cursor_.statements, last);
    cursor_.operands = static_cast<std::size_t>(partial - partial_.data());
  }

  T& adjoint(std::size_t statement) { return adjoint_.data()[statement]; }
  const T& adjoint(std::size_t statement) const { return adjoint_.data()[statement]; }

  /// Calls visit(statement, n, partial, operand) for every statement, in order of recording.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::size_t k = 0;
    for (std::size_t statement = 1; statement <= statements_; ++statement) {
      const auto n = static_cast<std::size_t>(count_.data()[statement]);
      visit(statement, n, partial_.data() + k, operand_.data() + k);
      k += n;
    }
  }

 private:
  /// A few elements without a call.
  template <class U>
  [[gnu::always_inline]] static void fill_n(U* elements, std::size_t n, U value) {
    if (n > 16) {
      std::uninitialized_fill_n(elements, n, value);
      return;
    }
    for (std::size_t i = 0; i < n; ++i) {
      std::construct_at(elements + i, value);
      asm("");  // of a plain loop the compiler makes the call again
    }
  }

  static constexpr std::size_t initial_capacity = 1024;

  static constexpr std::size_t max_statements = std::numeric_limits<std::uint32_t>::max() - 1;

  [[gnu::cold, gnu::noinline]] void make_room_for_statements(std::size_t n) {
    if (n + 2 > count_.capacity())
      count_.reserve(std::max<std::size_t>(2 * n, initial_capacity) + 2);
  }

  void close_from(Mark mark) {
    partial_.close(mark.operands, operands_);
    operand_.close(mark.operands, operands_);
    count_.close(mark.statements + 1, statements_ + 1);
    adjoint_.close(mark.statements + 1, std::min(statements_ + 1, adjoint_.capacity()));
  }

  Stream<T> partial_;
  Stream<std::uint32_t> operand_;
  Stream<Count> count_;
  Stream<T> adjoint_;
  // size_t beside the 32-bit operand stream: a counter of the stream's own type might alias it, and
  // would be reloaded after each store
  std::size_t operands_ = 0;
  std::size_t operand_limit_ =
      0;  // between the two lengths: stored as a pair of neighbours they would stall
  std::size_t statements_ = 0;  // the loads of the next statement
  std::size_t operand_capacity_ = 0;
  std::ptrdiff_t leaf_limit_ = 0;
  bool diverted_ = false;
  Mark cursor_;
};

}  // namespace detail
}  // namespace gradtape
