"""libCacheSim beside policies_bench: CPU seconds that a policy of its takes for the latter part of a trace.

  libcachesim_beside.py check
  libcachesim_beside.py TRACE POLICY OBJECTS FIRST

TRACE is an oracleGeneral file; its first FIRST requests fill the cache and are not timed. Python starts the replay and looks
at the clock; the loop over the requests, reading a record of 24 bytes from memory included, is libCacheSim's own.
"""
import sys
import time

import libcachesim

if sys.argv[1] == "check":
    print(getattr(libcachesim, "__version__", "of an unknown version"))
    sys.exit(0)

trace, policy, objects, first = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
policies = {
    "lru": libcachesim.LRU,
    "fifo": libcachesim.FIFO,
    "clock": libcachesim.Clock,
    "sieve": libcachesim.Sieve,
    "arc": libcachesim.ARC,
}
reader = libcachesim.TraceReader(
    trace, libcachesim.TraceType.ORACLE_GENERAL_TRACE, libcachesim.ReaderInitParam(ignore_obj_size=True)
)
requests = reader.get_num_of_req()
cache = policies[policy](cache_size=objects)
cache.process_trace(reader, 0, first)
start = time.thread_time()
missed, _ = cache.process_trace(reader, first, requests - first)
print(time.thread_time() - start, 1 - missed)
