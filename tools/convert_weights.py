#!/usr/bin/env python3
"""Turns a trained model's state dict into a file that kvstrata's HSTU reads (models/hstu/model_file.hpp).

    convert_weights.py nvidia model.0.pth model.safetensors --heads 4 --normaliser 8192
    convert_weights.py meta   checkpoint.pth model.safetensors --heads 2

`nvidia` is the ranking model of NVIDIA's recsys-examples, which is also MTServe's; `meta` the research model of Meta's
generative-recommenders. State dicts are read from PyTorch's files, without PyTorch and without running what they hold,
from .npz and from .safetensors. Needs numpy and nothing else.

Which tensor becomes which is the table TABLES below. A tensor that it does not know stops the conversion, so that nothing
is left behind in silence; --ignore names what may be.

What a file then holds is the layers and the head. Tokens are vectors of the caller's (inputs by_caller): item embeddings,
contextual tokens, actions, scaling and positions are the caller's affair, as they differ from model to model. A table of
positions, and Meta's table of items, come along for that, unscaled.
"""
import argparse
import collections
import io
import json
import pickle
import re
import struct
import sys
import zipfile

import numpy as np


class Refused(Exception):
    """A sentence for the user."""


# --- Reading ----------------------------------------------------------------------------------------------------------

STORAGES = {"FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "BFloat16Storage": "bf16",
            "LongStorage": "<i8", "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
            "BoolStorage": "?"}


class Other:
    """Stands for an object of a class that no tensor is made of; it does nothing."""

    def __init__(self, *args, **kwargs):
        pass

    def __setstate__(self, state):
        pass


class Storage:
    def __init__(self, kind):
        self.kind = kind


def from_bf16(bits):
    return (bits.astype(np.uint32) << 16).view(np.float32)


def rebuild_tensor(storage, offset, size, stride, *ignored):
    item = storage.itemsize
    last = offset + sum((n - 1) * s for n, s in zip(size, stride)) if all(n > 0 for n in size) else offset
    if min(offset, *size, *stride, 0) < 0 or last >= len(storage) + (0 if all(n > 0 for n in size) else 1):
        raise Refused("a tensor reaches beyond its storage")
    return np.lib.stride_tricks.as_strided(storage[offset:], size, [s * item for s in stride]).copy()


class Unpickler(pickle.Unpickler):
    """Makes arrays, numbers, texts and dicts, and of anything else nothing."""

    def __init__(self, text, read):
        super().__init__(io.BytesIO(text))
        self.read = read

    def find_class(self, module, name):
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return lambda data, *ignored: data
        if module in ("torch", "torch.storage") and name in STORAGES:
            return Storage(STORAGES[name])
        return Other

    def persistent_load(self, pid):
        if pid[0] != "storage" or not isinstance(pid[1], Storage):
            raise Refused("it holds something that is neither a tensor nor a plain value")
        raw = self.read(pid[2])
        if pid[1].kind == "bf16":
            return from_bf16(np.frombuffer(raw, "<u2"))
        return np.frombuffer(raw, pid[1].kind)


def read_torch(path):
    with zipfile.ZipFile(path) as archive:
        pickles = [n for n in archive.namelist() if n.endswith("/data.pkl")]
        if len(pickles) != 1:
            raise Refused(f"{path}: it is a zip file, but not one of PyTorch's")
        root = pickles[0][: -len("data.pkl")]
        if root + "byteorder" in archive.namelist() and archive.read(root + "byteorder") != b"little":
            raise Refused(f"{path}: it was written on a big-endian machine")
        return Unpickler(archive.read(pickles[0]), lambda key: archive.read(f"{root}data/{key}")).load()


def read_safetensors(path):
    kinds = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "U8": "u1", "BOOL": "?"}
    with open(path, "rb") as file:
        length = struct.unpack("<Q", file.read(8))[0]
        header = json.loads(file.read(length))
        data = file.read()
    out = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        values = np.frombuffer(data[begin:end], kinds[entry["dtype"]]).reshape(entry["shape"])
        out[name] = from_bf16(values) if entry["dtype"] == "BF16" else values
    return out


