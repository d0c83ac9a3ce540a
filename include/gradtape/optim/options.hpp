#pragma once
/// \file
/// Ranges of the numbers that optimizers take.

#include <cmath>
#include <limits>
#include <string_view>

#include "../core/error.hpp"

namespace gradtape::optim::detail {

inline constexpr double infinity = std::numeric_limits<double>::infinity();

/// \throws DomainError unless the value is in [0, end).
inline void check_option(std::string_view optimizer, const char* option, double value,
                         double end = infinity) {
  if (value >= 0 && value < end) return;
  gradtape::detail::fail<DomainError>(
      optimizer, ": ", option, " is ", value, ": it must be at least 0 and ",
      end == infinity ? std::string("finite") : gradtape::detail::concat("below ", end));
}

/// \throws DomainError unless the limit is at least 0, possibly infinite.
inline void check_limit(std::string_view optimizer, const char* operation, double limit) {
  if (limit >= 0) return;
  gradtape::detail::fail<DomainError>(optimizer, ": ", operation, ": the limit is ", limit,
                                      ": it must be at least 0");
}

}  // namespace gradtape::optim::detail
