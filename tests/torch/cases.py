#!/usr/bin/env python3
"""What PyTorch (1.13, in double) makes of operations, losses and layers: cases.inc.

    python3 tests/torch/cases.py > tests/torch/cases.inc

A row of it is a case: its name, the result, and the gradients of the inputs, all elements in the
order of memory.  Shapes are those of gradtape; a tensor of shape (m, n, k) is one of shape
(k, n, m) here, so that the elements lie in the same order.  Input number k of a case is
sin(1 + k + 0.7 i) for element i, the adjoint of a result that is no single number sin(0.5 + 1.3 i).
losses_test.cpp and operations_test.cpp have the same cases, by the same names.
"""
import torch
import torch.nn.functional as F

torch.set_default_dtype(torch.float64)


def wave(a, b, *shape):
    n = torch.Size(shape).numel()
    return torch.sin(a + b * torch.arange(n, dtype=torch.float64)).reshape(shape[::-1])


def dim(d):
    """The dimension that gradtape numbers d."""
    return -1 - d


def case(name, shapes, f):
    x = [wave(1 + k, 0.7, *s).requires_grad_() for k, s in enumerate(shapes)]
    y = f(*x)
    y.backward(wave(0.5, 1.3, *tuple(y.shape)[::-1]) if y.dim() else None)
    numbers = [v for t in [y] + [t.grad for t in x] for v in t.detach().flatten().tolist()]
    lines, line = [], '    {"%s", {' % name
    for i, v in enumerate(numbers):
        word = "%.16g" % v + (", " if i + 1 < len(numbers) else "}},")
        if len(line) + len(word.rstrip()) > 100:
            lines.append(line.rstrip())
            line = "     "
        line += word
    print("\n".join(lines + [line]))


M, V = (3, 4), (4, 5)
reductions = ["mean", "sum", "none"]
weights = 1 + 0.5 * wave(4, 0.9, *M)
distances = wave(3, 1.1, *M)
shares = 0.5 + 0.45 * distances

# Losses of elements; `r` of weighted losses stands for what is done to the weighted elements.
for r in reductions:
    case("mse " + r, [M, M], lambda x, t: F.mse_loss(x, t, reduction=r))
    case("mae " + r, [M, M], lambda x, t: F.l1_loss(x, t, reduction=r))
    case("huber " + r, [M], lambda x: F.huber_loss(x, distances, delta=0.5, reduction=r))
    case("bce " + r, [M],
         lambda x: F.binary_cross_entropy(0.5 + 0.45 * x, shares, reduction=r))
    case("weighted bce " + r, [M],
         lambda x: F.binary_cross_entropy(0.5 + 0.45 * x, shares, weights, reduction=r))
    case("bce of logits " + r, [M],
         lambda x: F.binary_cross_entropy_with_logits(3 * x, shares, reduction=r))
    case("weighted bce of logits " + r, [M],
         lambda x: F.binary_cross_entropy_with_logits(3 * x, shares, weights, reduction=r))
case("weighted mse mean", [M], lambda x: (weights * (x - distances) ** 2).mean())
case("weighted mae sum", [M], lambda x: (weights * (x - distances).abs()).sum())
case("weighted huber mean", [M],
     lambda x: (weights * F.huber_loss(x, distances, delta=0.5, reduction="none")).mean())

# Losses of classes: 4 classes, 5 samples.
classes = torch.tensor([2, 0, 3, 2, 1])
class_weights = torch.tensor([0.5, 2, 1.5, 0.25])
table = torch.tensor([[0, 3, 1], [2, 2, 0]])
for r in reductions:
    case("cross entropy " + r, [V], lambda z: F.cross_entropy(z, classes, reduction=r))
    case("cross entropy weights " + r, [V],
         lambda z: F.cross_entropy(z, classes, class_weights, reduction=r))
    case("cross entropy ignored " + r, [V],
         lambda z: F.cross_entropy(z, classes, ignore_index=2, reduction=r))
    case("cross entropy smoothed " + r, [V],
         lambda z: F.cross_entropy(z, classes, label_smoothing=0.2, reduction=r))
    case("cross entropy all " + r, [V],
         lambda z: F.cross_entropy(z, classes, class_weights, ignore_index=2, label_smoothing=0.2,
                                   reduction=r))
    case("cross entropy table " + r, [(4, 3, 2)],
         lambda z: F.cross_entropy(z.transpose(1, 2), table, reduction=r))
    case("cross entropy distributions " + r, [V, V],
         lambda z, q: F.cross_entropy(z, q, reduction=r))
    case("nll " + r, [V], lambda y: F.nll_loss(y, classes, reduction=r))
    case("nll all " + r, [V],
         lambda y: F.nll_loss(y, classes, class_weights, ignore_index=3, reduction=r))