def read_state(path):
    """Arrays by name."""
    if path.endswith(".npz"):
        state = dict(np.load(path, allow_pickle=False))
    elif path.endswith(".safetensors"):
        state = read_safetensors(path)
    elif zipfile.is_zipfile(path):
        state = read_torch(path)
    else:
        raise Refused(f"{path}: neither a file of PyTorch 1.6 or later (a zip file), nor .npz, nor .safetensors")
    for inner in ("model_state_dict", "state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(inner), dict):
            state = state[inner]
    arrays = {str(k): v for k, v in state.items() if isinstance(v, np.ndarray)} if isinstance(state, dict) else {}
    if not arrays:
        raise Refused(f"{path}: no tensors with names are in it")
    return arrays


# --- Which is which -------------------------------------------------------------------------------------------------

def as_is(w, options):
    return w


def turned(w, options):  # torch's Linear has [outputs][inputs]
    return w.T


LAYER = r"^(?:.*\.)?_attention_layers\.(\d+)\."

# Public name (a regular expression; its group is the layer), our name, what is done to it.
TABLES = {
    "nvidia": [
        (LAYER + r"_linear_uvqk\.weight$", "layers.{}.project", turned),
        (LAYER + r"_linear_uvqk_weight$", "layers.{}.project", as_is),
        (LAYER + r"_linear_uvqk[._]bias$", "layers.{}.project_bias", as_is),
        (LAYER + r"_linear_proj\.weight$", "layers.{}.output", turned),
        (LAYER + r"_linear_proj_weight$", "layers.{}.output", as_is),
        (LAYER + r"_input_layernorm_weight$", "layers.{}.input_norm_weight", as_is),
        (LAYER + r"_input_layernorm_bias$", "layers.{}.input_norm_bias", as_is),
        (LAYER + r"_output_layernorm_weight$", "layers.{}.output_norm_weight", as_is),
        (LAYER + r"_output_layernorm_bias$", "layers.{}.output_norm_bias", as_is),
        (r"^(?:.*\.)?_mlp\._mlp\.(\d+)\.weight$", "mlp.{}.linear", turned),
        (r"^(?:.*\.)?_mlp\._mlp\.(\d+)\.bias$", "mlp.{}.bias", as_is),
        (r"^(?:.*\.)?_position_embeddings_weight$", "positions", as_is),
        (r"^(?:.*\.)?_(?:data|model)_parallel_embedding_collection\..*$", None, None),  # the caller's
    ],
    "meta": [
        (LAYER + r"_uvqk$", "layers.{}.project", as_is),
        (LAYER + r"_o\.weight$", "layers.{}.output", turned),
        (LAYER + r"_o\.bias$", "layers.{}.output_bias", as_is),
        (LAYER + r"_rel_attn_bias\._(?:pos_)?w$", "layers.{}.by_position", as_is),
        (LAYER + r"_rel_attn_bias\._ts_w$", "layers.{}.by_time", as_is),
        (r"^(?:.*\.)?_embedding_module\._item_emb\.weight$", "items", as_is),
        (r"^(?:.*\.)?_input_features_preproc\._pos_emb\.weight$", "positions", as_is),
        (r"^(?:.*\.)?_attn_mask$", None, None),  # follows from the rest
    ],
}


def rename(state, table, ignored):
    out, unknown = {}, []
    for name, values in state.items():
        for pattern, ours, how in table:
            found = re.match(pattern, name)
            if not found:
                continue
            if ours is not None:
                target = ours.format(*found.groups())
                if target in out:
                    raise Refused(f"two tensors become '{target}'; one of them is '{name}'")
                out[target] = np.ascontiguousarray(how(values.astype(np.float32), None))
            break
        else:
            if not (ignored and re.search(ignored, name)):
                unknown.append(f"{name} {list(values.shape)}")
    if unknown:
        raise Refused("tensors that the table does not know (--ignore REGEX leaves some out): " + ", ".join(unknown[:8]) +
                      (f" and {len(unknown) - 8} more" if len(unknown) > 8 else ""))
    return out


def spread_bias(tensors, layers, heads):
    """Meta's tables are of all heads, and by distance they run from the farthest key to the query's own and beyond."""
    n = None
    for l in range(layers):
        position = tensors.pop(f"layers.{l}.by_position", None)
        time = tensors.pop(f"layers.{l}.by_time", None)
        if position is not None:
            n = (len(position) + 1) // 2
            tensors[f"layers.{l}.position_bias"] = np.tile(position[n - 1::-1], (heads, 1))
        if time is not None:
            tensors[f"layers.{l}.time_bias"] = np.tile(time, (heads, 1))
    return n


def number_head(tensors, activation):
    """The layers of an MLP have gaps in their numbers, where its activations are."""
    numbers = sorted({int(k.split(".")[1]) for k in tensors if k.startswith("mlp.")})
    words = {}
    for i, number in enumerate(numbers):
        for part in ("linear", "bias"):
            values = tensors.pop(f"mlp.{number}.{part}", None)
            if values is not None:
                tensors[f"head.{i}.{part}"] = values
        words[f"head.{i}.norm"] = "l2" if i == 0 else "none"
        words[f"head.{i}.activation"] = activation if i + 1 < len(numbers) else "none"
    return words


def convert(kind, state, options):
    """Tensors and metadata of the file."""
    tensors = rename(state, TABLES[kind], options.ignore)
    layers = len([k for k in tensors if re.match(r"layers\.\d+\.project$", k)])
    if layers == 0 or any(f"layers.{l}.project" not in tensors for l in range(layers)):
        raise Refused("the layers 0, 1, ... with a projection each are not in it")
    hidden, columns = tensors["layers.0.project"].shape
    if columns % (4 * options.heads) != 0:
        raise Refused(f"--heads is {options.heads}, but a projection of {columns} columns is not that many times four: "
                      "are QK and V of different widths?")
    width = columns // 4
    if tensors.get("layers.0.output", np.zeros((0, 0))).shape != (width, hidden):
        raise Refused(f"the output projection is {tensors['layers.0.output'].shape}, not ({width}, {hidden}): "
                      "a layer with concat_ua, or QK and V of different widths, is another layer")
    head_dim = width // options.heads
    words = {"layers": layers, "hidden": hidden, "heads": options.heads, "head_dim": head_dim, "inputs": "by_caller",
             "event_tokens": 1, "ids": "rows", "projection": options.projection or "u_v_q_k", "silu": "all"}
    normaliser = options.normaliser
    if kind == "nvidia":
        words.update(alpha=head_dim ** -0.5, epsilon=options.epsilon or 1e-5)
        words.update(number_head(tensors, options.activation))
    else:
        normaliser = spread_bias(tensors, layers, options.heads) or normaliser
        words.update(alpha=1, epsilon=options.epsilon or 1e-6, looks_from="next")
    if not normaliser:
        raise Refused("--normaliser is needed: N of silu(..) / N, a constant of the model (NVIDIA: scaling_seqlen)")
    words["normaliser"] = normaliser
    for name, field in (("items", "items"), ("positions", "max_tokens")):
        if name in tensors:
            words[field] = len(tensors[name]) - (1 if name == "positions" else 0)
    return tensors, {k: repr(float(v)) if isinstance(v, float) else str(v) for k, v in words.items()}


# --- Writing --------------------------------------------------------------------------------------------------------

def to_bf16(values):
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((bits + 0x7FFF + (bits >> 16 & 1)) >> 16).astype("<u2")


def write(path, tensors, metadata, dtype):
    header, parts, end = {"__metadata__": metadata}, [], 0
    for name in sorted(tensors):
        values = tensors[name]
        if not np.isfinite(values).all():
            raise Refused(f"tensor '{name}' holds a value that is no finite number")
        raw = (to_bf16(values) if dtype == "bf16" else values.astype("<f4")).tobytes()
        header[name] = {"dtype": dtype.upper(), "shape": list(values.shape), "data_offsets": [end, end + len(raw)]}
        end += len(raw)
        parts.append(raw)
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for raw in parts:
            file.write(raw)


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", choices=sorted(TABLES))
    parser.add_argument("state", help="the state dict")
    parser.add_argument("file", help="the file to write")
    parser.add_argument("--heads", type=int, required=True)
    parser.add_argument("--normaliser", type=int, help="N of silu(..) / N; with Meta's tables of positions it follows")
    parser.add_argument("--epsilon", type=float, help="of the norms; NVIDIA 1e-5, Meta 1e-6")
    parser.add_argument("--projection", choices=["u_v_q_k", "u_v_q_k_by_head"],
                        help="order of the projection's columns; NVIDIA's native layer has u_v_q_k_by_head")
    parser.add_argument("--activation", choices=["relu", "gelu", "silu"], default="relu", help="between the MLP's layers")
    parser.add_argument("--dtype", choices=["f32", "bf16"], default="f32", help="of the file")
    parser.add_argument("--ignore", help="names that match this regular expression are left out")
    options = parser.parse_args(arguments)
    if options.heads < 1:
        parser.error("--heads must be at least 1")
    try:
        tensors, metadata = convert(options.model, read_state(options.state), options)
        write(options.file, tensors, metadata, options.dtype)
    except (Refused, OSError, KeyError, ValueError, zipfile.BadZipFile, pickle.UnpicklingError) as e:
        print(f"error: {e}", file=sys.stderr)
        return 1
    print(f"{options.file}: {metadata['layers']} layers, hidden {metadata['hidden']}, "
          f"{metadata['heads']} heads of {metadata['head_dim']}, {len(tensors)} tensors")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
