#pragma once
/// \file
/// The tape: records what is computed, and differentiates it in one reverse sweep.
///
///     L = c (a + 2 b)
///     record     d = 2 b  ->  e = a + d  ->  L = c e        values, as they are computed
///     sweep      a_bar, d_bar  <-  e_bar, c_bar  <-  1      adjoints, in reverse order
///
/// Sources: Linnainmaa (1970), the reverse mode; Griewank and Walther (2008), Evaluating
/// Derivatives, ch. 3, 4.

#include <Eigen/Core>
#include <span>

#include "recording.hpp"

namespace gradtape {

/// What `Tape::trace` looks for beside the first NaN or infinity.
struct TraceOptions {
  /// Whether errors name the line of the program that recorded the operation.  Each operation then
  /// costs some microseconds and each error up to twenty seconds; it takes a program compiled with
  /// `-g` (by clang with optimisation: `-gdwarf-4`), on a system with GNU's addr2line and timeout,
  /// and is left out where it cannot be found.
  bool lines = false;
};

/// Records computations on scalars and tensors of type T, and owns the memory of all of them.
/// \snippet reference/autodiff_test.cpp tape
/// Handles (`Var`, `Tensor`) must not outlive it.  One tape serves one thread; any number of tapes
/// may exist at once.
template <class T>
class Tape : detail::Recording<T> {
  using Recording = detail::Recording<T>;
  friend Recording;

 public:
  // Leaves.

  /// An independent scalar: a leaf with a gradient.
  Var<T> variable(const T& value, std::string_view name = {});
  /// Independent scalars, one for each value, in one go: x[i] = variable(values[i]).
  /// \throws ShapeError if the spans differ in length.
  void variables(std::span<const T> values, std::span<Var<T>> x);
  /// An independent tensor, copied from an Eigen vector (rank 1) or matrix (rank 2).
  template <class Derived>
  Tensor<T> variable(const Eigen::DenseBase<Derived>& value, std::string_view name = {});
  /// An independent tensor of any rank from a range of its elements in column-major order.
  /// \throws ShapeError if the number of values is not the size of the shape.
  template <class Values>
  Tensor<T> variable(const Shape& shape, const Values& values, std::string_view name = {});

  /// A scalar without gradient.
  Var<T> constant(const T& value);
  /// A tensor without gradient: what depends on constants alone costs nothing backward.
  template <class Derived>
  Tensor<T> constant(const Eigen::DenseBase<Derived>& value, std::string_view name = {});
  /// The same of any rank, from a range of its elements in column-major order.
  /// \throws ShapeError if the number of values is not the size of the shape.
  template <class Values>
  Tensor<T> constant(const Shape& shape, const Values& values, std::string_view name = {});
  /// A tensor of one repeated number, without gradient.
  Tensor<T> full(const Shape& shape, const T& value);

  /// A parameter as a tensor of this tape: its value is read in place, its gradient written in
  /// place.  It must outlive the recording.
  Tensor<T> parameter(const Parameter<T>& parameter);

  // Differentiation.

  /// Computes d loss / d x for every x on the tape that the loss depends on; read them with
  /// `x.grad()`.  Gradients of nodes are fresh at each call, those of parameters add up until they
  /// are cleared; after an exception in a backward function they may hold a part of it.
  /// \param seed  the adjoint of the loss; 1 for a derivative.
  /// \throws TapeError if the loss is not on this tape (a constant, another tape, a forgotten
  /// recording).
  void backward(const Var<T>& loss, const T& seed = T(1));
  /// The gradient of a tensor that has one element.
  /// \throws ShapeError if it has not.
  void backward(const Tensor<T>& y);
  /// The vector-Jacobian product  seed^T dy/dx,  seed of the shape of y.
  template <class Derived>
  void backward(const Tensor<T>& y, const Eigen::DenseBase<Derived>& seed);
  /// The gradients of many scalars in one go: values[i] = x[i].grad().
  /// \throws ShapeError if the spans differ in length, TapeError as `Var::grad` does.
  void gradients(std::span<const Var<T>> x, std::span<T> values) const;

  // The life of a recording.

  /// Forgets everything recorded and keeps the memory.  Handles from before are refused from now
  /// on.
  [[gnu::always_inline]] void clear() { Recording::clear(); }

  class Scope;
  /// Forgets at the end of its block, also when an exception passes, what was recorded since.
  /// \snippet reference/autodiff_test.cpp scope
  [[nodiscard]] Scope scope() { return Scope(*this); }

