// One request of one user whose history lies in host memory, on a machine that is modelled in virtual time: how long it
// takes until the model is done, and what was fetched and computed meanwhile.
#pragma once

#include <kvstrata/kvstrata.hpp>
#include <kvstrata/transfer/cost_model.hpp>

#include <cstdint>

namespace bench {

/// A model by what it computes: the KV's shape, the hidden size, and the candidates that each request scores.
struct model_shape
{
  kvstrata::geometry kv;
  std::uint32_t hidden = 0;
  kvstrata::token_count candidates = 0;
};

/// MTServe's shape (arXiv 2604.22881), 16 KiB a token.
inline constexpr model_shape mtserve_shape{
    .kv = {.layers = 8, .kv_heads = 4, .head_dim = 128}, .hidden = 1024, .candidates = 512};
/// NVIDIA recsys-examples, 32 KiB a token.
inline constexpr model_shape nvidia_shape{
    .kv = {.layers = 8, .kv_heads = 4, .head_dim = 256}, .hidden = 1024, .candidates = 256};

/// Effective figures, not peaks: an H200 reaches about 400 TFLOP/s in bf16 on these shapes, PCIe 5 x16 53 GB/s. With
/// hidden 1,024 fetching beats computing from 10k tokens on.
inline constexpr kvstrata::machine h200_pcie5{
    .flops_per_second = 400e12, .link_bytes_per_second = 53e9, .link_latency_seconds = 4e-6};

/// That machine in virtual time, without data. A copy call or a kernel costs 4 us, a piece of a batch 0.1 us; a
/// multiprocessor moves 4.4 GB/s of pinned memory or 25 GB/s of device memory, which gives 3.3 TB/s in all (published
/// orders of magnitude, not measured here).
[[nodiscard]] inline kvstrata::emulated_device_config h200_device()
{
  const kvstrata::link_model link{.bytes_per_second = h200_pcie5.link_bytes_per_second,
                                  .latency_seconds = h200_pcie5.link_latency_seconds,
                                  .piece_seconds = 1e-7};
  return {.time = kvstrata::time_mode::virtual_time,
          .to_device = link,
          .from_device = link,
          .copy_kernels = {.latency_seconds = 4e-6,
                           .sm_bytes_per_second = 4.4e9,
                           .device_bytes_per_second = 3.3e12,
                           .sm_device_bytes_per_second = 25e9},
          .data = false};
}

/// Seconds one layer takes to compute these tokens of a history, and the candidates that attend to all of it.
[[nodiscard]] inline double layer_seconds(const kvstrata::cost_model& cost, const model_shape& model,
                                          std::span<const kvstrata::token_interval> tokens,
                                          kvstrata::token_count history)
{
  return cost.compute_seconds(tokens) +
         model.candidates * (cost.seconds_per_token + cost.seconds_per_pair * (history + 1.0));
}

struct lone_hit
{
  double seconds = 0;
  kvstrata::token_count fetched = 0;
  kvstrata::token_count computed = 0;
  double exposed_seconds = 0;  ///< the compute stream waited for copies
  std::uint64_t copies = 0;    ///< calls that the onload took
  std::uint64_t pieces = 0;
};

/// Serves `history` tokens from the host. The cache's sizes are chosen so that another user has pushed the first off
/// the device. `set(config)` may change the cache's configuration; `warm_up` runs with the same cache before the clock.
template <class Cache, class Set>
[[nodiscard]] lone_hit serve_lone_hit(const kvstrata::machine& m, const model_shape& model,
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
  c.device.bytes = pages * page;
  c.host.bytes = 3 * pages * page;
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
    const double front = cost.compute_seconds(lease.front(0));
    const double rest = layer_seconds(cost, model, lease.compute(0), history) - front;
    for (layer_index l = 0; l < model.kv.layers; ++l) {
      if (front > 0) device.launch(compute, {.label = "front", .seconds = front}, [] {});
      lease.wait(l);
      device.launch(compute, {.label = "layer", .seconds = rest}, [] {});
      lease.layer_done(l);
    }
    out.fetched = lease.split(0).lower;
    out.computed = lease.split(0).computed;
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
