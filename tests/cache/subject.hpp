// Caches of any policies behind one interface, so that the long tests are compiled once and not once per combination.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <array>
#include <concepts>
#include <memory>
#include <span>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// Three layers of 16 bytes a token: small enough that a test looks at every byte.
inline constexpr kvstrata::geometry tiny{
    .layers = 3, .kv_heads = 1, .head_dim = 4, .element = kvstrata::element_type::bf16};
inline constexpr kvstrata::token_count tiny_page = 4;
inline constexpr kvstrata::token_count tiny_chunk = 16;
inline constexpr std::size_t tiny_page_bytes = std::size_t{tiny_page} * tiny.token_bytes();
inline constexpr std::size_t tiny_piece = tiny_page_bytes / tiny.layers;  ///< a page in one layer

class any_lease
{
 public:
  virtual ~any_lease() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual kvstrata::page_table_view view(std::size_t part = 0) const = 0;
  [[nodiscard]] virtual std::span<const kvstrata::token_interval> compute(std::size_t request,
                                                                          std::size_t part = 0) const = 0;
  [[nodiscard]] virtual kvstrata::token_sources sources(std::size_t request, std::size_t part = 0) const = 0;
  [[nodiscard]] virtual const kvstrata::batch_plan& plan() const = 0;
  virtual void wait(kvstrata::layer_index layer) = 0;
  virtual void wait_sync(kvstrata::layer_index layer) = 0;
  virtual void layer_done(kvstrata::layer_index layer) = 0;
  virtual void commit() = 0;
  virtual void release() = 0;
};

class any_cache
{
 public:
  virtual ~any_cache() = default;
  [[nodiscard]] virtual kvstrata::result<std::unique_ptr<any_lease>> prepare(std::span<const kvstrata::request> batch,
                                                                             kvstrata::stream_id compute) = 0;
  [[nodiscard]] virtual kvstrata::result<kvstrata::batch_plan> plan(std::span<const kvstrata::request> batch) = 0;
  [[nodiscard]] virtual kvstrata::result<kvstrata::prefetch_outcome> prefetch(
      const kvstrata::request& r, const kvstrata::prefetch_limit& limit) = 0;
  virtual kvstrata::token_count undo_prefetch(const kvstrata::sequence_key& key) = 0;
  kvstrata::token_count undo_prefetch(kvstrata::user_id user) { return undo_prefetch(key_of(user)); }
  [[nodiscard]] virtual bool arrived(kvstrata::user_id user) = 0;
  virtual std::uint64_t clean(std::uint64_t tokens) = 0;
  virtual bool erase(const kvstrata::sequence_key& key) = 0;
  bool erase(kvstrata::user_id user) { return erase(key_of(user)); }
  virtual void advance_epoch(kvstrata::epoch_id epoch) = 0;
  [[nodiscard]] virtual kvstrata::cache_stats stats() = 0;
  virtual void drain_sync() = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual kvstrata::counters::snapshot counted() = 0;
};

/// Sizes at which something is evicted all the time; those of levels that are not there are nobody's.
struct sizes
{
  kvstrata::page_count device = 22;
  kvstrata::page_count lower = 40;
  kvstrata::page_count window = 6;  ///< where the transfer lands in one
  kvstrata::page_count third = 30;  ///< the levels below that
  kvstrata::page_count fourth = 60;
  kvstrata::page_count raw = 30;  ///< raw frames of levels that keep codes

  [[nodiscard]] kvstrata::by_level<kvstrata::page_count> by_level() const { return {device, lower, third, fourth}; }
};

/// Of all levels together.
template <class T>
[[nodiscard]] T sum_of(const kvstrata::by_level<T>& figures)
{
  T sum = 0;
  for (const T figure : figures) sum += figure;
  return sum;
}

/// Of all levels, and the window.
[[nodiscard]] inline std::vector<kvstrata::tier_stats> all_tiers(const kvstrata::cache_stats& s)
{
  std::vector<kvstrata::tier_stats> all(s.levels.begin(), s.levels.begin() + s.depth);
  all.push_back(s.window);
  return all;
}

/// What a test must know of a cache that it sees as any_cache.
struct facts
{
  std::string name;
  std::array<std::string, 9> axes;  ///< its value on each axis (combinations.hpp)
  kvstrata::level_index levels = 1;
  bool loses_nothing = false;  ///< every dirty token is written down in time, and the level below has room for all
  bool cuts = false;           ///< its split policy may compute again what a level below has
  bool bounded_writes = false;
  bool window = false;
  bool lossy = false;                                         ///< a tier is: then some requests want exact tokens
  std::uint32_t kept_stretches = 1;                           ///< as a configuration has it by default
  kvstrata::token_count longest = ~kvstrata::token_count{0};  ///< history
  kvstrata::page_count granule = 1;
  kvstrata::page_count slab_pages = 0;                     ///< of the slab, before rounding to granules
  kvstrata::by_level<kvstrata::page_count> level_pages{};  ///< [level] in whole granules
  kvstrata::page_count window_pages = 0;
  kvstrata::by_level<std::size_t> frame_bytes = some_frames();  ///< [level] of a page