  class Part;
  /// Gives what is recorded until the end of its block the name of a part, in which it is drawn as
  /// a group of its own, and with which `trace` says where an error arose.  Parts nest.
  /// \throws TapeError if the name is empty.
  [[nodiscard]] Part part(std::string_view name) { return Part(*this, name); }

  class NoGrad;
  /// Until the end of its block results are constants: for evaluation without a backward pass.
  /// \snippet reference/autodiff_test.cpp no_grad
  [[nodiscard]] NoGrad no_grad() { return NoGrad(*this); }

  /// While on, every operation becomes a node of its own with a label, and the first NaN or
  /// infinity, of a value or of a gradient, stops with a DomainError that names where it arose.
  /// Every operation is looked at, also one whose result `where` does not take.
  void trace(bool on, const TraceOptions& options = {});

  // The size of a recording.

  /// Scalars in the recording, results of reductions of tensors among them.
  std::size_t statement_count() const { return this->statements.size(); }
  /// Tensors in the recording; an operation on tensors with a scalar result counts as one.
  std::size_t node_count() const { return this->nodes.size(); }
  /// Bytes held, used or not.
  std::size_t bytes() const { return this->statements.bytes() + this->arena.bytes(); }

  /// From now on the tape refuses to hold more, with a TapeError at the operation that would need it,
  /// instead of taking memory until the system has none.  What was recorded before is as it was, and
  /// the tape can be cleared and used again.  It takes memory in growing steps, so that it may meet
  /// the limit when half of it is in use.
  void limit_bytes(std::size_t limit) { this->budget.limit = limit; }

  /// Uninitialised memory that lives as long as the recording: for what a backward function needs
  /// again.
  template <class U = T>
  U* workspace(Index count) {
    static_assert(std::is_trivially_copyable_v<U>);
    return this->arena.template allocate<U>(static_cast<std::size_t>(count),
                                            detail::tensor_alignment);
  }

 private:
  void many_variables(std::span<const T> values, std::span<Var<T>> x);
  void gradients_carefully(std::span<const Var<T>> x, std::span<T> values) const;
  void backward_carefully(const Var<T>& loss, const T& seed);
  void divert() { this->statements.divert(this->tracer != nullptr || this->paused > 0); }
  Tensor<T> leaf(std::string_view operation, const Shape& shape, bool needs_grad,
                 std::string_view name);
  template <class Derived>
  Tensor<T> leaf_from(std::string_view operation, const Eigen::DenseBase<Derived>& value,
                      bool needs_grad, std::string_view name);
  template <class Values>
  Tensor<T> leaf_from(std::string_view operation, const Shape& shape, const Values& values,
                      bool needs_grad, std::string_view name);
};

/// Rewinds its tape when it ends.  See `Tape::scope`.
template <class T>
class Tape<T>::Scope {
 public:
  /// As `tape.scope()`.
  explicit Scope(Tape& tape) : tape_(tape), mark_(tape.mark()), epoch_(tape.now.epoch()) {
    tape.prepare_rewind();
  }
  Scope(const Scope&) = delete;
  Scope& operator=(const Scope&) = delete;
  ~Scope() {
    // a clear() inside of the scope has already forgotten more than the scope would
    if (tape_.untouched(epoch_, mark_.statements.statements, mark_.nodes)) tape_.rewind(mark_);
  }

 private:
  Tape& tape_;
  typename Recording::Mark mark_;
  std::uint32_t epoch_;
};

/// A named part of the recording, which ends with it.  See `Tape::part`.
template <class T>
class Tape<T>::Part {
 public:
  /// As `tape.part(name)`.
  Part(Tape& tape, std::string_view name) : tape_(tape), part_(tape.begin_part(name)) {}
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;
  ~Part() { tape_.end_part(part_); }

 private:
  Tape& tape_;
  detail::Parts::Handle part_;
};

/// Stops the recording of dependences until it ends.  See `Tape::no_grad`.
template <class T>
class Tape<T>::NoGrad {
 public:
  /// As `tape.no_grad()`.
  explicit NoGrad(Tape& tape) : tape_(tape) {
    ++tape_.paused;
    tape_.divert();
  }
  NoGrad(const NoGrad&) = delete;
  NoGrad& operator=(const NoGrad&) = delete;
  ~NoGrad() {
    --tape_.paused;
    tape_.divert();
  }

 private:
  Tape& tape_;
};

}  // namespace gradtape
