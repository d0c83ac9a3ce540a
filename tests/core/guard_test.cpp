// Under AddressSanitizer: what no tensor, closure or scalar of a recording owns may not be touched.
// Without it, the memory of a tape is as dense as ever.

#include "gradtape/core/guard.hpp"

#include "catch.hpp"
#include "gradtape/ops/arithmetic.hpp"
#include "gradtape/ops/reduce.hpp"

using namespace gradtape;
using detail::Arena;
using detail::Budget;

#ifdef GRADTAPE_GUARDS_MEMORY

namespace {

/// Whether exactly these are permitted: [begin, end), of type T.
template <class T>
bool is_permitted(const T* begin, const T* end) {
  auto* const memory = const_cast<T*>(begin);
  return __asan_region_is_poisoned(memory, static_cast<std::size_t>(end - begin) * sizeof(T)) ==
         nullptr;
}
template <class T>
bool is_forbidden(const T* at) {
  return __asan_address_is_poisoned(at) != 0;
}

}  // namespace

TEST_CASE("guard: an overrun from one tensor into the next is seen") {
  Tape<double> tape;
  const Tensor x = tape.variable(Eigen::VectorXd::Ones(8)), y = x * x;  // whole cache lines
  const Tensor odd = tape.constant(Eigen::VectorXd::Ones(3));
  tape.backward(y, Eigen::VectorXd::Ones(8));
  const auto with_margin = [](std::size_t size) { return detail::with_margin<double>(size); };
  for (const double* const p : {x.data(), x.grad().data(), y.data(), y.grad().data()}) {
    CHECK(is_permitted(p, p + with_margin(8)));
    CHECK(is_forbidden(p + with_margin(8)));
    CHECK(is_forbidden(p - 1));
  }
  CHECK(is_permitted(odd.data(), odd.data() + with_margin(3)));
  CHECK(is_forbidden(odd.data() + with_margin(3)));
}

TEST_CASE("guard: memory of a recording that is forgotten is seen, and can be used again") {
  Tape<double> tape;
  const Tensor kept = tape.variable(Eigen::VectorXd::Ones(8));
  const double *inner = nullptr, *large = nullptr;
  for (int round = 0; round < 2; ++round) {
    {
      const auto scope = tape.scope();
      const Tensor y = kept * kept, z = tape.full(Shape{100000}, 1.0);  // in a block of its own
      inner = y.data();
      large = z.data();
      CHECK(is_permitted(inner, inner + 8));
      CHECK(is_permitted(large, large + 100000));
    }
    CHECK(is_forbidden(inner));
    CHECK(is_forbidden(large));
    CHECK(is_forbidden(large + 99999));
    CHECK(is_permitted(kept.data(), kept.data() + 8));
  }
  const double* const first = kept.data();
  tape.clear();
  CHECK(is_forbidden(first));
  const Tensor again = tape.variable(Eigen::VectorXd::Ones(20000));
  CHECK(is_permitted(again.data(), again.data() + 20000));
}

TEST_CASE("guard: scalars that are not recorded, or no longer, are seen") {
  Budget budget;
  detail::Statements<double> statements(budget);
  const double* partial = nullptr;
  const auto record = [&] {
    if (!statements.has_room(1)) statements.make_room(1);
    statements.append(1, [&](double* p, std::uint32_t* operand) {
      partial = p;
      *p = 1;
      *operand = 0;
    });
  };
  record();
  const auto mark = statements.mark();
  record();
  CHECK(is_permitted(partial - 1, partial + 1));
  CHECK(is_forbidden(partial + 1));
  statements.clear_adjoints();
  const double* const adjoint = &statements.adjoint(2);
  CHECK(is_permitted(adjoint - 2, adjoint + 1));
  CHECK(is_forbidden(adjoint + 1));
  statements.rewind(mark);
  CHECK(is_forbidden(partial));
  CHECK(is_forbidden(adjoint));
  CHECK(is_permitted(partial - 1, partial));
  CHECK(is_permitted(adjoint - 2, adjoint));
  statements.clear();
  CHECK(is_forbidden(partial - 1));
}

#else

TEST_CASE("guard: without the sanitizer nothing lies between two tensors") {
  Budget budget;
  Arena arena(budget);
  auto* const first = static_cast<char*>(arena.allocate(64, 64));
  CHECK(arena.allocate(64, 64) == first + 64);
}

#endif
