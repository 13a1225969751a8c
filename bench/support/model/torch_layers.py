"""One pass of HSTU layers without a cache in PyTorch, eager, as fast as its authors could make it: queries in blocks on the
keys that they see, in place, K and V alone in the last layer. Prints a line for each precision: name, processor seconds,
wall seconds, the least of some rounds.

    torch_layers.py LAYERS HIDDEN HEADS HEAD_DIM USERS TOKENS CANDIDATES THREADS

With THREADS 0 it checks the blocks against the dense form instead."""
import sys
import time

import torch
import torch.nn.functional as F

layers, hidden, heads, dim, users, tokens, candidates, threads = (int(a) for a in sys.argv[1:9])
width, block = heads * dim, 256
torch.set_num_threads(threads or 1)
torch.manual_seed(1)


def weights(kind):
    scale = hidden ** -0.5
    return [(torch.randn(hidden, 4 * width).mul_(scale).to(kind), torch.randn(width, hidden).mul_(width ** -0.5).to(kind))
            for _ in range(layers)]


def attend(q, k, v, history, causal):
    """[rows][heads, dim] of history rows that see all before them and themselves, or of candidates that see the history and
    themselves."""
    out = torch.empty_like(q)
    qh, kh, vh = (a.view(-1, heads, dim).transpose(0, 1) for a in (q, k, v))
    oh = out.view(-1, heads, dim).transpose(0, 1)
    rows = q.shape[0]
    for first in range(0, rows, block):
        last = min(first + block, rows)
        seen = last if causal else history
        scores = torch.bmm(qh[:, first:last], kh[:, :seen].transpose(1, 2))
        F.silu(scores, inplace=True)
        if causal:
            scores[:, :, first:last].tril_()
        torch.bmm(scores, vh[:, :seen], out=oh[:, first:last])
    return out


def one_pass(ws, xs, cs):
    outs = []
    for x, c in zip(xs, cs):
        x, c = x.clone(), c.clone()
        for number, (project, output) in enumerate(ws):
            last = number + 1 == layers
            normal = F.layer_norm(x, (hidden,), eps=1e-6)
            if last:
                k, v = F.silu(normal @ project[:, 2 * width:], inplace=True).split(width, 1)
            else:
                u, q, k, v = F.silu(normal @ project, inplace=True).split(width, 1)
            cu, cq, ck, cv = F.silu(F.layer_norm(c, (hidden,), eps=1e-6) @ project, inplace=True).split(width, 1)
            if not last:
                a = attend(q.contiguous(), k.contiguous(), v.contiguous(), tokens, True)
                x += (F.layer_norm(a.div_(tokens), (width,), eps=1e-6).mul_(u)) @ output
            a = attend(cq.contiguous(), k.contiguous(), v.contiguous(), tokens, False)
            own = F.silu((cq.view(-1, heads, dim) * ck.view(-1, heads, dim)).sum(2, keepdim=True))
            a += (own * cv.view(-1, heads, dim)).reshape(-1, width)
            c += (F.layer_norm(a.div_(tokens), (width,), eps=1e-6).mul_(cu)) @ output
        outs.append(c)
    return outs


def dense(ws, x, c):
    """All rows at once, with a mask."""
    rows = torch.cat([x, c])
    i = torch.arange(len(rows))
    mask = (i[:, None] >= i[None, :]) & ((i[None, :] < len(x)) | (i[:, None] == i[None, :]))
    for project, output in ws:
        u, q, k, v = F.silu(F.layer_norm(rows, (hidden,), eps=1e-6) @ project).split(width, 1)
        qh, kh, vh = (a.reshape(-1, heads, dim).transpose(0, 1) for a in (q, k, v))
        a = ((F.silu(qh @ kh.transpose(1, 2)) * mask) @ vh / tokens).transpose(0, 1).reshape(-1, width)
        rows = rows + (F.layer_norm(a, (width,), eps=1e-6) * u) @ output
    return rows[len(x):]


with torch.inference_mode():
    if threads == 0:
        ws, x, c = weights(torch.float32), torch.randn(tokens, hidden), torch.randn(candidates, hidden)
        apart = (one_pass(ws, [x], [c])[0] - dense(ws, x, c)).abs().max().item()
        print("apart", apart)
        sys.exit(0 if apart < 1e-3 else 1)
    for name, kind in (("f32", torch.float32), ("bf16", torch.bfloat16)):
        ws = weights(kind)
        xs = [torch.randn(tokens, hidden).to(kind) for _ in range(users)]
        cs = [torch.randn(candidates, hidden).to(kind) for _ in range(users)]
        one_pass(ws, xs, cs)
        processor, wall = 1e9, 1e9
        for _ in range(5):
            p, w = time.process_time(), time.perf_counter()
            one_pass(ws, xs, cs)
            processor, wall = min(processor, time.process_time() - p), min(wall, time.perf_counter() - w)
        print(name, processor, wall, flush=True)
