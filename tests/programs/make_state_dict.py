"""Makes state dicts by the names and shapes of the public models, in PyTorch's file format (without PyTorch) and as .npz;
with --check compares what convert_weights.py made of them. Usage: make_state_dict.py [--check] FOLDER"""
import io
import json
import pickle
import struct
import sys
import types
import zipfile

import numpy as np

random = np.random.default_rng(7)
HIDDEN, HEADS, DIM, LAYERS = 24, 4, 6, 2


def draw(*shape):
    return random.normal(0, 0.2, shape).astype(np.float32)


def nvidia(inference):
    width, out = HEADS * DIM, {}
    for l in range(LAYERS):
        name = f"_hstu_block._attention_layers.{l}."
        project, output = draw(HIDDEN, 4 * width), draw(width, HIDDEN)
        if inference:
            out[name + "_linear_uvqk.weight"], out[name + "_linear_uvqk.bias"] = project.T.copy(), draw(4 * width)
            out[name + "_linear_proj.weight"] = output.T.copy()
        else:
            out[name + "_linear_uvqk_weight"], out[name + "_linear_uvqk_bias"] = project, draw(4 * width)
            out[name + "_linear_proj_weight"] = output
        for norm, size in (("input", HIDDEN), ("output", width)):
            out[name + f"_{norm}_layernorm_weight"] = 1 + draw(size)
            out[name + f"_{norm}_layernorm_bias"] = draw(size)
    out["_mlp._mlp.0.weight"], out["_mlp._mlp.0.bias"] = draw(40, HIDDEN), draw(40)
    out["_mlp._mlp.2.weight"], out["_mlp._mlp.2.bias"] = draw(8, 40), draw(8)
    out["_hstu_block._preprocessor._positional_encoder._position_embeddings_weight"] = draw(300, HIDDEN)
    out["_embedding_collection._data_parallel_embedding_collection.embeddings.x.weight"] = draw(5, HIDDEN)
    return out


def meta(n=120, hidden=20, heads=2, dim=5, items=50):
    out = {"_embedding_module._item_emb.weight": draw(items, hidden),
           "_input_features_preproc._pos_emb.weight": draw(n, hidden),
           "_attn_mask": np.tril(np.ones((n, n), np.float32))}
    for l in range(3):
        name = f"_hstu._attention_layers.{l}."
        out[name + "_uvqk"] = draw(hidden, 4 * heads * dim)
        out[name + "_o.weight"], out[name + "_o.bias"] = draw(hidden, heads * dim), draw(hidden)
        out[name + "_rel_attn_bias._ts_w"], out[name + "_rel_attn_bias._pos_w"] = draw(129), draw(2 * n - 1)
    return out


# --- PyTorch's file format --------------------------------------------------------------------------------------------

torch = types.ModuleType("torch")
torch._utils = types.ModuleType("torch._utils")


class FloatStorage:
    pass


class BFloat16Storage:
    pass


def _rebuild_tensor_v2(*arguments):
    raise NotImplementedError


for made, where in ((FloatStorage, torch), (BFloat16Storage, torch), (_rebuild_tensor_v2, torch._utils)):
    made.__module__ = "torch" if where is torch else "torch._utils"
    made.__qualname__ = made.__name__
    setattr(where, made.__name__, made)
sys.modules["torch"], sys.modules["torch._utils"] = torch, torch._utils


class Key:
    def __init__(self, kind, key, count):
        self.pid = ("storage", kind, key, "cpu", count)


class Tensor:
    def __init__(self, key, offset, shape, stride):
        self.parts = (key, offset, shape, stride, False, None)

    def __reduce__(self):
        return _rebuild_tensor_v2, self.parts


class Pickler(pickle.Pickler):
    def persistent_id(self, what):
        return what.pid if isinstance(what, Key) else None


