#pragma once
/// \file
/// gradtape: reverse-mode automatic differentiation of scalars and tensors.  The order below is the
/// reading order.

// clang-format off

// The engine.  What a tape holds ...
#include "core/error.hpp"
#include "core/shape.hpp"
#include "core/arena.hpp"
#include "core/kinds.hpp"
#include "core/statements.hpp"
#include "core/recording.hpp"
#include "core/tracer.hpp"
#include "core/tape.hpp"
// ... formulas of scalars ...
#include "core/operation.hpp"
#include "core/expression.hpp"
#include "core/var.hpp"
// ... tensors, and formulas of them ...
#include "core/parameter.hpp"
#include "core/tensor.hpp"
#include "core/tile.hpp"
#include "core/tile_memory.hpp"
#include "core/tile_functions.hpp"
#include "core/formula.hpp"
#include "core/fused.hpp"
#include "core/tensor_expression.hpp"
#include "core/trace.hpp"
#include "core/record.hpp"
#include "core/interop.hpp"
// ... and what stands by itself.
#include "core/random.hpp"
#include "core/named_array.hpp"

// Operations.
#include "ops/elementwise.hpp"
#include "ops/matmul.hpp"
#include "ops/reduce.hpp"
#include "ops/statistics.hpp"
#include "ops/shape_ops.hpp"
#include "ops/gather.hpp"
#include "ops/softmax.hpp"
#include "ops/losses.hpp"
#include "ops/cross_entropy.hpp"

// Forward mode, Eigen's matrices of scalars, checks.
#include "diff/dual.hpp"
#include "diff/eigen.hpp"
#include "diff/gradient_check.hpp"

// Networks.
#include "nn/module.hpp"
#include "nn/summary.hpp"
#include "nn/initialize.hpp"
#include "nn/training.hpp"
#include "nn/linear.hpp"
#include "nn/embedding.hpp"
#include "nn/dropout.hpp"
#include "nn/layer_norm.hpp"
#include "nn/batch_norm.hpp"
#include "nn/pooling.hpp"
#include "nn/sequential.hpp"
#include "nn/residual.hpp"
#include "nn/sequence.hpp"
#include "nn/recurrent.hpp"
#include "nn/rnn.hpp"
#include "nn/lstm.hpp"
#include "nn/gru.hpp"
#include "nn/carried_state.hpp"
#include "nn/attention.hpp"
#include "nn/transformer.hpp"

// Training.
#include "optim/optimizer.hpp"
#include "optim/sgd.hpp"
#include "optim/adagrad.hpp"
#include "optim/rmsprop.hpp"
#include "optim/adam.hpp"
#include "optim/lion.hpp"
#include "optim/lbfgs.hpp"
#include "optim/schedules.hpp"

// Data and texts.
#include "data/split.hpp"
#include "data/batches.hpp"
#include "data/csv.hpp"
#include "text/tokens.hpp"
#include "text/vocabulary.hpp"
#include "text/windows.hpp"
#include "text/streams.hpp"
#include "text/padding.hpp"
#include "text/kneser_ney.hpp"

// Files and drawings; safetensors.hpp is to be included by itself, as it needs nlohmann/json.
#include "io/file.hpp"
#include "io/encoding.hpp"
#include "io/zip.hpp"
#include "io/numpy.hpp"
#include "io/graph.hpp"
#include "io/svg.hpp"
