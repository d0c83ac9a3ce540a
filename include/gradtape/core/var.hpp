#pragma once
/// \file
/// `Var`: a scalar on a tape.

#include <iosfwd>

#include "expression.hpp"
#include "tape.hpp"

namespace gradtape {

/// A scalar: its value, and where it stands on which tape.  A plain number converts to a Var that
/// is a constant. Copying a Var copies the handle: both name the same node.  Generic numeric code
/// may use it as its number type, Eigen's included.  It does not convert to a number by itself:
/// write `x.value()`.
template <class T>
class Var {
 public:
  using Scalar = T;  ///< the number type of its tape
  static_assert(std::is_floating_point_v<T> || detail::kind_of<T> == detail::Kind::dual ||
                    detail::kind_of<T> == detail::Kind::scalar,
                "gradtape: a Var is one number: name a tensor formula Tensor y = ...");

  /// The constant 0.
  constexpr Var() = default;
  /// A constant.
  template <Number N>
  [[gnu::always_inline]] constexpr Var(N value) : value_(static_cast<T>(value)) {}
  /// A constant of a nested type: a number of the inner tape, or a dual number.
  [[gnu::always_inline]] constexpr Var(const T& value) requires(!Number<T>) : value_(value) {}

  /// Records an expression as one node.
  /// \throws TapeError if its operands are of several tapes, or no longer recorded.
  template <class E>
  requires(detail::kind_of<E> == detail::Kind::scalar && std::is_same_v<detail::scalar_of<E>, T>)
      [[gnu::always_inline]] Var(const E& e)
      : recording_(e.first_recording()), value_(e.value()) {
    if (recording_ != nullptr && e.mismatch(recording_).is_none() &&
        recording_->statements.has_room(E::leaves)) [[likely]] {
      place_ = {recording_->now.bits | detail::append_statement(e, recording_->statements)};
    } else {
      const E copy(e);  // were its own address to escape, e would live in memory, not in registers
      *this = Var(detail::record_carefully(copy, copy.recording()), copy);
    }
  }
  /// From now on the handle names a new node, that of the expression; the old one is as it was.
  template <class E>
  requires(detail::kind_of<E> == detail::Kind::scalar && std::is_same_v<detail::scalar_of<E>, T>)
      [[gnu::always_inline]] Var&
      operator=(const E& e) {
    return *this = Var(e);
  }
  /// Another handle to the same node; nothing is recorded.
  Var(const Var&) = default;
  /// From now on the handle names the other node; nothing is recorded.
  Var& operator=(const Var&) = default;

  /// The number, known as soon as it is recorded.
  const T& value() const { return value_; }

  /// d loss / d this, as the last `backward` of the tape found it; 0 if the loss does not depend on
  /// it. \throws TapeError for a constant, a handle that is no longer recorded, or before a
  /// backward pass.
  [[gnu::always_inline]] const T& grad() const {
    if (recording_ != nullptr) [[likely]] {
      const std::uint64_t statement = recording_->statement_at(place_);
      if (recording_->has_adjoint(statement)) [[likely]]
        return recording_->statements.adjoint(statement);
    }
    check_gradient();
    return recording_->statements.adjoint(place_.index());
  }

  /// Whether it is a number rather than something recorded.
  bool is_constant() const { return recording_ == nullptr; }
  /// The tape that it is recorded on.
  /// \throws TapeError for a constant.
  Tape<T>& tape() const { return checked("tape").tape(); }

  /// Names it for drawings and error texts.
  const Var& name(std::string_view text) const {
    checked("name").name_statement(place_.index(), text);
    return *this;
  }

  ///@{
  /// As `y = y + x` and so on: records a new node, which the handle names from then on.
  template <FormulaPart X>
  [[gnu::always_inline]] Var& operator+=(const X& x) {
    return *this = *this + x;
  }
  template <FormulaPart X>
  [[gnu::always_inline]] Var& operator-=(const X& x) {
    return *this = *this - x;
  }
  template <FormulaPart X>
  [[gnu::always_inline]] Var& operator*=(const X& x) {
    return *this = *this * x;
  }
  template <FormulaPart X>
  [[gnu::always_inline]] Var& operator/=(const X& x) {
    return *this = *this / x;
  }
  Var& operator++() { return *this += 1; }
  Var& operator--() { return *this -= 1; }
  Var operator++(int) {
    const Var before = *this;
    ++*this;
    return before;
  }
  Var operator--(int) {
    const Var before = *this;
    --*this;
    return before;
  }
  ///@}