def write_torch(path, state, half=(), beyond=False):
    entries, tensors = {}, {}
    for i, (name, values) in enumerate(state.items()):
        turned = values.ndim == 2 and i % 3 == 0  # a tensor that is a view, with other strides
        stored = np.ascontiguousarray(values.T if turned else values)
        padded = np.concatenate([np.zeros(3, np.float32), stored.reshape(-1)])
        bits = padded.view(np.uint32)
        in_bf16 = name in half
        entries[str(i)] = (bits >> 16).astype("<u2").tobytes() if in_bf16 else padded.tobytes()
        strides = [s // 4 for s in stored.strides]
        tensors[name] = Tensor(Key(BFloat16Storage if in_bf16 else FloatStorage, str(i), len(padded)),
                               4 if beyond else 3, tuple(values.shape), tuple(reversed(strides) if turned else strides))
    text = io.BytesIO()
    Pickler(text, protocol=2).dump({"epoch": 3, "model_state_dict": tensors})
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model/data.pkl", text.getvalue())
        archive.writestr("model/byteorder", "little")
        for key, raw in entries.items():
            archive.writestr(f"model/data/{key}", raw)


class Evil:
    def __init__(self, file):
        self.file = file

    def __reduce__(self):
        return open, (self.file, "w")


def read(path):
    with open(path, "rb") as file:
        header = json.loads(file.read(struct.unpack("<Q", file.read(8))[0]))
        data = file.read()
    words = header.pop("__metadata__")
    out = {}
    for name, e in header.items():
        raw = data[e["data_offsets"][0]:e["data_offsets"][1]]
        bits = np.frombuffer(raw, "<u2").astype(np.uint32) << 16
        values = bits.view(np.float32) if e["dtype"] == "BF16" else np.frombuffer(raw, "<f4")
        out[name] = values.reshape(e["shape"])
    return words, out


def check(folder):
    state = nvidia(False)
    other = nvidia(True)
    research = meta()
    words, found = read(folder + "/nvidia.safetensors")
    assert words["alpha"] == repr(DIM ** -0.5) and words["epsilon"] == "1e-05" and words["normaliser"] == "512"
    assert words["projection"] == "u_v_q_k" and words["inputs"] == "by_caller" and words["max_tokens"] == "299"
    assert words["head.0.norm"] == "l2" and words["head.1.norm"] == "none"
    assert words["head.0.activation"] == "relu" and words["head.1.activation"] == "none"
    for l in range(LAYERS):
        name = f"_hstu_block._attention_layers.{l}."
        pairs = {"project": "_linear_uvqk_weight", "project_bias": "_linear_uvqk_bias", "output": "_linear_proj_weight",
                 "input_norm_weight": "_input_layernorm_weight", "output_norm_bias": "_output_layernorm_bias"}
        for ours, theirs in pairs.items():
            assert np.array_equal(found[f"layers.{l}.{ours}"], state[name + theirs]), ours
    assert np.array_equal(found["head.1.linear"], state["_mlp._mlp.2.weight"].T)
    assert not any("embedding" in name for name in found)
    words, found = read(folder + "/inference.safetensors")
    wanted = other["_hstu_block._attention_layers.1._linear_uvqk.weight"].T
    assert np.abs(found["layers.1.project"] - wanted).max() <= np.abs(wanted).max() / 256
    assert words["head.0.activation"] == "gelu"
    words, found = read(folder + "/meta.safetensors")
    assert words["normaliser"] == "120" and words["looks_from"] == "next" and words["alpha"] == "1"
    table = research["_hstu._attention_layers.2._rel_attn_bias._pos_w"]
    assert found["layers.2.position_bias"].shape == (2, 120)
    for distance in (0, 1, 119):
        assert found["layers.2.position_bias"][1][distance] == table[119 - distance]
    bf16 = research["_hstu._attention_layers.0._o.weight"].view(np.uint32) >> 16 << 16  # it was stored so
    assert np.array_equal(found["layers.0.output"], bf16.view(np.float32).T)
    assert np.array_equal(found["items"], research["_embedding_module._item_emb.weight"])


def make(folder):
    state = nvidia(False)
    write_torch(folder + "/nvidia.pth", state)
    np.savez(folder + "/inference.npz", **nvidia(True))
    research = meta()
    write_torch(folder + "/meta.pth", research, half=("_hstu._attention_layers.0._o.weight",))
    np.savez(folder + "/unknown.npz", **state, **{"_hstu_block._surprise": draw(3)})
    first = next(iter(state))
    nan = state[first].copy()
    nan[1, 1] = np.nan
    np.savez(folder + "/nan.npz", **{**state, first: nan})
    np.savez(folder + "/hole.npz", **{k.replace("layers.0", "layers.5"): v for k, v in state.items()})
    name = "_hstu._attention_layers.0._o.weight"
    np.savez(folder + "/concat.npz", **{**{k.replace("x", "x"): v for k, v in meta(heads=4).items()}, name: draw(20, 60)})
    write_torch(folder + "/beyond.pth", state, beyond=True)
    with zipfile.ZipFile(folder + "/evil.pth", "w") as archive:
        archive.writestr("m/data.pkl", pickle.dumps({"x": Evil(folder + "/ran")}, protocol=2))


if sys.argv[1] == "--check":
    check(sys.argv[2])
else:
    make(sys.argv[1])
