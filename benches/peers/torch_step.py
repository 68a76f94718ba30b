"""The training step and the evaluation of floe's paper preset in PyTorch.

A step is what floe's step is: sample B = 5000 prompts, loss, gradient, clip to global norm 1, SGD with momentum 0.9
and learning rate 0.01. One layer, one head, query and key merged, all 98 parameters trained, f32.

Prints one JSON line a measurement. `--list` names the variants and what each is.
"""

import argparse
import json
import math
import os
import statistics
import sys
import time

# Threads that spin at a barrier lose a time slice whenever anything else runs on the machine: 583 ms a step where
# sleeping threads took 50. On an idle machine the two are alike. Set the variable to override.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

import numpy as np  # noqa: E402
import torch  # noqa: E402

D, SHOTS, BATCH, POOL, NOISE = 5, 20, 5000, 100_000, 0.1
W = D + 2
LR, MOMENTUM, CLIP = 0.01, 0.9, 1.0
STEPS_TO_ZERO = 5000  # steps over which the few-shot weight falls from 1 to 0
EVAL_PROMPTS = 50_000
SIGMA = math.sqrt(NOISE)

# ---- Samplers: tokens z and targets y of a batch. Rows layout: z [B, N, W], query last. Columns layout: z [N, W, B],
# query first, the batch innermost so that a compiler can vectorise over it.


def sample_rows(batch, n):
    g = torch.randn(batch, D)
    theta = g / g.norm(dim=1, keepdim=True)
    x = torch.randn(batch, n + 1, D)
    y = (x @ theta[:, :, None]).squeeze(2) + SIGMA * torch.randn(batch, n + 1)
    return rows(x, y)


def pool_rows(pool, batch, n):
    pairs = pool[torch.randint(0, POOL, (batch, n + 1))]
    return rows(pairs[..., :D], pairs[..., D])


def rows(x, y):
    target = y[:, -1].clone()
    y = torch.cat([y[:, :-1], torch.zeros(y.shape[0], 1)], 1)
    return torch.cat([torch.ones(*y.shape, 1), x, y[..., None]], 2), target


def sample_columns(batch, n):
    g = torch.randn(D, batch)
    theta = g * torch.rsqrt((g * g).sum(0))
    x = torch.randn(n + 1, D, batch)
    y = (x * theta).sum(1) + SIGMA * torch.randn(n + 1, batch)
    return columns(x, y)


def pool_columns(pool, batch, n):
    """`pool` is [D + 1, POOL], a transposed view: the six numbers of a pair share a cache line."""
    index = torch.randint(0, POOL, (n + 1, batch))
    return columns(torch.stack([pool[i][index] for i in range(D)], 1), pool[D][index])


def columns(x, y):
    """Demonstrations as (x [n, D, B], y [n, B]), query as (x_q [D, B], y_q [B])."""
    return (x[1:], y[1:], x[0]), y[0]


# ---- Counter-based random numbers, as floe's shaders draw them (Jarzynski and Olano, JCGT 9(3), 2020), in int32 so
# that Inductor vectorises them over both threads; ATen's generator is serial.


def pcg4d(a, b, c, d):
    v = [x * 1664525 + 1013904223 for x in (a, b, c, d)]
    for last in (False, True):
        v[0] = v[0] + v[1] * v[3]
        v[1] = v[1] + v[2] * v[0]
        v[2] = v[2] + v[0] * v[1]
        v[3] = v[3] + v[1] * v[2]
        if not last:
            v = [x ^ ((x >> 16) & 0xFFFF) for x in v]
    return v


def units(block, prompt, at, key):
    """Uniform on [0, 1) in steps of 2⁻²⁴: four tensors of the counters' broadcast shape."""
    return [((w >> 8) & 0xFFFFFF).float() * 2.0**-24 for w in pcg4d(block, prompt, at, key)]


def normals(block, prompt, at, key):
    """Box–Muller: four tensors."""
    out, u = [], units(block, prompt, at, key)
    for radius, angle in ((u[0], u[1]), (u[2], u[3])):
        r = torch.sqrt(-2.0 * torch.log(radius + 2.0**-25))
        out += [r * torch.cos(2 * math.pi * angle), r * torch.sin(2 * math.pi * angle)]
    return out


