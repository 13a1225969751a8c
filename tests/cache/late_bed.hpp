// Leases that begin before what they serve has come from a store, and a model whose rows are as good as those that it read:
// what rests on a lost read shows wherever it is served afterwards.
#pragma once

#include "cache/stores_bed.hpp"
#include "support/allocation_count.hpp"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// What a lease of several users computes.
struct late_work : lease_work
{
  std::vector<std::size_t> request;                 ///< [cell]
  std::unique_ptr<std::atomic<bool>[]> read_wrong;  ///< [request] rows that are not what was written

  /// All of one layer, at once.
  void run(kvstrata::layer_index layer)
  {
    for (const bool writes : {false, true}) {
      for (std::size_t i = 0; i < cells.size(); ++i) {
        if (cells[i].writes == writes) run(cells[i], read_wrong[request[i]], layer);
      }
    }
  }

 private:
  void run(cell c, std::atomic<bool>& wrong, kvstrata::layer_index layer) const
  {
    if (c.writes && wrong) c.tag = mix({c.tag, 13});
    for (const bool value : {false, true}) {
      std::byte* const at = c.key + layer * layer_stride + (value ? value_offset : 0);
      std::uint64_t there = right_row(c, layer, value);
      if (c.writes) {
        std::memcpy(at, &there, sizeof there);
        continue;
      }
      std::memcpy(&there, at, sizeof there);
      const std::uint64_t right = right_row(c, layer, value);
      if (there != right && (c.exact || there != toy_rounded(right))) wrong = true;
    }
  }
};

template <class Cache>
struct late_lease
{
  std::optional<typename Cache::lease> lease;
  std::shared_ptr<late_work> work;
  std::vector<unsigned> users;
  std::vector<kvstrata::lease_ticket> tickets;
  std::vector<kvstrata::token_sources> sources;
  kvstrata::pressure why{};  ///< where there is no lease
  bool failed = false;       ///< an allocation, and nobody said so

  [[nodiscard]] explicit operator bool() const { return lease.has_value(); }
  [[nodiscard]] bool is_wrong(std::size_t i) const { return work->read_wrong[i]; }
};

/// Begins a lease of whole histories, provisional ones, and queues the model's work; not yet committed. `failing`: that
/// allocation of prepare fails.
template <class Cache>
late_lease<Cache> begin_late(text_scene<Cache>& s, const std::vector<std::pair<unsigned, kvstrata::token_count>>& batch,
                             kvstrata::stream_id compute, bool told = true, std::size_t failing = 0,
                             double layer_seconds = 1e-6)
{
  late_lease<Cache> out;
  std::vector<std::vector<std::uint64_t>> hashes;
  std::vector<kvstrata::request> requests;
  for (const auto& [user, history] : batch) {
    hashes.push_back(s.texts[user].prefix_hashes(user, history));
    kvstrata::request r{.user = kvstrata::user_id{user}, .history_tokens = history, .epoch = s.epoch};
    r.if_rewritten = kvstrata::rewritten_history::start_anew;
    r.provisional = true;
    if (told) r.fingerprint = {1, hashes.back()};
    requests.push_back(r);
    out.users.push_back(user);
  }
  {
    const failing_allocation fails(failing);
    auto lease = s.cache->prepare(requests, compute);
    out.failed = failing != 0 && failing_allocation::happened();
    if (!lease) {
      out.why = lease.why();
      return out;
    }
    out.lease.emplace(std::move(lease).value());
  }
  const kvstrata::page_table_view view = out.lease->view();
  out.work = std::make_shared<late_work>();
  out.work->value_offset = view.value_offset();
  out.work->layer_stride = view.where.layer_stride;
  out.work->read_wrong = std::make_unique<std::atomic<bool>[]>(requests.size());
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const auto compute_list = out.lease->compute(i);
    for (kvstrata::token_count t = 0; t < requests[i].history_tokens; ++t) {
      const bool writes = std::any_of(compute_list.begin(), compute_list.end(),
                                      [t](kvstrata::token_interval piece) { return piece.contains(t); });
      out.work->cells.push_back({.key = view.key(0, i, t),
                                 .tag = mix({hashes[i][t], to_number(s.epoch)}),
                                 .user = requests[i].user,
                                 .token = t,
                                 .writes = writes});
      out.work->request.push_back(i);
    }
    out.tickets.push_back(out.lease->ticket(i));
    out.sources.push_back(out.lease->sources(i));
  }
  for (kvstrata::layer_index layer = 0; layer < tiny.layers; ++layer) {
    out.lease->wait(layer);
    std::vector<kvstrata::emulated_device::memory_range> reads, writes;
    for (const std::size_t half : {std::size_t{0}, out.work->value_offset}) {
      for (const cell& c : out.work->cells) {
        (c.writes ? writes : reads).push_back({c.key + layer * out.work->layer_stride + half, tiny.key_bytes()});
      }
    }
    s.device.launch(compute, {.label = "layer", .seconds = layer_seconds, .reads = reads, .writes = writes},
                    [work = out.work, layer] { work->run(layer); });
    out.lease->layer_done(layer);
  }
  return out;
}

/// To the end, without waiting for anything.
template <class Cache>
late_lease<Cache> serve_late(text_scene<Cache>& s, const std::vector<std::pair<unsigned, kvstrata::token_count>>& batch,
                             kvstrata::stream_id compute, bool told = true)
{
  late_lease<Cache> out = begin_late(s, batch, compute, told);
  if (!out) return out;
  out.lease->commit();
  out.lease->release();
  return out;
}

}  // namespace kvstrata_test
