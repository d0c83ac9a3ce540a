#pragma once
/// \file
/// gradtape: reverse-mode automatic differentiation of scalars and tensors, and what it takes to train
/// small networks on top of it.  The order below is the reading order.

// clang-format off

// The tape, scalars, tensors and their operations.
#include "autodiff.hpp"

// Checks of gradients, random numbers, arrays with names.
#include "diff/gradient_check.hpp"
#include "core/random.hpp"
#include "core/named_array.hpp"

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
#include "io/table.hpp"
#include "io/graph_nodes.hpp"
#include "io/graph.hpp"
#include "io/svg.hpp"
#include "io/summary.hpp"

/// \namespace gradtape
/// The tape, scalars, tensors, parameters, and the operations on them.
/// \namespace gradtape::op
/// Element-wise operations, one struct each (core/operation.hpp): `elementwise<op::Tanh>(x)` is
/// `tanh(x)`.
/// \namespace gradtape::nn
/// Layers, a file each.
/// \namespace gradtape::nn::initialize
/// Values of parameters before training.
/// \namespace gradtape::optim
/// Optimizers.
/// \namespace gradtape::optim::schedule
/// Learning rates as functions of the number of steps.
/// \namespace gradtape::data
/// Tables, parts for training and testing, batches.
/// \namespace gradtape::text
/// From texts to numbers, and n-gram models to compare with.
/// \namespace gradtape::io
/// Files and drawings.
