// One request of one user whose history lies in the arena, on a machine that is modelled in virtual time: how long it
// takes until the model is done, and what was fetched and computed meanwhile.
#pragma once

#include "command_line/source_dir.hpp"

#include <kvstrata/kvstrata.hpp>
#include <kvstrata/simulate/machine_file.hpp>
#include <kvstrata/simulate/serving_simulator.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>
#include <filesystem>

namespace bench {

/// One of the shipped machines, which serve MTServe's model.
[[nodiscard]] inline kvstrata::machine_description shipped_machine(const char* name)
{
  return kvstrata::read_machine(tools::source_dir() / "tools" / "sim" / "machines" / name);
}

[[nodiscard]] inline const kvstrata::machine_description& h200_pcie5()
{
  static const kvstrata::machine_description m = shipped_machine("h200_pcie5.machine");
  return m;
}

/// NVIDIA recsys-examples, 32 KiB a token.
inline constexpr kvstrata::model_shape nvidia_shape{
    .kv = {.layers = 8, .kv_heads = 4, .head_dim = 256}, .hidden = 1024, .candidates = 256};

struct lone_hit
{
  double seconds = 0;
  kvstrata::token_count fetched = 0;
  kvstrata::token_count computed = 0;
  double exposed_seconds = 0;  ///< the compute stream waited for copies
  std::uint64_t copies = 0;    ///< calls that the onload took
  std::uint64_t pieces = 0;
};

/// Serves `history` tokens from the arena. The cache's sizes are chosen so that another user has pushed the first out
/// of the slab. `set(config)` may change the cache's configuration; `warm_up` runs with the same cache before the clock.
template <class Cache, class Set>
[[nodiscard]] lone_hit serve_lone_hit(const kvstrata::machine& m, const kvstrata::model_shape& model,
                                      kvstrata::token_count history, Set&& set)
{
  using namespace kvstrata;
  const link_model link{.bytes_per_second = m.link_bytes_per_second, .latency_seconds = m.link_latency_seconds};
  emulated_device device(
      {.time = time_mode::virtual_time, .to_device = link, .from_device = link, .data = false, .trace = false});
  typename Cache::config c{.shape = model.kv};
  set(c);
  const std::size_t page = page_bytes(model.kv, c.layout.page_tokens);
  const std::size_t pages = (history + c.layout.page_tokens - 1) / c.layout.page_tokens;
  std::get<0>(c.tiers).bytes = pages * page;
  std::get<1>(c.tiers).bytes = 3 * pages * page;
  Cache cache(device, c);
  const stream_id compute = device.create_stream("compute");
  const cost_model cost = cost_model::of(m, model.hidden, model.kv);
  lone_hit out;
  for (const std::uint64_t user : {1U, 2U, 1U}) {
    cache.drain_sync();
    device.wait_sync(device.record(compute));
    const auto before = device.stats();
    const double begin = device.now();
    const request r{.user = user_id{user}, .history_tokens = history};
    auto lease = cache.prepare({&r, 1}, compute).value();
    queue_model(device, compute, lease, cost, model.candidates);
    out.fetched = lease.sources(0).fetched();
    out.computed = lease.sources(0).computed;
    lease.commit();
    lease.release();
    device.wait_sync(device.record(compute));
    const auto after = device.stats();
    const auto number = static_cast<std::size_t>(compute);
    out.seconds = device.now() - begin;
    out.exposed_seconds = after.streams[number].stall_seconds - before.streams[number].stall_seconds;
    out.copies = after.to_device.copies - before.to_device.copies;
    out.pieces = after.to_device.pieces - before.to_device.pieces;
  }
  return out;
}

}  // namespace bench
