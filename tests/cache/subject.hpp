// Caches of any policies behind one interface, so that the long tests are compiled once and not once per combination.
#pragma once

#include <kvstrata/cache.hpp>
#include <kvstrata/device/emulated_device.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/observe/counters.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <memory>
#include <span>
#include <string>
#include <utility>

namespace kvstrata_test {

/// Three layers of 16 bytes a token: small enough that a test looks at every byte.
inline constexpr kvstrata::geometry tiny{
    .layers = 3, .kv_heads = 1, .head_dim = 4, .element = kvstrata::element_type::bf16};
inline constexpr kvstrata::token_count tiny_page = 4;
inline constexpr kvstrata::token_count tiny_chunk = 16;
inline constexpr std::size_t tiny_page_bytes = std::size_t{tiny_page} * tiny.token_bytes();

class any_lease
{
 public:
  virtual ~any_lease() = default;
  [[nodiscard]] virtual std::size_t size() const = 0;
  [[nodiscard]] virtual kvstrata::page_table_view view() const = 0;
  [[nodiscard]] virtual std::span<const kvstrata::token_interval> compute(std::size_t request) const = 0;
  [[nodiscard]] virtual kvstrata::token_split split(std::size_t request) const = 0;
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
  [[nodiscard]] virtual kvstrata::result<kvstrata::token_count> prefetch(const kvstrata::request& r) = 0;
  virtual bool erase(kvstrata::user_id user) = 0;
  virtual void advance_epoch(kvstrata::epoch_id epoch) = 0;
  [[nodiscard]] virtual kvstrata::cache_stats stats() = 0;
  virtual void drain_sync() = 0;
  virtual void close() = 0;
  [[nodiscard]] virtual kvstrata::counters::snapshot counted() = 0;
};

/// What a test must know of a cache that it sees as any_cache.
struct facts
{
  std::string name;
  bool has_lower = false;
  bool loses_nothing = false;  ///< every dirty token is written down in time, and the lower tier has room for all
  bool coalesces = false;
  kvstrata::page_count device_pages = 0;
  kvstrata::page_count lower_pages = 0;
};

template <class Cache>
class some_cache final : public any_cache
{
 public:
  some_cache(kvstrata::emulated_device& d, const typename Cache::config& c) : cache_(d, c) {}

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
  kvstrata::result<kvstrata::token_count> prefetch(const kvstrata::request& r) override { return cache_.prefetch(r); }
  bool erase(kvstrata::user_id user) override { return cache_.erase(user); }
  void advance_epoch(kvstrata::epoch_id epoch) override { cache_.advance_epoch(epoch); }
  kvstrata::cache_stats stats() override { return cache_.stats(); }
  void drain_sync() override { cache_.drain_sync(); }
  void close() override { cache_.close(); }
  kvstrata::counters::snapshot counted() override { return cache_.watcher().read(); }