  /// Of these sizes, as far as there are levels.
  void set_sizes(const sizes& s)
  {
    slab_pages = s.device;
    for (kvstrata::level_index i = 0; i < levels; ++i) level_pages[i] = s.by_level()[i] - s.by_level()[i] % granule;
    window_pages = window ? s.window : 0;
  }
  [[nodiscard]] static kvstrata::by_level<std::size_t> some_frames()
  {
    kvstrata::by_level<std::size_t> out;
    out.fill(tiny_page_bytes);
    return out;
  }
  /// Does a level keep codes?
  [[nodiscard]] bool coded() const { return frame_bytes != some_frames(); }
  [[nodiscard]] kvstrata::page_count device_pages() const { return level_pages[0]; }
  [[nodiscard]] const std::string& onload_engine() const { return axes[1]; }
  [[nodiscard]] const std::string& offload_engine() const { return axes[2]; }
  /// Pages that a request for these tokens takes.
  [[nodiscard]] kvstrata::page_count pages(kvstrata::token_interval tokens) const
  {
    return kvstrata::whole_granules(kvstrata::pages_of(tokens, tiny_page), granule).size();
  }
};

/// Of a page in a tier of that recipe.
template <class Recipe>
[[nodiscard]] std::size_t tiny_frame_bytes()
{
  return kvstrata::page_bytes(kvstrata::stored_shape<Recipe>(typename Recipe::config(), tiny, tiny_page), tiny_page);
}

/// Gives each tier of a cache's config as many tiny pages as `s` says, and where it keeps codes `s.raw` raw frames beside.
template <class Config>
void set_tiers(Config& c, const sizes& s)
{
  using tiers_type = typename Config::tiers_type;
  kvstrata::each_level<0, tiers_type::memories>([&](auto i) {
    using recipe = typename tiers_type::template tier<i()>;
    auto& tier = std::get<i()>(c.tiers);
    tier.bytes = s.by_level()[i()] * tiny_frame_bytes<recipe>();
    if constexpr (kvstrata::keeps_codes<recipe>) {
      const std::size_t raw = s.raw * tiny_page_bytes;
      tier.bytes += raw;
      tier.raw_share = static_cast<double>(raw + 1) / static_cast<double>(tier.bytes);
    }
  });
}

template <class Cache>
class some_cache final : public any_cache
{
 public:
  some_cache(typename Cache::device_type& d, const typename Cache::config& c) : cache_(d, c) {}

  kvstrata::result<std::unique_ptr<any_lease>> prepare(std::span<const kvstrata::request> batch,
                                                       kvstrata::stream_id compute) override
  {
    auto lease = cache_.prepare(batch, compute);
    if (!lease) return lease.why();
    return std::unique_ptr<any_lease>(std::make_unique<some_lease>(std::move(lease).value()));
  }
  kvstrata::result<kvstrata::batch_plan> plan(std::span<const kvstrata::request> batch) override
  {
    return cache_.plan(batch);
  }
  kvstrata::result<kvstrata::prefetch_outcome> prefetch(const kvstrata::request& r,
                                                        const kvstrata::prefetch_limit& limit) override
  {
    return cache_.prefetch(r, limit);
  }
  kvstrata::token_count undo_prefetch(const kvstrata::sequence_key& key) override { return cache_.undo_prefetch(key); }
  bool arrived(kvstrata::user_id user) override { return cache_.arrived(user); }
  std::uint64_t clean(std::uint64_t tokens) override { return cache_.clean(tokens); }
  bool erase(const kvstrata::sequence_key& key) override { return cache_.erase(key); }
  void advance_epoch(kvstrata::epoch_id epoch) override { cache_.advance_epoch(epoch); }
  kvstrata::cache_stats stats() override { return cache_.stats(); }
  void drain_sync() override { cache_.drain_sync(); }
  void close() override { cache_.close(); }
  kvstrata::counters::snapshot counted() override { return cache_.tracker().read(); }

 private:
  class some_lease final : public any_lease
  {
   public:
    explicit some_lease(typename Cache::lease lease) : lease_(std::move(lease)) {}
    std::size_t size() const override { return lease_.size(); }
    kvstrata::page_table_view view(std::size_t part) const override { return lease_.view(part); }
    std::span<const kvstrata::token_interval> compute(std::size_t request, std::size_t part) const override
    {
      return lease_.compute(request, part);
    }
    kvstrata::token_sources sources(std::size_t request, std::size_t part) const override
    {
      return lease_.sources(request, part);
    }
    const kvstrata::batch_plan& plan() const override { return lease_.plan(); }
    void wait(kvstrata::layer_index layer) override { lease_.wait(layer); }
    void wait_sync(kvstrata::layer_index layer) override { lease_.wait_sync(layer); }
    void layer_done(kvstrata::layer_index layer) override { lease_.layer_done(layer); }
    void commit() override { lease_.commit(); }
    void release() override { lease_.release(); }

   private:
    typename Cache::lease lease_;
  };

  Cache cache_;
};

/// One point of the policy space, perhaps compiled elsewhere.
template <class Device>
struct point_on
{
  facts (*about)(const sizes& s) = nullptr;
  std::unique_ptr<any_cache> (*make)(Device& d, const sizes& s) = nullptr;
};
using policy_point = point_on<kvstrata::emulated_device>;

}  // namespace kvstrata_test
