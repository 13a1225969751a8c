#!/usr/bin/env bash
# Version: zstandard 0.25.0, the Python package.
#
# Published traces are .zst files, and pzstd, which packs large ones on all cores, writes many frames into one file, each
# behind a skippable frame of 12 bytes that holds its length. Both are the format's own (RFC 8878).
#
# One would guess: a reader that documents read_across_frames=False as its default ends after the first frame, in every
# one of its calls; a frame to be skipped is skipped; and what is not read is an error or can be told.
#
# What happens: of the calls that take a whole file, each has an answer of its own. stream_reader().read() and
# copy_stream() read all frames; readinto() of the same reader ends at the end of a frame, in the midst of the file, with
# the buffer not filled; read_to_iter() and decompressobj() end after the first frame, and where that is one to be skipped
# they end with nothing at all and without an error; decompress() takes the 4 bytes in the skippable frame for the size of
# the content, and complains that it decompressed 0 of 4.
#
# Why it matters: read_to_iter() is the call for a trace that is larger than memory. A tool made with it says "0 requests"
# to a file that zstd and its neighbour in the same package read, or takes the first frame for the whole trace. Ask for
# read_across_frames=True where it exists, and compare the number of bytes with what `zstd -lv` says.
set -euo pipefail

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

missing() {  # WHAT...
  echo "cannot run: $*" >&2
  exit 77
}

install_pinned() {  # NAME==VERSION; then $work/venv/bin/python has it
  command -v python3 >"$work/log" || missing "python3 is not installed"
  python3 -m venv "$work/venv" >"$work/log" 2>&1 ||
    missing "python3 makes no virtual environment: $(tail -n 1 "$work/log")"
  "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: "$1" \
    >"$work/log" 2>&1 || missing "pip does not install $1: $(tail -n 1 "$work/log")"
  echo "$1"
}

compare() {  # EXPECTED SEEN; prints what was seen
  printf '%s\n' "$2"
  if [[ $1 != "$2" ]]; then
    printf 'THE BEHAVIOUR HAS CHANGED; described is:\n%s\n' "$1"
    exit 1
  fi
  echo "as described"
}

install_pinned zstandard==0.25.0

expected='one frame: 100000 bytes
    stream_reader, read: 100000
    stream_reader, readinto: 100000
    copy_stream: 100000
    read_to_iter: 100000
    decompressobj: 100000
    decompressobj, read_across_frames: 100000
    decompress: 100000
two frames: 200000 bytes
    stream_reader, read: 200000
    stream_reader, readinto: 100000
    copy_stream: 200000
    read_to_iter: 100000
    decompressobj: 100000
    decompressobj, read_across_frames: 200000
    decompress: 100000
two frames, each behind a skippable one, as pzstd writes them: 200000 bytes
    stream_reader, read: 200000
    stream_reader, readinto: 100000
    copy_stream: 200000
    read_to_iter: 0
    decompressobj: 0
    decompressobj, read_across_frames: 200000
    decompress: decompression error: decompressed 0 bytes; expected 4'

compare "$expected" "$("$work/venv/bin/python" - <<'END'
import io
import struct
import zstandard

content = b"".join(struct.pack("<I", i) for i in range(25_000))
frame = zstandard.ZstdCompressor().compress(content)
skippable = struct.pack("<III", 0x184D2A50, 4, len(frame))
reader = zstandard.ZstdDecompressor
calls = {
    "stream_reader, read": lambda packed: len(reader().stream_reader(io.BytesIO(packed)).read()),
    "stream_reader, readinto": lambda packed: reader().stream_reader(io.BytesIO(packed)).readinto(bytearray(1 << 20)),
    "copy_stream": lambda packed: reader().copy_stream(io.BytesIO(packed), io.BytesIO())[1],
    "read_to_iter": lambda packed: sum(len(part) for part in reader().read_to_iter(io.BytesIO(packed))),
    "decompressobj": lambda packed: len(reader().decompressobj().decompress(packed)),
    "decompressobj, read_across_frames": lambda packed: len(
        reader().decompressobj(read_across_frames=True).decompress(packed)
    ),
    "decompress": lambda packed: len(reader().decompress(packed, max_output_size=1 << 20)),
}
for name, packed, size in (
    ("one frame", frame, len(content)),
    ("two frames", frame + frame, 2 * len(content)),
    ("two frames, each behind a skippable one, as pzstd writes them", 2 * (skippable + frame), 2 * len(content)),
):
    print(f"{name}: {size} bytes")
    for call, answer in calls.items():
        try:
            print(f"    {call}: {answer(packed)}")
        except zstandard.ZstdError as error:
            print(f"    {call}: {error}")
END
)"