 private:
  friend class Tape<T>;
  template <class>
  friend struct detail::ScalarHandle;

  Var(const T& value, detail::Recording<T>& recording, detail::Place place)
      : recording_(&recording), value_(value), place_(place) {}

  /// Statement 0: a constant.
  template <class E>
  Var(std::uint32_t statement, const E& e) : value_(e.value()) {
    if (statement == 0) return;
    recording_ = e.recording();
    place_ = {recording_->now.bits | statement};
  }

  [[gnu::cold, gnu::noinline]] void check_gradient() const {
    if (!checked("grad").has_adjoint(place_.index())) {
      detail::fail<TapeError>("grad: ", recording_->describe_statement(place_.index()),
                              " has no gradient yet: call tape.backward(loss) after recording it");
    }
  }

  detail::Recording<T>& checked(const char* what) const {
    if (recording_ == nullptr) {
      detail::fail<TapeError>(
          what, ": a constant is on no tape; make it a variable with tape.variable(value)");
    }
    if (place_.epoch() != recording_->now.epoch())
      detail::check_scalar_handle(what, recording_, place_, recording_);
    return *recording_;
  }

  // the value stands between: two integers side by side compilers store by one vector register,
  // which takes longer to be filled
  detail::Recording<T>* recording_ = nullptr;
  T value_{};
  detail::Place place_;
};

/// `Var y = a * b;` has the number type of its operands.
template <class Op, class A, class B, class C>
Var(const ScalarExpr<Op, A, B, C>&) -> Var<typename A::Scalar>;
/// `Var x = 2;` is a constant of type double, `Var x = 2.0f;` one of type float.
template <Number N>
Var(N) -> Var<std::conditional_t<std::is_integral_v<N>, double, N>>;

/// The same value as a constant: derivatives stop here.
template <ScalarEntity X>
Var<detail::scalar_of<X>> detach(const X& x) {
  return Var<detail::scalar_of<X>>(x.value());
}

namespace detail {

/// What the engine sees of a Var.
template <class T>
struct ScalarHandle {
  static Var<T> make(const T& value, Recording<T>& recording, Place place) {
    return Var<T>(value, recording, place);
  }
  static Var<T> make(const T& value, Recording<T>& recording, std::uint32_t statement) {
    return make(value, recording, Place{recording.now.bits | statement});
  }
  static Recording<T>* recording(const Var<T>& x) { return x.recording_; }
  static Place place(const Var<T>& x) { return x.place_; }
  static std::uint32_t statement(const Var<T>& x) { return x.place_.index(); }
  [[gnu::always_inline]] static ScalarLeaf<T> leaf(const Var<T>& x) {
    return ScalarLeaf<T>(x.value_, x.recording_, x.place_);
  }
};

template <class T>
auto primal(const Var<T>& x) {
  return primal(x.value());
}

/// A nested scalar counts as zero only if it is a constant: the derivative of a zero need not be
/// zero.
template <class T>
bool is_exact_zero(const Var<T>& x) {
  return x.is_constant() && is_exact_zero(x.value());
}

/// Something as a part of a formula on tapes of T.
template <class T, class X>
[[gnu::always_inline]] inline auto lift_scalar(const X& x) {
  if constexpr (std::is_same_v<X, Var<T>>) {
    return ScalarHandle<T>::leaf(x);
  } else if constexpr (kind_of<X> == Kind::scalar && depth_of<X> == depth_of<Var<T>>) {
    return x;
  } else {
    return Constant<T>(static_cast<T>(x));
  }
}

}  // namespace detail

template <class T>
[[gnu::always_inline]] inline Var<T> Tape<T>::variable(const T& value, std::string_view name) {
  std::uint32_t statement;
  if (this->statements.has_room_for_leaves(1)) [[likely]] {
    statement = this->statements.append_leaf();
  } else {
    if (this->paused > 0) return constant(value);
    statement = this->append_leaf("variable", value);
  }
  if (!name.empty()) this->name_statement(statement, name);
  return detail::ScalarHandle<T>::make(value, *this, statement);
}

template <class T>
void Tape<T>::variables(std::span<const T> values, std::span<Var<T>> x) {
  const std::size_t n = x.size();
  if (n > this->statements.few || values.size() != n || !this->statements.has_room_for_leaves(n))
      [[unlikely]]
    return many_variables(values, x);
  detail::Place place = {this->now.bits | this->statements.append_few_leaves(n)};
  for (std::size_t i = 0; i < n; ++i) {
    x[i] = detail::ScalarHandle<T>::make(values[i], *this, place);
    ++place.bits;
    asm("");  // in vector registers it takes longer for a few
  }
}

template <class T>
[[gnu::noinline]] void Tape<T>::many_variables(std::span<const T> values, std::span<Var<T>> x) {
  const std::size_t n = x.size();
  if (values.size() != n)
    detail::fail<ShapeError>("variables: ", values.size(), " values for ", n, " scalars");
  if (this->tracer != nullptr || this->paused > 0) {
    for (std::size_t i = 0; i < n; ++i) x[i] = variable(values[i]);
    return;
  }
  if (!this->statements.has_room_for_leaves(n)) this->statements.make_room_for_leaves(n);
  const std::uint32_t first = this->statements.append_leaves(n);
  for (std::size_t i = 0; i < n; ++i)
    x[i] = detail::ScalarHandle<T>::make(values[i], *this, first + static_cast<std::uint32_t>(i));
}

template <class T>
void Tape<T>::gradients(std::span<const Var<T>> x, std::span<T> values) const {
  using Handle = detail::ScalarHandle<T>;
  const std::size_t n = x.size();
  if (values.size() != n) return gradients_carefully(x, values);
  for (std::size_t i = 0; i < n; ++i) {
    const std::uint64_t statement = this->statement_at(Handle::place(x[i]));
    if (Handle::recording(x[i]) != this || !this->has_adjoint(statement)) [[unlikely]]
      return gradients_carefully(x, values);
    values[i] = this->statements.adjoint(statement);
  }
}

template <class T>
[[gnu::cold, gnu::noinline]] void Tape<T>::gradients_carefully(std::span<const Var<T>> x,
                                                               std::span<T> values) const {
  if (values.size() != x.size()) {
    detail::fail<ShapeError>("gradients: ", x.size(), " scalars, ", values.size(), " values");
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    detail::ScalarHandle<T>::leaf(x[i]).check_for("gradients", *this);
    values[i] = x[i].grad();
  }
}

template <class T>
Var<T> Tape<T>::constant(const T& value) {
  return Var<T>(value);
}

template <class T>
void Tape<T>::backward(const Var<T>& loss, const T& seed) {
  if (this->has_few_scalars_only() && detail::ScalarHandle<T>::leaf(loss).mismatch(this).is_none())
    return this->sweep_few_scalars(detail::ScalarHandle<T>::statement(loss), seed);
  backward_carefully(loss, seed);
}

template <class T>
[[gnu::noinline]] void Tape<T>::backward_carefully(const Var<T>& loss, const T& seed) {
  if (loss.is_constant()) {
    detail::fail<TapeError>(
        "backward: the loss is a constant: it depends on nothing that is recorded on this tape");
  }
  detail::ScalarHandle<T>::leaf(loss).check_for("backward", *this);
  this->begin_sweep();
  this->statements.adjoint(detail::ScalarHandle<T>::statement(loss)) = seed;
  this->run_sweep();
}

/// Prints the value.
template <class Char, class Traits, ScalarEntity X>
std::basic_ostream<Char, Traits>& operator<<(std::basic_ostream<Char, Traits>& stream, const X& x) {
  return stream << x.value();
}

}  // namespace gradtape
