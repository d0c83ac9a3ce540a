#pragma once
/// \file
/// All element-wise operations.

#include "activations.hpp"
#include "arithmetic.hpp"
#include "functions.hpp"
#include "selection.hpp"
#include "special.hpp"
#include "trigonometry.hpp"
