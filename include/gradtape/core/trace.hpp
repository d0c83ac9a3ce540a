#pragma once
/// \file
/// What `Tape::trace` looks for: the first value or gradient that is infinite or NaN, named
/// together with the operation in which it arose:
///
///     trace: log('x' = -1) is NaN
///     trace: the gradient of 'x' is inf after the backward step of 'y' = sqrt('x' = 0), ...
///
/// and with the part of the recording (`Tape::part`) and the line of the program, if these are
/// known: ", in part 'encoder', at model.cpp:42".
/// Leaves and constants are not looked at: infinity is a proper mask, and what is made of it is.

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <vector>

#include "call_sites.hpp"
#include "fused.hpp"
#include "tracer.hpp"

namespace gradtape::detail {

/// A number, the same in every locale: "0.5", "NaN", "-inf".
template <class T>
std::string number_text(const T& x, int digits = 6) {
  const auto number = primal(x);
  if (std::isnan(number)) return "NaN";
  char text[64];
  const auto end =
      std::to_chars(text, text + sizeof(text), number, std::chars_format::general, digits);
  return std::string(text, end.ptr);
}

/// "'x' = 2"; the number alone for a constant.
template <class T>
std::string describe_operand(const Recording<T>& recording, std::uint32_t statement,
                             const T& value) {
  const TracedScalar<T>* scalar = recording.find_traced(statement);
  if (statement == 0 || (scalar != nullptr && scalar->operation == "constant"))
    return number_text(value);
  return concat(recording.describe_statement(statement), " = ", number_text(value));
}
template <class T>
std::string describe_operand(const Recording<T>& recording, std::uint32_t statement) {
  const TracedScalar<T>* scalar = recording.find_traced(statement);
  return scalar != nullptr ? describe_operand(recording, statement, scalar->value)
                           : recording.describe_statement(statement);
}

/// n things with commas between them.
template <class Text>
std::string list_text(std::size_t n, Text&& text) {
  std::string list;
  for (std::size_t i = 0; i < n; ++i) list += (i == 0 ? "" : ", ") + text(i);
  return list;
}

/// " at element [1, 0]"; nothing for rank 0.
inline std::string position_text(const Shape& shape, Index element) {
  if (shape.rank() == 0) return {};
  return concat(" at element [",
                list_text(static_cast<std::size_t>(shape.rank()),
                          [&](std::size_t d) {
                            const Index size = shape[static_cast<int>(d)];
                            const Index position = element % size;
                            element /= size;
                            return std::to_string(position);
                          }),
                "]");
}

/// ", in part 'encoder/attention', at model.cpp:42"; nothing for what is not known.
template <class T>
std::string place_text(const Recording<T>& recording, std::size_t part, std::uint32_t site) {
  std::string text;
  if (part != Parts::none) text = concat(", in part '", recording.parts.path(part), "'");
  if (recording.tracer != nullptr) text += recording.tracer->call_site_text(site);
  return text;
}
/// Of what is being recorded.
template <class T>
std::string place_text(const Recording<T>& recording) {
  return place_text(recording, recording.parts.open(), recording.tracer->call_site());
}

template <class T>
std::uint32_t record_traced_scalar(Recording<T>& recording, std::string_view operation,
                                   const T& value, std::size_t n,
                                   const TracedOperand<T>* operands) {
  if (!is_finite(value)) {
    const std::string text = list_text(n, [&](std::size_t i) {
      return describe_operand(recording, operands[i].statement, operands[i].value);
    });
    fail<DomainError>("trace: ", operation, "(", text, ") is ", number_text(value),
                      place_text(recording));
  }
  if (recording.paused > 0) return 0;
  recording.statements.make_room(n);
  const std::uint32_t statement = recording.statements.append(n, [&](T* p, std::uint32_t* o) {
    for (std::size_t i = 0; i < n; ++i) {
      p[i] = operands[i].partial;
      o[i] = operands[i].statement;
    }
  });
  recording.tracer->remember(statement, operation, value);
  return statement;
}

/// The size if all are finite.
template <class T>
Index first_not_finite(const T* x, Index size) {
  return std::find_if(x, x + size, [](const T& element) { return !is_finite(element); }) - x;
}

/// The element of an operand that broadcasts to an element of a result.
inline Index broadcast_position(const Shape& operand, const Shape& result, Index element) {
  Index position = 0, run = 1;
  for (int d = 0; d < result.rank(); ++d) {
    if (operand[d] != 1) position += element % result[d] * run;
    run *= operand[d];
    element /= result[d];
  }
  return position;
}

/// Stops at a result that is not finite.  Of an element-wise operation the operands' elements are
/// shown, too.
template <class T>
void check_value(const Recording<T>& recording, std::size_t index, bool is_element_wise) {
  const Node<T>& node = *recording.nodes[index];
  const Index k = first_not_finite(node.value, node.shape.size());
  if (k == node.shape.size()) return;
  const std::string operands = list_text(node.operand_count, [&](std::size_t i) {
    const Edge edge = node.operands[i];
    if (edge.is_scalar) return describe_operand(recording, edge.index);
    std::string text = recording.describe_node(edge.index);
    if (is_element_wise) {
      text += " = ";
      const Node<T>& operand = *recording.nodes[edge.index];
      text += number_text(operand.value[broadcast_position(operand.shape, node.shape, k)]);
    }
    return text;
  });
  fail<DomainError>("trace: ", node.operation, "(", operands, ") is ", number_text(node.value[k]),
                    position_text(node.shape, k), place_text(recording));
}

/// Calls visit(gradient, first, count) for the runs of elements to whose gradient something has
/// contributed: in this sweep, or, to a parameter, since it was last cleared.
template <class T, class Visit>
void for_each_gradient_run(const Recording<T>& recording, const Node<T>& node, Visit&& visit) {
  const Index rows = node.shape.rows();
  if (node.parameter == nullptr) {
    if (node.grad != nullptr && node.sweep == recording.sweep)
      visit(node.grad, 0, node.shape.size());
  } else if (node.parameter->is_sparse()) {
    for (const Index j : node.parameter->touched())
      visit(node.parameter->gradient_memory(), j * rows, rows);
  } else if (node.parameter->has_grad()) {
    visit(node.parameter->gradient_memory(), 0, node.shape.size());
  }
}

/// Stops at an element that is not finite in the gradient of a tensor.  `when()` ends the text.
template <class T, class When>
void check_gradient(const Recording<T>& recording, std::size_t index, When&& when) {
  const Node<T>& node = *recording.nodes[index];
  for_each_gradient_run(recording, node, [&](const T* gradient, Index first, Index count) {
    const Index k = first + first_not_finite(gradient + first, count);
    if (k == first + count) return;
    fail<DomainError>("trace: the gradient of ", recording.describe_node(index), " is ",
                      number_text(gradient[k]), position_text(node.shape, k), ", where it is ",
                      number_text(node.value[k]), ", ", when());
  });
}

/// Stops at a seed, or at the gradient that a parameter brings along, that is not finite: what the
/// sweep finds later has arisen in it.
template <class T>
void check_before_sweep(const Recording<T>& recording) {
  for (std::size_t i = 0; i < recording.nodes.size(); ++i)
    check_gradient(recording, i, [] { return "before the backward pass"; });
}

/// Stops where a statement has made the adjoint of an operand infinite or NaN.
template <class T>
void check_statement_sweep(const Recording<T>& recording, std::uint32_t y, const T* adjoint,
                           std::size_t n, const T* partial, const std::uint32_t* operand) {
  if (!is_finite(adjoint[y])) {
    fail<DomainError>("trace: the gradient of ", describe_operand(recording, y), " is ",
                      number_text(adjoint[y]), ", before the backward pass");
  }
  for (std::size_t k = 0; k < n; ++k) {
    if (operand[k] == 0 || is_finite(adjoint[operand[k]])) continue;
    const TracedScalar<T>* scalar = recording.find_traced(y);
    fail<DomainError>(
        "trace: the gradient of ", recording.describe_statement(operand[k]), " is ",
        number_text(adjoint[operand[k]]), " after the backward step of ",
        recording.describe_statement(y), " = ", scalar != nullptr ? scalar->operation : "formula",
        "(", list_text(n, [&](std::size_t i) { return describe_operand(recording, operand[i]); }),
        "), whose gradient is ", number_text(adjoint[y]), " and whose derivative is ",
        number_text(partial[k]),
        place_text(recording, recording.parts.of_statement(y),
                   scalar != nullptr ? scalar->call_site : 0));
  }
}

/// Stops where a backward function has made the gradient of an operand infinite or NaN.
template <class T>
void check_node_sweep(const Recording<T>& recording, std::size_t index) {
  const Node<T>& node = *recording.nodes[index];
  const auto operand = [&](std::size_t i) {
    const Edge edge = node.operands[i];
    return edge.is_scalar ? describe_operand(recording, edge.index)
                          : recording.describe_node(edge.index);
  };
  const auto when = [&] {
    return concat("after the backward step of ", node.operation, "(",
                  list_text(node.operand_count, operand), ")",
                  place_text(recording, recording.parts.of_node(index), node.call_site));
  };
  for (std::size_t i = 0; i < node.operand_count; ++i) {
    const Edge edge = node.operands[i];
    if (!edge.is_scalar) {
      check_gradient(recording, edge.index, when);
    } else if (edge.index != 0 && !is_finite(recording.statements.adjoint(edge.index))) {
      fail<DomainError>("trace: the gradient of ", recording.describe_statement(edge.index), " is ",
                        number_text(recording.statements.adjoint(edge.index)), ", ", when());
    }
  }
}

template <class T>
void sweep_traced_statements(Recording<T>& recording, std::size_t last_operand) {
  const auto check = [&recording](std::size_t y, const T* adjoint, std::size_t n, const T* partial,
                                  const std::uint32_t* operand) {
    check_statement_sweep(recording, static_cast<std::uint32_t>(y), adjoint, n, partial, operand);
  };
  recording.sweep_position =
      recording.statements.sweep(recording.sweep_position, last_operand, check);
}

/// Calls visit(element, x) for every element of the result, x its operands.
template <class T, class Visit>
void for_each_element(const FusedPlan<T>& plan, Visit&& visit) {
  T x[3]{};
  for (Index i = 0; i < plan.shape.size(); ++i) {
    for (int k = 0; k < plan.count; ++k) {
      const FusedOperand<T>& from = plan.operand[k];
      x[k] = from.node != nullptr
                 ? from.node->value[broadcast_position(from.node->shape, plan.shape, i)]
                 : from.value;
    }
    visit(i, static_cast<const T*>(x));
  }
}

template <class T>
void sweep_traced_elementwise(const FusedPlan<T>& plan, const NumberOperation<T>& operation,
                              const Node<T>& node, Recording<T>& recording) {
  FusedTarget<T> targets[3];
  begin_backward(plan, recording, targets);
  for (int k = 0; k < plan.count; ++k) {
    if (targets[k].assigns_all) std::fill_n(targets[k].gradient, plan.shape.size(), T(0));
  }
  for_each_element(plan, [&](Index i, const T* x) {
    if (is_exact_zero(node.grad[i])) return;
    for (int k = 0; k < plan.count; ++k) {
      if (!plan.is_active(k)) continue;
      const T slope = operation.partial(x, node.value[i], k);
      if (operation.selects && is_exact_zero(slope)) continue;
      const FusedOperand<T>& to = plan.operand[k];
      T& sum = to.node != nullptr
                   ? targets[k].gradient[broadcast_position(to.node->shape, plan.shape, i)]
                   : targets[k].sum;
      sum += T(node.grad[i] * slope);
    }
  });
  end_backward(plan, recording, targets);
}

/// One operation as a node of its own, computed number by number.
template <class T>
Tensor<T> record_traced_elementwise(const FusedOperands<T>& operands,
                                    const NumberOperation<T>& operation) {
  Recording<T>& recording = operands.recording;
  std::uint64_t live = 0;
  for (int k = 0; k < operands.count; ++k) {
    FusedOperand<T>& x = operands.operand[k];
    if (x.node == nullptr && x.statement == 0) x.index = trace_constant(recording, x.value);
    live |= std::uint64_t{operation.depends_on[k]} << k;
  }
  const FusedPlan<T> plan(operands, live);
  Node<T>& node = append_fused_node(operands, plan, 1);
  for_each_element(plan, [&](Index i, const T* x) { node.value[i] = operation.value(x); });
  if (node.grad != nullptr) {
    recording.set_backward(node, [plan, &operation, &recording](Node<T>& y) {
      sweep_traced_elementwise(plan, operation, y, recording);
    });
  }
  check_value(recording, recording.last_node(), true);
  return TensorHandle<T>::make(recording, node);
}

template <class T>
void check_traced_reduction(const Recording<T>& recording, std::string_view operation,
                            const T& value, std::size_t n, const Tensor<T>* operands) {
  if (is_finite(value)) return;
  const std::string text = list_text(n, [&](std::size_t i) {
    return recording.describe_node(TensorHandle<T>::index(operands[i]));
  });
  fail<DomainError>("trace: ", operation, "(", text, ") is ", number_text(value),
                    place_text(recording));
}

template <class T>
class RecordingTracer final : public Tracer<T> {
 public:
  explicit RecordingTracer(Recording<T>& recording) : recording_(recording) {}