 private:
  class some_lease final : public any_lease
  {
   public:
    explicit some_lease(typename Cache::lease lease) : lease_(std::move(lease)) {}
    std::size_t size() const override { return lease_.size(); }
    kvstrata::page_table_view view() const override { return lease_.view(); }
    std::span<const kvstrata::token_interval> compute(std::size_t request) const override
    {
      return lease_.compute(request);
    }
    kvstrata::token_split split(std::size_t request) const override { return lease_.split(request); }
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

namespace detail {

template <class Layout>
[[nodiscard]] constexpr Layout tiny_layout()
{
  if constexpr (requires(Layout l) { l.chunk; }) return {.page_tokens = tiny_page, .chunk = tiny_chunk};
  else return {.page_tokens = tiny_page};
}

inline const char* name_of(kvstrata::evict_front) { return "evict_front"; }
inline const char* name_of(kvstrata::evict_whole) { return "evict_whole"; }
inline const char* name_of(kvstrata::paged_layout) { return "paged"; }
inline const char* name_of(kvstrata::hybrid_layout) { return "hybrid"; }
inline const char* name_of(kvstrata::per_page_copy) { return "per_page"; }
inline const char* name_of(kvstrata::coalesced_copy) { return "coalesced"; }
inline const char* name_of(kvstrata::page_write_through) { return "page_write"; }
inline const char* name_of(kvstrata::chunk_write_through) { return "chunk_write"; }
template <class Engine, class Writes>
std::string name_of(kvstrata::layerwise_transfer<Engine, Writes>)
{
  return std::string("layerwise ") + name_of(Engine{}) + " " + name_of(Writes{});
}
template <class Engine, class Writes>
std::string name_of(kvstrata::immediate_transfer<Engine, Writes>)
{
  return std::string("immediate ") + name_of(Engine{}) + " " + name_of(Writes{});
}

template <class Transfer>
inline constexpr bool coalesces = false;
template <class Writes>
inline constexpr bool coalesces<kvstrata::layerwise_transfer<kvstrata::coalesced_copy, Writes>> = true;
template <class Writes>
inline constexpr bool coalesces<kvstrata::immediate_transfer<kvstrata::coalesced_copy, Writes>> = true;

}  // namespace detail

/// One point of the policy space, compiled elsewhere.
struct point
{
  facts (*about)(kvstrata::page_count device_pages, kvstrata::page_count lower_pages);
  std::unique_ptr<any_cache> (*make)(kvstrata::emulated_device& d, kvstrata::page_count device_pages,
                                     kvstrata::page_count lower_pages);
};

/// One point of the policy space. `Below` is evict_front or evict_whole for a pinned arena, or void for none.
template <class Above, class Below, class Layout, class Transfer>
struct combination
{
  using layout = Layout;
  using transfer = Transfer;
  using slab = kvstrata::device_slab<kvstrata::emulated_device, Above>;
  using type = kvstrata::cache<kvstrata::tier_stack<slab, kvstrata::pinned_arena<Below>>, Layout, Transfer,
                               kvstrata::lru, kvstrata::counters>;

  static std::unique_ptr<any_cache> make(kvstrata::emulated_device& d, kvstrata::page_count device_pages,
                                         kvstrata::page_count lower_pages)
  {
    return std::make_unique<some_cache<type>>(d,
                                              typename type::config{.shape = tiny,
                                                                    .device = {.bytes = device_pages * tiny_page_bytes},
                                                                    .host = {.bytes = lower_pages * tiny_page_bytes},
                                                                    .layout = detail::tiny_layout<Layout>()});
  }
  static facts about(kvstrata::page_count device_pages, kvstrata::page_count lower_pages)
  {
    return {.name = std::string(detail::name_of(Above{})) + " over " + detail::name_of(Below{}) + ", " +
                    detail::name_of(Layout{}) + ", " + detail::name_of(Transfer{}),
            .has_lower = true,
            .coalesces = detail::coalesces<Transfer>,
            .device_pages = device_pages,
            .lower_pages = lower_pages};
  }
};

template <class Above, class Layout, class Transfer>
struct combination<Above, void, Layout, Transfer>
{
  using layout = Layout;
  using transfer = Transfer;
  using slab = kvstrata::device_slab<kvstrata::emulated_device, Above>;
  using type = kvstrata::cache<kvstrata::tier_stack<slab>, Layout, Transfer, kvstrata::lru, kvstrata::counters>;

  static std::unique_ptr<any_cache> make(kvstrata::emulated_device& d, kvstrata::page_count device_pages,
                                         kvstrata::page_count)
  {
    return std::make_unique<some_cache<type>>(d,
                                              typename type::config{.shape = tiny,
                                                                    .device = {.bytes = device_pages * tiny_page_bytes},
                                                                    .layout = detail::tiny_layout<Layout>()});
  }
  static facts about(kvstrata::page_count device_pages, kvstrata::page_count)
  {
    return {.name = std::string(detail::name_of(Above{})) + " alone, " + detail::name_of(Layout{}) + ", " +
                    detail::name_of(Transfer{}),
            .coalesces = detail::coalesces<Transfer>,
            .device_pages = device_pages};
  }
};

template <class Combination>
inline constexpr point point_of{&Combination::about, &Combination::make};

}  // namespace kvstrata_test
