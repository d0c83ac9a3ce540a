#pragma once
/// \file
/// Automatic differentiation without what is built on it: the tape, scalars, tensors, operations,
/// forward mode, and Eigen's matrices of scalars.  It compiles in two thirds of the time that
/// gradtape.hpp takes, which adds networks, training, data, texts and files.  The order below is the
/// reading order.

// clang-format off

// The engine.  What a tape holds ...
#include "core/error.hpp"
#include "core/shape.hpp"
#include "core/list.hpp"
#include "core/arena.hpp"
#include "core/kinds.hpp"
#include "core/statements.hpp"
#include "core/parts.hpp"
#include "core/tracer.hpp"
#include "core/recording.hpp"
#include "core/tape.hpp"
// ... formulas of scalars ...
#include "core/operation.hpp"
#include "core/expression.hpp"
#include "core/var.hpp"
// ... tensors, and formulas of them.
#include "core/parameter.hpp"
#include "core/tensor.hpp"
#include "core/tile.hpp"
#include "core/tile_memory.hpp"
#include "core/tile_functions.hpp"
#include "core/formula.hpp"
#include "core/fused_plan.hpp"
#include "core/fused.hpp"
#include "core/tensor_expression.hpp"
#include "core/call_sites.hpp"
#include "core/trace.hpp"
#include "core/record.hpp"
#include "core/interop.hpp"

// Operations.
#include "ops/elementwise.hpp"
#include "ops/small_product.hpp"
#include "ops/product.hpp"
#include "ops/matmul.hpp"
#include "ops/linear.hpp"
#include "ops/reduce.hpp"
#include "ops/statistics.hpp"
#include "ops/shape_ops.hpp"
#include "ops/gather.hpp"
#include "ops/softmax.hpp"
#include "ops/losses.hpp"
#include "ops/cross_entropy.hpp"

// Forward mode, and Eigen's matrices of scalars.
#include "diff/dual.hpp"
#include "diff/eigen.hpp"
