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

/// \tparam max_statements  as many as an operand can name; less for tests
template <class T, std::size_t max_statements = std::numeric_limits<std::uint32_t>::max() - 1>
class Statements {
 public:
  /// Statements, beside statement 0, of which loops and calls would take longer than the work.
  static constexpr std::size_t few = 8;

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

  /// Rewinds to the beginning.
  void clear() {
    if constexpr (guards_memory) close_from({});
    statements_ = operands_ = 0;
    operand_limit_ = cleared_operand_limit_;
  }

  std::size_t bytes() const {
    return partial_.bytes() + operand_.bytes() + count_.bytes() + adjoint_.bytes();
  }

  /// Whether a statement of n >= 1 operands fits; if not, or if statements are diverted:
  /// `make_room`.  The count stream needs no test of its own: it always has room for as many
  /// statements as operands still fit.
  [[gnu::always_inline]] bool has_room(std::size_t n) const {
    return operands_ + n <= operand_limit_;
  }

  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room(std::size_t n) {
    check_statements(n);
    const std::size_t statements_left = max_statements - statements_;
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
    set_limits(statements_);
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

  /// Whether n statements without operands fit.
  [[gnu::always_inline]] bool has_room_for_leaves(std::size_t n) const {
    return static_cast<std::ptrdiff_t>(statements_ - operands_ + n) <= leaf_limit_;
  }
  /// \throws TapeError above 2^32 statements or beyond the budget, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room_for_leaves(std::size_t n) {
    check_statements(n);
    make_room_for_statements(statements_ + n + operand_capacity_ - operands_);
    set_limits(statements_ + n);  // what room is left is for operands
  }
  /// Appends n statements without operands, for which there is room, and returns the first.
  std::uint32_t append_leaves(std::size_t n) {
    count_.open_zeros(statements_ + 1, n);
    return end_leaves(n);
  }
  /// The same of at most `few`.
  [[gnu::always_inline]] std::uint32_t append_few_leaves(std::size_t n) {
    count_.template open_few_zeros<few>(statements_ + 1, n);
    return end_leaves(n);
  }
  /// The same of one.
  [[gnu::always_inline]] std::uint32_t append_leaf() {
    const std::size_t statement = ++statements_;
    *count_.open(statement) = Count{0};
    return static_cast<std::uint32_t>(statement);
  }

  // The sweep.

  /// Sets all adjoints to zero.
  /// \throws TapeError beyond the budget, std::bad_alloc
  void clear_adjoints() {
    if (statements_ < few && adjoint_.capacity() > 0) return clear_few_adjoints();
    if (statements_ >= adjoint_.capacity())
      adjoint_.reserve(std::max({2 * adjoint_.capacity(), statements_ + 1, few}));
    adjoint_.open_zeros(0, statements_ + 1);
  }
  /// The same of less than `few`.
  [[gnu::always_inline]] void clear_few_adjoints() {
    adjoint_.template open_few_zeros<few>(0, statements_ + 1);
  }

  /// What looks at no statement of a sweep.
  struct Ignore {
    void operator()(std::size_t, const T*, std::size_t, const T*, const std::uint32_t*) const {}
  };

  /// Sweeps the statements of all operands but the first `last`; returns where it stands.
  /// `visit(statement, adjoints, n, partial, operand)` sees each statement whose adjoint is not
  /// zero when that is final and its n operands have received their shares.
  template <class Visit = Ignore>
  [[gnu::always_inline]] Mark sweep(Mark from, std::size_t last, const Visit& visit = {}) {
    T* const __restrict adjoint = adjoint_.data();
    const Count* const count = count_.data();
    const T* partial = partial_.data() + from.operands;
    const std::uint32_t* operand = operand_.data() + from.operands;
    T y_bar = adjoint[from.statements];
    const T* const end = partial_.data() + last;
    std::size_t statement = from.statements;
    for (; partial != end; --statement) {
      const auto n = static_cast<std::size_t>(count[statement]);
      if (n == 0) {
        y_bar = adjoint[statement - 1];
        continue;
      }
      partial -= n;
      operand -= n;
      if (is_exact_zero(y_bar)) {
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
    return {statement, last};
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
  [[gnu::always_inline]] std::uint32_t end_leaves(std::size_t n) {
    const auto first = static_cast<std::uint32_t>(statements_ + 1);
    statements_ += n;
    return first;
  }

  static constexpr std::size_t initial_capacity = 1024;
  static constexpr std::ptrdiff_t no_leaves = std::numeric_limits<std::ptrdiff_t>::min();
  static constexpr std::size_t spare_counts = 1 + few;  // of statement 0, and `append_few_leaves`

  void set_limits(std::size_t statements) {
    // rewinding may give back more operands than statements: then the count stream is the limit
    const std::size_t room = std::max(count_.capacity(), spare_counts) - spare_counts;
    operand_limit_ =
        diverted_ ? 0 : std::min(operand_capacity_, operands_ + room - std::min(room, statements));
    cleared_operand_limit_ = diverted_ ? 0 : std::min(operand_capacity_, room);
    leaf_limit_ =
        diverted_ || room == 0 ? no_leaves : static_cast<std::ptrdiff_t>(room - operand_capacity_);
  }

  void check_statements(std::size_t more) const {
    if (more > max_statements - statements_)
      fail<TapeError>("tape: more than 2^32 scalar statements");
  }

  [[gnu::cold, gnu::noinline]] void make_room_for_statements(std::size_t n) {
    n = std::min(n, max_statements);
    adjoint_.reserve(few);
    if (n + spare_counts <= count_.capacity()) return;
    count_.reserve(std::min(std::max(2 * n, initial_capacity), max_statements) + spare_counts);
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
  std::size_t operand_capacity_ = 0, cleared_operand_limit_ = 0;
  std::ptrdiff_t leaf_limit_ = no_leaves;
  bool diverted_ = false;
};

}  // namespace detail
}  // namespace gradtape
