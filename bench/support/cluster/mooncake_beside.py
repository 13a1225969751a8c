"""Mooncake's store over TCP (PyPI: mooncake-transfer-engine-non-cuda), for cluster_bench: a master and a process with memory, and
this one, which puts and gets 64 MiB in batches of 64 keys as it is told on its standard input: "put BYTES", "get BYTES", a value's
bytes. It answers a line each: "ok", or what went wrong.

Mooncake listens on all addresses: it must be begun in a network of its own that has nothing but a loopback (unshare -rn)."""
import ctypes
import fcntl
import mmap
import os
import socket
import struct
import subprocess
import sys
import time

ALL = 64 << 20
BATCH = 64
MASTER = "127.0.0.1:23451"


def loopback_alone():
    with open("/proc/net/dev") as devices:
        names = [line.split(":")[0].strip() for line in devices if ":" in line]
    if names != ["lo"]:
        raise SystemExit("it has a network: it is begun by unshare -rn, or not at all")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        set_flags = 0x8914  # SIOCSIFFLAGS
        fcntl.ioctl(any_socket, set_flags, struct.pack("16sh", b"lo", 1))


def store(segment):
    from mooncake.store import MooncakeDistributedStore
    out = MooncakeDistributedStore()
    if out.setup("127.0.0.1", "P2PHANDSHAKE", segment, 16 << 20, "tcp", "", MASTER) != 0:
        raise SystemExit("it does not come to be a client of its master")
    return out


def serve():
    kept = store(768 << 20)
    print("ready", flush=True)
    sys.stdin.read()
    kept.close()


def run(answer):
    loopback_alone()
    master = os.path.join(os.path.dirname(sys.executable), "mooncake_master")
    quiet = subprocess.DEVNULL
    with subprocess.Popen([master, "-rpc_port", MASTER.split(":")[1], "-metrics_port", "23452"],
                          stdout=quiet, stderr=quiet) as one:
        server = None
        try:
            for _ in range(100):
                try:
                    socket.create_connection(("127.0.0.1", 23451), 1).close()
                    break
                except OSError:
                    time.sleep(0.1)
            server = subprocess.Popen([sys.executable, __file__, "serve"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                      stderr=quiet)
            if b"ready" not in server.stdout.readline():
                raise SystemExit("its process with memory does not begin")
            mine = store(0)
            memory = mmap.mmap(-1, ALL)
            at = ctypes.addressof(ctypes.c_char.from_buffer(memory))
            if mine.register_buffer(at, ALL) != 0:
                raise SystemExit("it does not take memory")
            answer("ok")
            for line in sys.stdin:
                what, size = line.split()[0], int(line.split()[1])
                count = ALL // size
                keys = [f"k{size}_{i}" for i in range(count)]
                places = [at + i * size for i in range(count)]
                right = size if what == "get" else 0
                call = mine.batch_get_into if what == "get" else mine.batch_put_from
                well = True
                for i in range(0, count, BATCH):
                    j = min(i + BATCH, count)
                    well = well and all(r == right for r in call(keys[i:j], places[i:j], [size] * (j - i)))
                answer("ok" if well else f"{what} of {size} bytes fails")
        finally:
            if server is not None:
                server.kill()
            one.kill()


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        serve()
    else:
        told = os.fdopen(os.dup(1), "w")  # Mooncake writes to the standard output, too
        os.dup2(2, 1)

        def say(text):
            told.write(text + "\n")
            told.flush()

        run(say)