  void keep_call_sites(bool on) { keeps_call_sites_ = on; }

  std::uint32_t call_site() override { return keeps_call_sites_ ? call_sites_.current() : 0; }
  std::string call_site_text(std::uint32_t site) const override {
    return keeps_call_sites_ ? call_sites_.text(site) : std::string();
  }
  void remember(std::uint32_t statement, std::string_view operation, const T& value) override {
    scalars_.push_back({statement, call_site(), operation, value});
  }
  const TracedScalar<T>* find(std::uint32_t statement) const override {
    const auto found = std::lower_bound(
        scalars_.begin(), scalars_.end(), statement,
        [](const TracedScalar<T>& x, std::uint32_t wanted) { return x.statement < wanted; });
    return found != scalars_.end() && found->statement == statement ? &*found : nullptr;
  }
  void rewind(std::size_t statements) override {
    while (!scalars_.empty() && scalars_.back().statement > statements) scalars_.pop_back();
  }

  std::uint32_t record_scalar(std::string_view operation, const T& value, std::size_t n,
                              const TracedOperand<T>* operands) override {
    return record_traced_scalar(recording_, operation, value, n, operands);
  }
  Tensor<T> record_elementwise(const FusedOperands<T>& operands,
                               const NumberOperation<T>& operation) override {
    return record_traced_elementwise(operands, operation);
  }
  void check_value(std::size_t node, bool is_element_wise) override {
    detail::check_value(recording_, node, is_element_wise);
  }
  void check_reduction(std::string_view operation, const T& value, std::size_t n,
                       const Tensor<T>* operands) override {
    check_traced_reduction(recording_, operation, value, n, operands);
  }
  void check_before_sweep() override { detail::check_before_sweep(recording_); }
  void sweep_statements(std::size_t last_operand) override {
    sweep_traced_statements(recording_, last_operand);
  }
  void check_node_sweep(std::size_t node) override { detail::check_node_sweep(recording_, node); }

 private:
  Recording<T>& recording_;
  std::vector<TracedScalar<T>> scalars_;
  CallSites<T> call_sites_;
  bool keeps_call_sites_ = false;
};

}  // namespace gradtape::detail

namespace gradtape {

template <class T>
void Tape<T>::trace(bool on, const TraceOptions& options) {
  using Tracer = detail::RecordingTracer<T>;
  if (on && this->last_tracer == nullptr)
    this->last_tracer = std::make_unique<Tracer>(static_cast<Recording&>(*this));
  if (this->last_tracer != nullptr)
    static_cast<Tracer&>(*this->last_tracer).keep_call_sites(on && options.lines);
  this->tracer = on ? this->last_tracer.get() : nullptr;
  divert();
}

}  // namespace gradtape
