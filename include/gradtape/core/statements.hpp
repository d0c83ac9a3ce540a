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

namespace gradtape {

template <class T>
class Var;
template <class U>
class Dual;

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

/// Most operands of one statement: its count is one byte.
inline constexpr std::size_t max_operands = 255;

template <class T>
class Statements {
 public:
  /// Lengths of the streams: a place to rewind to.
  struct Mark {
    std::size_t statements = 0, operands = 0;
  };

  std::size_t size() const { return statements_; }
  Mark mark() const { return {statements_, operands_}; }
  void rewind(Mark mark) {
    statements_ = mark.statements;
    operands_ = mark.operands;
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

  /// \throws TapeError above 2^32 statements, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room(std::size_t n) {
    const std::size_t statements_left = max_statements - statements_;
    if (n > statements_left) fail<TapeError>("tape: more than 2^32 scalar statements");
    if (operands_ + n > operand_capacity_) {
      const std::size_t capacity =
          std::min(std::max<std::size_t>(2 * operand_capacity_, initial_capacity) + n,
                   operands_ + statements_left);
      make_room_for_statements(statements_ + capacity - operands_);
      partial_.reserve(capacity);
      operand_.reserve(capacity);
      operand_capacity_ = capacity;
    }
    divert(diverted_);
  }

  /// Makes `has_room` fail always, so that recording takes its slow path; this is how tracing and
  /// `no_grad` cost nothing when they are off.
  void divert(bool on) {
    diverted_ = on;
    operand_limit_ = on ? 0 : operand_capacity_;
    leaf_limit_ = on ? std::numeric_limits<std::ptrdiff_t>::min()
                     : static_cast<std::ptrdiff_t>(count_.capacity() - operand_capacity_) - 1;
  }

  /// Appends a statement of n >= 1 operands, for which there is room.  `write(partial, operand)`
  /// fills its pairs; n is known at compile time where speed matters.
  template <class Write>
  [[gnu::always_inline]] std::uint32_t append(std::size_t n, Write&& write) {
    const std::size_t operands = operands_, statement = statements_ + 1;
    write(partial_.data() + operands, operand_.data() + operands);
    count_.data()[statement] = static_cast<std::uint8_t>(n);
    operands_ = operands + n;
    statements_ = statement;
    return static_cast<std::uint32_t>(statement);
  }

  /// Whether a statement without operands fits.
  [[gnu::always_inline]] bool has_room_for_leaf() const {
    return static_cast<std::ptrdiff_t>(statements_ - operands_) < leaf_limit_;
  }
  /// \throws TapeError above 2^32 statements, std::bad_alloc
  [[gnu::cold, gnu::noinline]] void make_room_for_leaf() {
    if (statements_ + 1 > max_statements) fail<TapeError>("tape: more than 2^32 scalar statements");
    make_room_for_statements(statements_ + 1 + operand_capacity_ - operands_);
    divert(diverted_);
  }
  [[gnu::always_inline]] std::uint32_t append_leaf() {
    const std::size_t statement = ++statements_;
    count_.data()[statement] = 0;
    return static_cast<std::uint32_t>(statement);
  }

  // The sweep.

  /// Clears all adjoints and puts the sweep behind the last statement.
  void begin_sweep() {
    adjoint_.reserve(std::max(count_.capacity(), statements_ + 1));
    std::uninitialized_fill_n(adjoint_.data(), statements_ + 1, T(0));
    cursor_ = mark();
  }

  /// Sweeps the statements above `last`, down from where the sweep stands.
  /// `visit(statement, adjoint)` sees each adjoint when it is final.
  template <class Visit>
  void sweep_down_to(std::size_t last, Visit&& visit) {
    T* const __restrict adjoint = adjoint_.data();
    const std::uint8_t* const count = count_.data();
    const T* partial = partial_.data() + cursor_.operands;
    const std::uint32_t* operand = operand_.data() + cursor_.operands;
    // where no operands are left, only leaves are
    for (std::size_t statement = cursor_.statements; statement > last && partial != partial_.data();
         --statement) {
      const std::size_t n = count[statement];
      const T y_bar = adjoint[statement];
      partial -= n;
      operand -= n;
      visit(statement, y_bar);
      if (is_exact_zero(y_bar)) continue;
      for (std::size_t k = 0; k < n; ++k) adjoint[operand[k]] += partial[k] * y_bar;
    }
    cursor_.statements = std::min(cursor_.statements, last);
    cursor_.operands = static_cast<std::size_t>(partial - partial_.data());
  }

  T& adjoint(std::size_t statement) { return adjoint_.data()[statement]; }

  /// Operands of a statement, for drawing: walks the counts from the end.
  template <class Visit>
  void for_each_operand(std::size_t statement, Visit&& visit) const {
    std::size_t end = operands_;
    for (std::size_t s = statements_; s > statement; --s) end -= count_.data()[s];
    for (std::size_t k = end - count_.data()[statement]; k < end; ++k) {
      visit(operand_.data()[k], partial_.data()[k]);
    }
  }

 private:
  static constexpr std::size_t initial_capacity = 1024;

  static constexpr std::size_t max_statements = std::numeric_limits<std::uint32_t>::max() - 1;

  [[gnu::cold, gnu::noinline]] void make_room_for_statements(std::size_t n) {
    if (n + 2 > count_.capacity())
      count_.reserve(std::max<std::size_t>(2 * n, initial_capacity) + 2);
  }

  Stream<T> partial_;
  Stream<std::uint32_t> operand_;
  Stream<std::uint8_t> count_;
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