class Counter:
    """Counters of a batch, `numbers` random numbers for each prompt."""

    def __init__(self, numbers, batch):
        self.batch = batch
        blocks = -(-numbers // 4)
        self.block = torch.arange(blocks, dtype=torch.int32)[:, None].expand(blocks, batch).contiguous()
        self.prompt = torch.arange(batch, dtype=torch.int32)[None].expand(blocks, batch).contiguous()

    def units(self, at):
        """[numbers, batch] for step `at`, an int32 tensor."""
        return torch.cat(units(self.block, self.prompt, at, 1))

    def normals(self, at):
        return torch.cat(normals(self.block, self.prompt, at, 1))


def counted_columns(counter, at, n):
    """A batch of fresh tasks."""
    g = counter.normals(at)
    theta = g[:D] * torch.rsqrt((g[:D] * g[:D]).sum(0))
    x = g[D : D + (n + 1) * D].view(n + 1, D, counter.batch)
    noise = g[D + (n + 1) * D : D + (n + 1) * (D + 1)]
    return columns(x, (x * theta).sum(1) + SIGMA * noise)


def counted_pool_columns(pool, counter, at, n):
    """A batch from the pool in memory."""
    index = (counter.units(at)[: n + 1] * POOL).to(torch.int64)
    return columns(torch.stack([pool[i][index] for i in range(D)], 1), pool[D][index])


def computed_pool_columns(theta, counter, at, n):
    """A batch from a pool that takes no memory: pair i is a function of i, as in floe."""
    index = (counter.units(at)[: n + 1] * POOL).to(torch.int32)
    first, second = normals(0, index, 0, 2), normals(1, index, 0, 2)
    x = torch.stack([*first, second[0]], 1)
    return columns(x, (x * theta[:, None]).sum(1) + SIGMA * second[1])


# ---- The law of the moments (docs/MATH.md): demonstrations whose sum of z zᵀ has the law of SHOTS Gaussian ones. There are
# D + 2 of them, with first coordinates (√SHOTS, 0, …, 0): the sum, then the columns of Bartlett's triangle.

RANGE = 6.56  # of a normal that Box–Muller draws


def chi_polynomials(degree=14):
    """Coefficients [degree + 1, D + 1], lowest power of z / RANGE first, of χ_k as a function of a normal z, for k =
    SHOTS − 1, …, SHOTS − D − 1: the r at which P(χ_k < r) = Φ(z), by bisection of the nearer tail."""

    def quantile(k, z):
        z = torch.as_tensor(z, dtype=torch.float64)
        low, high = torch.zeros_like(z), torch.full_like(z, math.sqrt(k) + 12)
        for _ in range(200):
            r = (low + high) / 2
            half = torch.full_like(r, k / 2)
            below = torch.special.gammainc(half, r * r / 2) - torch.special.ndtr(z)
            above = torch.special.ndtr(-z) - torch.special.gammaincc(half, r * r / 2)
            short = torch.where(z < 0, below, above) < 0
            low, high = torch.where(short, r, low), torch.where(short, high, r)
        return ((low + high) / 2).numpy()

    fit = np.polynomial.Chebyshev.interpolate
    fits = [fit(lambda t, k=k: quantile(k, RANGE * t), degree) for k in range(SHOTS - 1, SHOTS - D - 2, -1)]
    return torch.tensor(np.stack([f.convert(kind=np.polynomial.Polynomial).coef for f in fits], 1), dtype=torch.float32)


def moment_columns(counter, chi, at):
    """A batch of fresh tasks, its demonstrations by the law of their moments: 38 normals a prompt instead of 131."""
    g, p = counter.normals(at), D + 1
    theta = g[:D] * torch.rsqrt((g[:D] * g[:D]).sum(0))
    query, sums, triangle = g[D : D + p], g[D + p : D + 2 * p], g[D + 2 * p :]
    t, length = triangle[:p] / RANGE, chi[-1][:, None]
    for power in range(chi.shape[0] - 2, -1, -1):
        length = length * t + chi[power][:, None]
    none, below, rest = torch.zeros(1, counter.batch), [], p
    for k in range(p):
        side = triangle[rest : rest + p - 1 - k]
        below.append(torch.cat([none.expand(k, -1), length[k : k + 1], side]))
        rest += p - 1 - k
    drawn = torch.cat([query[None], sums[None], torch.stack(below)])
    x, noise = drawn[:, :D], drawn[:, D]
    return columns(x, (x * theta).sum(1) + SIGMA * noise)


# ---- Losses. Each takes (params, z, y); params is [2, W, W]: V and the merged Q.


def full(params, z):
    """As the paper writes the model: every token attends to every token, the residual stream is kept."""
    v, qk = params[0], params[1]
    attention = z @ qk @ z.transpose(1, 2)
    out = z + attention @ (z @ v.T) / z.shape[1]
    return out[:, -1, -1]


def query(params, z):
    """The query's row of the attention matrix alone, which is all that the loss reads."""
    v, b = params[0][-1], z[:, -1] @ params[1]
    scores = (z @ b[:, :, None]).squeeze(2)
    return (scores * (z @ v)).sum(1) / z.shape[1]


def moment(params, z):
    """The query's row through the prompt's second moment Zᵀ Z."""
    v, b = params[0][-1], z[:, -1] @ params[1]
    return ((b[:, None, :] @ (z.transpose(1, 2) @ z)).squeeze(1) @ v) / z.shape[1]


def query_columns(params, tokens):
    """`query` with the batch innermost, sums written out, no matrix product too small to be one."""
    x, y, xq = tokens
    v, qk = params[0][-1], params[1]
    # b = Qᵀ z_q with z_q = (1, x_q, 0).
    b = qk[0][:, None] + (qk[1 : D + 1][:, :, None] * xq[:, None, :]).sum(0)
    own = (b[0] + (b[1 : D + 1] * xq).sum(0)) * (v[0] + (v[1 : D + 1][:, None] * xq).sum(0))
    if x.shape[0] == 0:
        return own
    scores = b[0] + (x * b[1 : D + 1]).sum(1) + y * b[D + 1]
    values = v[0] + (x * v[1 : D + 1][None, :, None]).sum(1) + y * v[D + 1]
    return ((scores * values).sum(0) + own) / (x.shape[0] + 1)


def gradient_columns(params, tokens, y, first=None):
    """Loss and gradient of `query_columns`, derived by hand: one pass over the demonstrations.

    With u = Σ value·z and t = Σ score·z over the prompt's tokens, the prediction is b·u / N, dL/dQ = z_q (r u)ᵀ and
    dL/dv = Σ r t, r being 2 (prediction − y) / (N B). `first` are the demonstrations' first coordinates, if not 1.
    """
    x, ys, xq = tokens
    v, qk = params[0][-1], params[1]
    batch, count = xq.shape[1], (x.shape[0] if first is None else SHOTS) + 1
    one = 1.0 if first is None else first[:, None]
    b = qk[0][:, None] + (qk[1 : D + 1][:, :, None] * xq[:, None, :]).sum(0)
    own_score = b[0] + (b[1 : D + 1] * xq).sum(0)
    own_value = v[0] + (v[1 : D + 1][:, None] * xq).sum(0)
    scores = one * b[0] + (x * b[1 : D + 1]).sum(1) + ys * b[D + 1]
    values = one * v[0] + (x * v[1 : D + 1][None, :, None]).sum(1) + ys * v[D + 1]
    error = ((scores * values).sum(0) + own_score * own_value) / count - y
    r = error * (2.0 / (count * batch))

    def sums(weights, own):
        middle = (x * weights[:, None, :]).sum(0) + own * xq
        return [(one * weights).sum(0) + own, *middle.unbind(0), (weights * ys).sum(0)]

    u = torch.stack(sums(values, own_value)) * r
    grad_v = torch.stack([(r * s).sum() for s in sums(scores, own_score)])
    zq = torch.cat([torch.ones(1, batch), xq])
    grad_qk = (zq[:, None, :] * u[None]).sum(2)
    zero = torch.zeros(1, W)
    grad = torch.stack([torch.cat([zero.expand(W - 1, W), grad_v[None]]), torch.cat([grad_qk, zero])])
    return grad, (error * error).mean()


# ---- A problem: what to draw and what loss to take of it.


class Problem:
    """`draw` gives a batch, `loss_of` its loss, `gradient` both and the gradient."""

    def __init__(self, step, predict, by_hand=False, counted=False, computed=False, moments=False):
        self.step, self.predict, self.by_hand, self.computed = step, predict, by_hand, computed
        tokens = 1 if step == "zs" else SHOTS + 1
        numbers = D + tokens * (D + 1) if step == "pretrain" else tokens
        self.first = None
        if moments:
            if step != "pretrain":
                sys.exit(f"the law of the moments is that of fresh Gaussian prompts: --step pretrain, not {step}")
            p = D + 1
            numbers = D + 2 * p + p * (p + 1) // 2
            self.chi = chi_polynomials()
            self.first = torch.zeros(p + 1)
            self.first[0] = math.sqrt(SHOTS)
        self.counter = Counter(numbers, BATCH) if counted else None
        self.columns = predict is query_columns
        theta = self.theta = torch.randn(D)
        theta /= theta.norm()
        x = torch.randn(POOL, D)
        y = x @ theta + SIGMA * torch.randn(POOL)
        self.pool = torch.cat([x, y[:, None]], 1)
        if self.columns:
            padded = torch.zeros(POOL, 8)
            padded[:, : D + 1] = self.pool
            self.pool = padded.T

    def draw(self, taken):
        shots = 0 if self.step == "zs" else SHOTS
        if self.counter:
            at = taken.to(torch.int32)
            if self.first is not None:
                return moment_columns(self.counter, self.chi, at)
            if self.step == "pretrain":
                return counted_columns(self.counter, at, shots)
            if self.computed:
                return computed_pool_columns(self.theta, self.counter, at, shots)
            return counted_pool_columns(self.pool, self.counter, at, shots)
        if self.step == "pretrain":
            return (sample_columns if self.columns else sample_rows)(BATCH, shots)
        return (pool_columns if self.columns else pool_rows)(self.pool, BATCH, shots)

    def alone(self, tokens):
        """The same prompts without their demonstrations."""
        if self.columns:
            x, y, xq = tokens
            return x[:0], y[:0], xq
        return tokens[:, -1:]

    def error(self, params, tokens, y):
        return ((self.predict(params, tokens) - y) ** 2).mean()

    def loss_of(self, params, tokens, y, w):
        loss = self.error(params, tokens, y)
        if self.step == "zsfs":
            loss = self.error(params, self.alone(tokens), y) + w * loss
        return loss

    def gradient(self, params, w, taken):
        tokens, y = self.draw(taken)
        if not self.by_hand:
            return torch.func.grad_and_value(self.loss_of)(params, tokens, y, w)
        grad, loss = gradient_columns(params, tokens, y, self.first)
        if self.step == "zsfs":
            zs_grad, zs = gradient_columns(params, self.alone(tokens), y)
            grad, loss = zs_grad + w * grad, zs + w * loss
        return grad, loss


def eager(problem):
    """The usual loop: autograd, `clip_grad_norm_`, `torch.optim.SGD` in its fused form."""
    v = torch.nn.Parameter(0.05 * torch.randn(W, W))
    qk = torch.nn.Parameter(0.05 * torch.randn(W, W))
    optimizer = torch.optim.SGD([v, qk], lr=LR, momentum=MOMENTUM, fused=True)
    taken = 0

    def steps(count):
        nonlocal taken
        for _ in range(count):
            tokens, y = problem.draw(taken)
            w = max(0.0, (STEPS_TO_ZERO - 1 - taken) / (STEPS_TO_ZERO - 1))
            loss = problem.loss_of((v, qk), tokens, y, w)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_([v, qk], CLIP)
            optimizer.step()
            taken += 1
        return loss.detach()

    return steps


def compiled(problem, unroll=1):
    """Sampling, gradient, clip and update in one compiled graph; `unroll` steps a call."""
    params = 0.05 * torch.randn(2, W, W)
    velocity = torch.zeros_like(params)
    taken = torch.zeros(())

    def once(params, velocity, taken):
        w = (1 - taken / (STEPS_TO_ZERO - 1)).clamp(min=0.0)
        grad, loss = problem.gradient(params, w, taken)
        grad = grad * (CLIP / (grad.norm() + 1e-6)).clamp(max=1.0)
        velocity = MOMENTUM * velocity + grad
        return params - LR * velocity, velocity, taken + 1, loss

    @torch.compile(fullgraph=True, dynamic=False)
    def several(params, velocity, taken):
        for _ in range(unroll):
            params, velocity, taken, loss = once(params, velocity, taken)
        return params, velocity, taken, loss

    def steps(count):
        nonlocal params, velocity, taken
        with torch.no_grad():
            for _ in range(count // unroll):
                params, velocity, taken, loss = several(params, velocity, taken)
        return loss

    return steps


# ---- Evaluation: mean squared error at 0, 1, …, 20 shots of one model on one task, 50,000 prompts.


def evaluation_plain(predict):
    params = 0.05 * torch.randn(2, W, W)
    theta = torch.randn(D)
    theta /= theta.norm()

    def once():
        x = torch.randn(EVAL_PROMPTS, SHOTS + 1, D)
        y = x @ theta + SIGMA * torch.randn(EVAL_PROMPTS, SHOTS + 1)
        z, target = rows(x, y)
        errors = []
        for n in range(SHOTS + 1):
            prompt = z[:, SHOTS - n :]
            # The whole attention matrix of 50,000 prompts is 90 MB: in chunks it stays in cache.
            parts = zip(prompt.split(BATCH), target.split(BATCH))
            errors.append(sum(((predict(params, p) - t) ** 2).sum() for p, t in parts) / EVAL_PROMPTS)
        return torch.stack(errors)

    return once


def evaluation_prefix(counted):
    """All shot counts from one pass: prefix sums over the demonstrations, batch innermost, in chunks that fit the
    cache, compiled. `counted`: with floe's random numbers."""
    params = 0.05 * torch.randn(2, W, W)
    theta = torch.randn(D)
    theta /= theta.norm()
    count = torch.arange(1, SHOTS + 2, dtype=torch.float32)[:, None]
    counter = Counter((SHOTS + 1) * (D + 1), BATCH)
    config(False)

    @torch.compile(fullgraph=True, dynamic=False)
    def part(params, theta, at):
        if counted:
            g = counter.normals(at)
            x = g[: (SHOTS + 1) * D].view(SHOTS + 1, D, BATCH)
            noise = g[(SHOTS + 1) * D : (SHOTS + 1) * (D + 1)]
        else:
            x, noise = torch.randn(SHOTS + 1, D, BATCH), torch.randn(SHOTS + 1, BATCH)
        y = (x * theta[:, None]).sum(1) + SIGMA * noise
        v, qk, xq = params[0][-1], params[1], x[0]
        b = qk[0][:, None] + (qk[1 : D + 1][:, :, None] * xq[:, None, :]).sum(0)
        known = torch.cat([torch.zeros(1, BATCH), y[1:]])
        scores = b[0] + (x * b[1 : D + 1]).sum(1) + known * b[D + 1]
        values = v[0] + (x * v[1 : D + 1][None, :, None]).sum(1) + known * v[D + 1]
        predictions = (scores * values).cumsum(0) / count
        return ((predictions - y[0]) ** 2).sum(1)

    def once():
        chunks = range(EVAL_PROMPTS // BATCH)
        return sum(part(params, theta, torch.tensor(at, dtype=torch.int32)) for at in chunks) / EVAL_PROMPTS

    return once


# ---- Variants


def config(inductor_random):
    """Inductor's own counter-based random numbers inside the fused loops, or ATen's vectorised generator."""
    torch._inductor.config.fallback_random = not inductor_random


VARIANTS = {
    "eager": ("the paper's formulas: whole attention matrix, autograd, torch.optim", lambda p: eager(Problem(p, full))),
    "query": ("query's row alone, otherwise the same", lambda p: eager(Problem(p, query))),
    "moment": ("query's row through Zᵀ Z, eager", lambda p: eager(Problem(p, moment))),
    "query-columns": ("query's row, batch innermost, eager", lambda p: eager(Problem(p, query_columns))),
    "compiled-query": ("`query`, whole step compiled", lambda p: (config(False), compiled(Problem(p, query)))[1]),
    "compiled-moment": ("`moment`, whole step compiled", lambda p: (config(False), compiled(Problem(p, moment)))[1]),
    "compiled-columns": (
        "`query-columns`, whole step compiled",
        lambda p: (config(False), compiled(Problem(p, query_columns)))[1],
    ),
    "compiled-columns-rng": (
        "the same with Inductor's random numbers in the fused loops",
        lambda p: (config(True), compiled(Problem(p, query_columns)))[1],
    ),
    "compiled-hand": (
        "`query-columns` with the gradient by hand, whole step compiled",
        lambda p: (config(False), compiled(Problem(p, query_columns, True)))[1],
    ),
    "compiled-hand-rng": (
        "the same with Inductor's random numbers",
        lambda p: (config(True), compiled(Problem(p, query_columns, True)))[1],
    ),
    "compiled-counter": (
        "`compiled-hand` with floe's random numbers, written in torch",
        lambda p: (config(False), compiled(Problem(p, query_columns, True, True)))[1],
    ),
    "compiled-counter-pool": (
        "the same, and the fine-tuning pairs recomputed instead of read, as in floe",
        lambda p: (config(False), compiled(Problem(p, query_columns, True, True, True)))[1],
    ),
    "compiled-moments": (
        "`compiled-counter` with the law of the moments, as floe's pre-training",
        lambda p: (config(False), compiled(Problem(p, query_columns, True, True, moments=True)))[1],
    ),
    "compiled-counter-4": (
        "`compiled-counter`, four steps a call",
        lambda p: (config(False), compiled(Problem(p, query_columns, True, True), 4))[1],
    ),
    "compiled-hand-4": (
        "`compiled-hand`, four steps a call",
        lambda p: (config(False), compiled(Problem(p, query_columns, True), 4))[1],
    ),
}
# The best of the compiled variants, found by `--variant all`: torch's own parts, and all that floe does too.
BEST = {
    "compiled": {"pretrain": "compiled-hand", "zs": "compiled-hand", "zsfs": "compiled-hand", "eval": "compiled"},
    "best": {
        "pretrain": "compiled-counter",
        "zs": "compiled-counter-pool",
        "zsfs": "compiled-counter-pool",
        "eval": "compiled-counter",
    },
}
EVALUATIONS = {
    "eager": ("whole attention matrix of each shot count in turn", lambda: evaluation_plain(full)),
    "query": ("query's row of each shot count in turn", lambda: evaluation_plain(query)),
    "compiled": ("all shot counts from prefix sums, compiled", lambda: evaluation_prefix(False)),
    "compiled-counter": ("the same with floe's random numbers", lambda: evaluation_prefix(True)),
}


def check():
    """All forms give the same predictions, and the gradient by hand is autograd's."""
    torch.manual_seed(0)
    tokens, y = sample_columns(64, SHOTS)
    x, known, xq = tokens
    z = torch.cat([torch.cat([x, xq[None]]), torch.cat([known, torch.zeros(1, 64)])[:, None]], 1)
    z = torch.cat([torch.ones(SHOTS + 1, 1, 64), z], 1).permute(2, 0, 1)
    params = 0.3 * torch.randn(2, W, W)
    expected = full(params, z)
    for name, found in [
        ("query", query(params, z)),
        ("moment", moment(params, z)),
        ("query-columns", query_columns(params, tokens)),
    ]:
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4, msg=lambda m: f"{name}: {m}")
    expected, _ = torch.func.grad_and_value(lambda p: ((full(p, z) - y) ** 2).mean())(params)
    torch.testing.assert_close(gradient_columns(params, tokens, y)[0], expected, rtol=1e-4, atol=1e-4)
    # Demonstrations by the law of their moments: the same mean loss, within its error.
    by_token, by_moment = [Problem("pretrain", query_columns, True, True, moments=m) for m in (False, True)]
    losses = [[p.gradient(params, 1.0, torch.tensor(float(at)))[1] for at in range(60)] for p in (by_token, by_moment)]
    (a, b), (da, db) = [[f(torch.stack(one)) for one in losses] for f in (torch.mean, torch.std)]
    assert abs(a - b) < 5 * ((da * da + db * db) / 60).sqrt(), f"moments: mean loss {b}, of tokens {a}"
    drawn = Counter(400, BATCH).normals(torch.tensor(7, dtype=torch.int32))
    moments = torch.stack([drawn.mean(), (drawn**2).mean(), (drawn**4).mean()])
    torch.testing.assert_close(moments, torch.tensor([0.0, 1.0, 3.0]), rtol=0.02, atol=0.02)
    print("all forms agree")


def measure(run, seconds, chunks, unit):
    """Median milliseconds a unit over chunks, after a warm-up that also sizes the chunks."""
    last = run(unit)
    began = time.perf_counter()
    last = run(2 * unit)
    each = (time.perf_counter() - began) / (2 * unit)
    count = max(1, round(seconds / chunks / each / unit)) * unit
    times = []
    for _ in range(chunks):
        began = time.perf_counter()
        last = run(count)
        times.append((time.perf_counter() - began) / count * 1e3)
    return times, count, last


def one(variant, step, args):
    torch.manual_seed(0)
    torch._dynamo.reset()
    name = BEST[variant][step] if variant in BEST else variant
    with torch.inference_mode(step == "eval"):
        if step == "eval":
            once = EVALUATIONS[name][1]()

            def run(count):
                for _ in range(count):
                    last = once()
                return last

            times, count, last = measure(run, args.seconds, args.chunks, 1)
        else:
            times, count, last = measure(VARIANTS[name][1](step), args.seconds, args.chunks, 4)
    if not bool(torch.isfinite(last).all()):
        sys.exit(f"torch {name} {step}: the loss is not finite")
    return {
        "peer": "torch",
        "variant": variant,
        "form": name,
        "step": step,
        "ms": statistics.median(times),
        "ms_min": min(times),
        "ms_max": max(times),
        "chunks": args.chunks,
        "steps_a_chunk": count,
        "loss": float(last.reshape(-1)[-1]),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
    }


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--variant", default="best", help="a variant, `best`, or `all` (see --list)")
    parser.add_argument("--step", default="pretrain", choices=["pretrain", "zs", "zsfs", "eval"])
    parser.add_argument("--seconds", type=float, default=5.0, help="measuring time")
    parser.add_argument("--chunks", type=int, default=5)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--list", action="store_true", help="name the variants")
    parser.add_argument("--check", action="store_true", help="hold all forms against the paper's formulas")
    args = parser.parse_args()
    if args.list:
        for kind, table in (("steps", VARIANTS), ("eval", EVALUATIONS)):
            for name, (what, _) in table.items():
                print(f"{kind:6} {name:22} {what}")
        for name, forms in BEST.items():
            print(f"alias  {name:22} {', '.join(f'{step}: {form}' for step, form in forms.items())}")
        return
    if args.check:
        return check()
    torch.set_num_threads(args.threads)
    names = list(EVALUATIONS if args.step == "eval" else VARIANTS) if args.variant == "all" else [args.variant]
    known = EVALUATIONS if args.step == "eval" else VARIANTS
    known = {*known, *BEST}
    for name in names:
        if name not in known:
            sys.exit(f"no variant `{name}` of {args.step}; there are {', '.join(sorted(known))}")
        print(json.dumps(one(name, args.step, args)), flush=True)


if __name__ == "__main__":
    main()
