#pragma once
/// \file
/// gradtape: reverse-mode automatic differentiation of scalars and tensors.  The order below is the reading order.

#include "core/error.hpp"
#include "core/shape.hpp"
#include "core/arena.hpp"
#include "core/statements.hpp"
#include "core/recording.hpp"
#include "core/tape.hpp"
#include "core/expression.hpp"
#include "core/var.hpp"
#include "core/parameter.hpp"
#include "core/tensor.hpp"
#include "core/tile.hpp"
#include "core/fused.hpp"
#include "core/record.hpp"
#include "core/interop.hpp"
#include "core/random.hpp"

#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/statistics.hpp"
#include "ops/shape_ops.hpp"
#include "ops/gather.hpp"
#include "ops/softmax.hpp"
#include "ops/losses.hpp"
#include "ops/cross_entropy.hpp"

#include "diff/dual.hpp"
#include "diff/eigen.hpp"
#include "diff/gradient_check.hpp"

#include "nn/module.hpp"
#include "nn/initialize.hpp"
#include "nn/linear.hpp"
#include "nn/embedding.hpp"

#include "optim/optimizer.hpp"
#include "optim/sgd.hpp"
#include "optim/adam.hpp"

#include "text/tokens.hpp"
#include "text/vocabulary.hpp"
#include "text/windows.hpp"
