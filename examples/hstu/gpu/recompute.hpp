// A forward pass without a cache, by the same kernels: what every cached answer must be near, and what a cache must
// beat.
#pragma once

#include "hstu/gpu/pass.hpp"

#include <kvstrata/layout/page_table_view.hpp>

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

  /// A page table for these requests' histories. Valid until the next call; memory only grows, which blocks until the
  /// lane's earlier passes are over.
  [[nodiscard]] kvstrata::page_table_view reserve(std::span<const request> requests)
  {
    const kvstrata::geometry shape = lane_.parameters().shape();
    page_ids_.clear();
    indptr_.assign(1, 0);
    last_page_len_.clear();
    for (const request& r : requests) {
      const std::uint32_t pages = (r.history + page_tokens_ - 1) / page_tokens_;
      for (std::uint32_t i = 0; i < pages; ++i) {
        page_ids_.push_back(kvstrata::to_page(static_cast<std::uint32_t>(page_ids_.size())));
      }
      indptr_.push_back(static_cast<std::int32_t>(page_ids_.size()));
      last_page_len_.push_back(pages == 0 ? 0 : static_cast<std::int32_t>(r.history - (pages - 1) * page_tokens_));
    }
    kvstrata::page_table_view view;
    view.page_ids = page_ids_;
    view.indptr = indptr_;
    view.last_page_len = last_page_len_;
    view.shape = shape;
    view.page_tokens = page_tokens_;
    view.where = {0, page_tokens_ * shape.token_layer_bytes()};
    const std::size_t bytes = page_ids_.size() * view.where.page_stride;
    if (memory_.must_grow(bytes)) lane_.finish_sync();
    view.base = memory_.reserve(lane_.device(), false, bytes, "scratch pages");
    return view;
  }

 private:
  lane<Runner>& lane_;
  kvstrata::token_count page_tokens_;
  growing_memory<typename Runner::device_type> memory_;
  std::vector<kvstrata::page_id> page_ids_;
  std::vector<std::int32_t> indptr_;
  std::vector<std::int32_t> last_page_len_;
};

/// Plans a pass that scores requests from their histories alone; their compute lists are ignored. Queue its steps as
/// those of any pass. The next pass over `memory` may be planned when this one is finished.
template <runner Runner>
[[nodiscard]] pass<Runner> plan_recompute(lane<Runner>& on, std::span<const request> requests,
                                          scratch_pages<Runner>& memory)
{
  std::vector<kvstrata::token_interval> all(requests.size());
  std::vector<request> whole(requests.begin(), requests.end());
  for (std::size_t i = 0; i < whole.size(); ++i) {
    all[i] = {0, whole[i].history};
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
