#pragma once
// A gradient by hand for a parameter.

#include "gradtape/ops/arithmetic.hpp"

namespace gradtape {

/// Adds g to the gradient of w, by  loss = g w.
template <class T>
void push(Parameter<T>& w,
          const Eigen::Matrix<std::type_identity_t<T>, Eigen::Dynamic, Eigen::Dynamic>& g) {
  Tape<T> tape;
  const Tensor<T> y = tape.parameter(w) * 1;
  tape.backward(y, g);
}

}  // namespace gradtape
