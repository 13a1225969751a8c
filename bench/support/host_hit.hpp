// One request whose whole history lies in the arena, after the slab was used by many others: on free pages that lie
// side by side, or on pages of which no two do.
#pragma once

#include <kvstrata/kvstrata.hpp>

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

namespace bench {

enum class free_pages : std::uint8_t { together, scattered };

/// A cache of twice the history's pages, in which user 1's history lies in the arena alone.
template <class Cache>
class host_hit
{
 public:
  using device_type = typename Cache::device_type;

  template <class Set>
  host_hit(const kvstrata::emulated_device_config& machine, const kvstrata::geometry& shape,
           kvstrata::token_count history, free_pages pages, Set&& set)
      : device_(machine), compute_(device_.create_stream("compute")), history_(history)
  {
    using namespace kvstrata;
    typename Cache::config c{.shape = shape};
    set(c);
    const page_count granule = c.layout.granule_pages();
    const page_count wanted = (history + c.layout.page_tokens - 1) / c.layout.page_tokens;
    const page_count total = 2 * ((wanted + granule - 1) / granule * granule);
    const std::size_t page = page_bytes(shape, c.layout.page_tokens);
    auto& [slab, arena] = c.tiers;
    slab.bytes = total * page;
    slab.window_bytes = Cache::transfer_type::lands_in_window ? wanted * page : 0;
    arena.bytes = 3 * std::size_t{total} * page;
    cache_ = std::make_unique<Cache>(device_, c);

    serve({{.user = user_id{1}, .history_tokens = history}});
    // One page each, or one range, until the whole slab is theirs; then every other one goes, and the rest stay held.
    const token_count small = c.layout.page_tokens;
    std::vector<request> others, kept;
    for (page_count i = 0; i < total / granule; ++i) others.push_back({user_id{100 + i}, small});
    serve(others);
    for (std::size_t i = 0; i < others.size(); i += 2) cache_->erase(others[i].user);
    for (std::size_t i = 1; i < others.size(); i += 2) {
      if (pages == free_pages::together) cache_->erase(others[i].user);
      else kept.push_back(others[i]);
    }
    held_ = std::make_unique<typename Cache::lease>(cache_->prepare(kept, compute_).value());
    cache_->drain_sync();
    device_.wait_sync(device_.record(compute_));
  }

  /// Brings user 1 up, layer by layer, calling layer(index, lease) behind each arrival, and waits for the model.
  template <class Layer>
  void hit(Layer&& layer)
  {
    const kvstrata::request r{.user = kvstrata::user_id{1}, .history_tokens = history_};
    auto lease = cache_->prepare({&r, 1}, compute_).value();
    for (kvstrata::layer_index l = 0; l < cache_->shape().layers; ++l) {
      lease.wait(l);
      layer(l, lease);
      lease.layer_done(l);
    }
    lease.release();
    device_.wait_sync(device_.record(compute_));
  }

  [[nodiscard]] device_type& device() noexcept { return device_; }
  [[nodiscard]] Cache& cache() noexcept { return *cache_; }
  [[nodiscard]] kvstrata::stream_id compute() const noexcept { return compute_; }

 private:
  void serve(const std::vector<kvstrata::request>& batch)
  {
    auto lease = cache_->prepare(batch, compute_).value();
    for (kvstrata::layer_index l = 0; l < cache_->shape().layers; ++l) lease.layer_done(l);
    lease.commit();
  }

  device_type device_;
  kvstrata::stream_id compute_;
  kvstrata::token_count history_;
  std::unique_ptr<Cache> cache_;
  std::unique_ptr<typename Cache::lease> held_;
};

}  // namespace bench
