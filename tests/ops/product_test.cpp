#include "gradtape/ops/product.hpp"

#include <cmath>
#include <limits>
#include <vector>

#include "catch.hpp"
#include "gradtape/core/random.hpp"

using namespace gradtape;

namespace {

/// A block of a larger matrix of small whole numbers, of which sums of products are exact, in memory
/// that ends with it.
template <class T>
class Block {
 public:
  Block(Index rows, Index columns, bool transposed, bool is_dense, Random& random)
      : rows_(transposed ? columns : rows),
        columns_(transposed ? rows : columns),
        stride_(rows_ + (is_dense ? 0 : 1 + random.index(20))),
        transposed_(transposed),
        values_(static_cast<std::size_t>(
            rows_ == 0 || columns_ == 0 ? 0 : stride_ * (columns_ - 1) + rows_)) {
    for (T& x : values_) x = static_cast<T>(random.index(7) - 3);
  }

  T* data() { return values_.data(); }
  Index stride() const { return stride_; }
  T operator()(Index i, Index j) const {
    return values_[static_cast<std::size_t>(transposed_ ? j + i * stride_ : i + j * stride_)];
  }
  T& at(Index i, Index j) { return values_[static_cast<std::size_t>(i + j * stride_)]; }
  detail::Matrix<T> matrix() const {
    const detail::Matrix<T> stored{values_.data(), rows_, columns_, false, stride_};
    return transposed_ ? stored.transpose() : stored;
  }
  /// All of it, and what stands between its columns.
  const std::vector<T>& memory() const { return values_; }

 private:
  Index rows_, columns_, stride_;
  bool transposed_;
  std::vector<T> values_;
};

/// A B, or C + A B, or x 1^T + A B, in the memory of C, by the definition.
template <class T>
std::vector<T> product(const Block<T>& a, const Block<T>& b, Block<T> c, Index m, Index n, Index k,
                       const detail::Onto<T>& onto) {
  for (Index j = 0; j < n; ++j) {
    for (Index i = 0; i < m; ++i) {
      T sum = !onto.assigns ? c.at(i, j) : onto.column != nullptr ? onto.column[i] : T(0);
      for (Index p = 0; p < k; ++p) sum += a(i, p) * b(p, j);
      c.at(i, j) = sum;
    }
  }
  return c.memory();
}

template <class T>
void check_product(Index m, Index n, Index k, Random& random) {
  const auto draws = [&] { return random.index(2) == 1; };
  const bool dense = draws(), assigns = draws();
  const Block<T> a(m, k, draws(), dense, random), b(k, n, draws(), dense, random);
  Block<T> c(m, n, false, dense, random);
  const Block<T> x(m, 1, false, true, random);
  const detail::Onto<T> onto(assigns, assigns && draws() ? x.memory().data() : nullptr);
  const std::vector<T> expected = product(a, b, c, m, n, k, onto);
  if (dense) {
    detail::multiply<T>(c.data(), a.matrix(), b.matrix(), onto);
  } else {
    detail::multiply_packed(c.data(), c.stride(), a.matrix(), b.matrix(), onto);
  }
  CAPTURE(m, n, k, dense, assigns, onto.column != nullptr, a.matrix().transposed,
          b.matrix().transposed);
  CHECK(c.memory() == expected);
}

}  // namespace

TEMPLATE_TEST_CASE("product: whole numbers of random shapes, exactly", "", float, double) {
  Random random(1);
  const auto size = [&] { return 1 + random.index(1 + random.index(70)); };
  for (int i = 0; i < 5000; ++i) {
    const Index m = size(), n = size(), k = size();
    check_product<TestType>(m, n, k, random);
  }
}

// Several blocks of the depth and of columns; so many rows, or rows of B so far apart, that B is
// copied.
TEMPLATE_TEST_CASE("product: whole numbers of larger shapes, exactly", "", float, double) {
  Random random(2);
  const Index sizes[][3] = {{400, 30, 70},   {401, 9, 400}, {50, 70, 193}, {97, 20, 500},
                            {30, 700, 200},  {3, 700, 200}, {5, 2100, 6},  {60, 4100, 5},
                            {17, 2049, 193}, {1, 200, 90},  {200, 1, 90},  {2, 3, 700}};
  for (const auto& [m, n, k] : sizes) {
    for (int i = 0; i < 8; ++i) check_product<TestType>(m, n, k, random);
  }
}

// One and several blocks of the depth, plain and transposed, one factor after the other.
TEMPLATE_TEST_CASE("product: a packed factor gives the same products", "", float, double) {
  using T = TestType;
  Random random(3);
  const Block<T> wide(37, 1500, false, true, random), square(40, 40, false, true, random);
  std::vector<T> memory(static_cast<std::size_t>(detail::PackedFactor<T>::size(37, 1500)),
                        std::numeric_limits<T>::quiet_NaN());
  detail::PackedFactor<T> packed(memory.data());
  const auto check = [&](const Block<T>& factor, bool transposed, Index n) {
    const auto left = transposed ? factor.matrix().transpose() : factor.matrix();
    const Index m = left.rows, k = left.columns;
    for (const bool assign : {false, true}) {
      CAPTURE(m, k, n, assign);
      const Block<T> b(k, n, assign, true, random);
      Block<T> a(m, k, false, true, random), c(m, n, false, true, random);
      for (Index i = 0; i < m; ++i) {
        for (Index p = 0; p < k; ++p) a.at(i, p) = transposed ? factor(p, i) : factor(i, p);
      }
      const std::vector<T> expected = product<T>(a, b, c, m, n, k, assign);
      packed.multiply(c.data(), left, b.matrix(), assign);
      CHECK(c.memory() == expected);
    }
  };
  for (const Index n : {1, 2, 6, 16, 2050}) {
    check(wide, false, n);
    check(wide, true, n);
    check(square, true, n);
    check(square, false, n);
  }
}

// Rows beyond a panel are computed together with others, and few rows in memory that has more.
TEMPLATE_TEST_CASE("product: NaN and infinity stay in their row and column", "", float, double) {
  using T = TestType;
  Random random(4);
  for (const Index m : {2, 7, 18, 33, 50, 101}) {
    const Index n = 21, k = 70;
    Block<T> a(m, k, false, true, random), b(k, n, false, true, random),
        c(m, n, false, true, random);
    a.at(m - 1, 3) = std::numeric_limits<T>::quiet_NaN();
    b.at(4, n - 1) = std::numeric_limits<T>::infinity();
    detail::multiply<T>(c.data(), a.matrix(), b.matrix(), true);
    CAPTURE(m);
    for (Index j = 0; j < n; ++j) {
      for (Index i = 0; i < m; ++i) {
        const bool is_finite = std::isfinite(c.at(i, j));
        if (is_finite != (i < m - 1 && j < n - 1)) FAIL_CHECK("row " << i << ", column " << j);
      }
    }
  }
}

TEST_CASE("product: without elements") {
  Random random(5);
  for (const bool assign : {false, true}) {
    const Block<double> a(20, 0, false, true, random), b(0, 30, false, true, random);
    Block<double> c(20, 30, false, true, random);
    const std::vector<double> expected = product<double>(a, b, c, 20, 30, 0, assign);
    detail::multiply<double>(c.data(), a.matrix(), b.matrix(), assign);
    CHECK(c.memory() == expected);
  }
}
