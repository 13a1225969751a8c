// All of kvstrata that a host compiler needs, but for what a program names where it wants it:
//
//   codec/exp4.hpp, int8.hpp, fp8.hpp, int4.hpp   codecs for memories and stores; codec/exp_zstd.hpp and zstd_after.hpp, for stores,
//                                                 need kvstrata::zstd
//   tiers/nvme_file.hpp, memory_store.hpp         stores
//   transfer/codes/staged_codes.hpp               the other way for codes across the link
//   attention/..., beams/...                      partial states of attention; where beams' own tokens lie
//   position/..., recompute/..., assembly/...     contexts put together from blocks: positions of cached keys, which tokens are
//                                                 computed anew, page tables
//   prototypes/...                                K and V of other tokens that may stand in for a history's
//   simulate/...                                  traces and simulators
#pragma once

#include <kvstrata/core/language.hpp>  // first

#include <kvstrata/ahead/prefetcher.hpp>
#include <kvstrata/ahead/prometheus.hpp>
#include <kvstrata/cache.hpp>
#include <kvstrata/cache/device_prometheus.hpp>
#include <kvstrata/cache/prometheus.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/observe/event_log.hpp>
#include <kvstrata/observe/event_ring.hpp>
#include <kvstrata/observe/latencies.hpp>
#include <kvstrata/observe/prometheus.hpp>
#include <kvstrata/observe/timeline.hpp>
#include <kvstrata/observe/tracker_ref.hpp>
#include <kvstrata/observe/trackers.hpp>
#include <kvstrata/sharded/sharded.hpp>
#include <kvstrata/transfer/calibrate.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/direct_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>
#include <kvstrata/transfer/two_pointers.hpp>
#include <kvstrata/version.hpp>
