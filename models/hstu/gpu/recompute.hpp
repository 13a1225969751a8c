// A forward pass without a cache, by the same kernels: what every cached answer must be near, and what a cache must
// beat.
#pragma once

#include "hstu/gpu/pass.hpp"
#include "hstu/scratch_window.hpp"

#include <kvstrata/core/interval.hpp>
#include <kvstrata/layout/page_table.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace hstu::gpu {

/// Device memory for K and V of one layer of a batch, and a page table over it. All layers share the memory: without a
/// cache nobody reads a layer's K and V once the next layer runs. For the passes of one lane.
template <runner Runner>
class scratch_pages
{
 public:
  explicit scratch_pages(lane<Runner>& l, kvstrata::token_count page_tokens = 64) : lane_(l), page_tokens_(page_tokens)
  {
  }
  scratch_pages(const scratch_pages&) = delete;
  scratch_pages& operator=(const scratch_pages&) = delete;
  ~scratch_pages()
  {
    try {
      lane_.finish_sync();
    } catch (...) {  // the device has failed, and nothing runs on it any more
    }
  }

  /// A page table for these requests' windows. Valid until the next call; memory only grows, which blocks until the
  /// lane's earlier passes are over.
  [[nodiscard]] kvstrata::page_table_view reserve(std::span<const request> requests)
  {
    const kvstrata::geometry shape = lane_.parameters().shape();
    table_.clear();
    kvstrata::page_count next = 0;
    for (const request& r : requests) next = add_window(table_, {r.first_token, r.history}, page_tokens_, next, pages_);
    const kvstrata::placement where{0, page_tokens_ * shape.token_layer_bytes()};
    const std::size_t bytes = next * where.page_stride;
    if (memory_.must_grow(bytes)) lane_.finish_sync();
    return table_.view(memory_.reserve(lane_.device(), false, bytes, "scratch pages"), where, shape, page_tokens_);
  }

 private:
  lane<Runner>& lane_;
  kvstrata::token_count page_tokens_;
  growing_memory<typename Runner::device_type> memory_;
  kvstrata::page_table table_;
  std::vector<kvstrata::page_id> pages_;  // of the request at hand
};

/// Plans a pass that scores requests from their windows alone; their compute lists are ignored. Queue its steps as
/// those of any pass. The next pass over `memory` may be planned when this one is finished.
template <runner Runner>
[[nodiscard]] pass<Runner> plan_recompute(lane<Runner>& on, std::span<const request> requests,
                                          scratch_pages<Runner>& memory)
{
  std::vector<kvstrata::token_interval> all(requests.size());
  std::vector<request> whole(requests.begin(), requests.end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    all[i] = {whole[i].first_token, whole[i].history};
    whole[i].compute = std::span(all).subspan(i, 1);
  }
  return pass<Runner>(on, whole, memory.reserve(whole));
}

/// Queues all of it.
template <runner Runner>
[[nodiscard]] pass<Runner> recompute(lane<Runner>& on, std::span<const request> requests, scratch_pages<Runner>& memory)
{
  pass<Runner> all = plan_recompute(on, requests, memory);
  all.embed();
  for (kvstrata::layer_index l = 0; l < on.parameters().options().layers; ++l) all.layer(l);
  all.head();
  return all;
}

}  // namespace hstu::gpu