# Softmax and reductions along each dimension.
for d in range(3):
    case("softmax %d" % d, [(3, 4, 2)], lambda z: F.softmax(3 * z, dim(d)))
    case("log_softmax %d" % d, [(3, 4, 2)], lambda z: F.log_softmax(3 * z, dim(d)))
    case("logsumexp %d" % d, [(3, 4, 2)], lambda x: torch.logsumexp(x, dim(d)))
    case("stddev %d" % d, [(3, 4, 2)], lambda x: torch.std(x, dim(d)))
    case("norm %d" % d, [(3, 4, 2)], lambda x: torch.linalg.vector_norm(x, dim=dim(d)))
    case("prod %d" % d, [(3, 4, 2)], lambda x: torch.prod(x, dim(d)))
    case("max %d" % d, [(3, 4, 2)], lambda x: torch.max(x, dim(d))[0])
    case("cumsum %d" % d, [(3, 4, 2)], lambda x: torch.cumsum(x, dim(d)))
case("logsumexp", [(3, 4)], lambda x: torch.logsumexp(x, (0, 1)))
case("var", [(3, 4)], torch.var)
case("var correction 0 kept", [(3, 4)],
     lambda x: torch.var(x, dim(1), unbiased=False, keepdim=True))
case("mean 1", [(3, 4)], lambda x: x.mean(dim(1)))
case("min", [(3, 4)], torch.min)

# Products: the memory of A B is that of B^T A^T.
case("matmul", [(2, 3), (3, 4)], lambda a, b: b @ a)
case("matmul transposed", [(3, 2), (4, 3)], lambda a, b: b.T @ a.T)
case("matmul batches", [(2, 3, 2), (3, 2, 2)], lambda a, b: b @ a)
case("matmul shared left", [(2, 3), (3, 2, 2)], lambda a, b: b @ a)
case("matmul rank 4", [(2, 3, 2, 2), (3, 2, 2, 2)], lambda a, b: b @ a)
case("linear", [(3, 4), (4, 2), (3,)], lambda w, x, b: F.linear(x, w.T, b))
case("outer", [(3,), (2,)], lambda a, b: torch.outer(b, a))

# Lookups and parts.
words = torch.tensor([[1, 3, 0], [1, 2, 1]])
case("gather", [(2, 4)], lambda e: F.embedding(words, e))
case("gather padding", [(2, 4)], lambda e: F.embedding(words, e, padding_idx=1))
case("gather_window padding", [(2, 4)],
     lambda e: F.embedding(words, e, padding_idx=1).reshape(2, 6))
case("concat", [(2, 3), (2, 1)], lambda a, b: torch.cat([a, b, a], dim(1)))
case("stack", [(2, 3), (2, 3)], lambda a, b: torch.stack([a, b, a], dim(1)))
case("slice", [(4, 3)], lambda x: x.narrow(dim(0), 1, 2))
case("repeat", [(2, 3)], lambda x: x.repeat(2, 1))
case("broadcast_to", [(3, 1)], lambda x: x.expand(4, 3))

# Layers without state.
case("layer_norm", [(4, 3, 2), (4,), (4,)], lambda x, g, b: F.layer_norm(x, (4,), g, b, 1e-3))
lengths = [2, 4]
texts = lambda x: [x[k, :n] for k, n in enumerate(lengths)]
case("mean_pooling", [(3, 4, 2)], lambda x: torch.stack([t.mean(0) for t in texts(x)]))
case("max_pooling", [(3, 4, 2)], lambda x: torch.stack([t.max(0)[0] for t in texts(x)]))
case("last_pooling", [(3, 4, 2)], lambda x: torch.stack([t[-1] for t in texts(x)]))
