// Caches whose engines and write policies are told at run time, and servers on several compute streams: for tests of who
// waits for whom.
#pragma once

#include "cache/scene.hpp"
#include "support/catch.hpp"

#include <kvstrata/kvstrata.hpp>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace kvstrata_test {

/// How bytes travel, and what comes down: the next cache's, and what all caches' levels do.
enum class way : std::uint8_t { per_page, coalesced, batched, staged, kernel };
inline way way_now = way::batched;
enum class policy : std::uint8_t { page, token, chunk, back, selective };
inline policy policy_now = policy::token;

/// What a policy does besides when a cache asks it, which is under the cache's lock.
inline std::function<void()> when_asked;

inline constexpr std::string_view way_names[] = {"per_page_copy", "coalesced_copy", "batched_copy", "staged_copy",
                                                 "kernel_copy"};
inline constexpr std::string_view policy_names[] = {"page_write_through", "token_write_through", "chunk_write_through",
                                                    "write_back", "selective_write"};

struct told_engine
{
  using option_kind = kvstrata::copy_engine_option;
  using staged = kvstrata::staged_copy<4 * tiny_piece, 2>;

  template <kvstrata::device Device>
  class on
  {
   public:
    on(Device& d, kvstrata::copy_direction direction)
    {
      switch (way_now) {
        case way::per_page: made_.template emplace<1>(d, direction); break;
        case way::coalesced: made_.template emplace<2>(d, direction); break;
        case way::batched: made_.template emplace<3>(d, direction); break;
        case way::staged: made_.template emplace<4>(d, direction); break;
        case way::kernel: made_.template emplace<5>(d, direction); break;
      }
    }
    [[nodiscard]] kvstrata::copied copy(const kvstrata::copy_list& list, kvstrata::layer_index layer,
                                        const kvstrata::fence& after)
    {
      return std::visit(
          [&](auto& engine) -> kvstrata::copied {
            if constexpr (requires { engine.copy(list, layer, after); }) return engine.copy(list, layer, after);
            else return {};
          },
          made_);
    }
    void drain_sync() noexcept
    {
      std::visit(
          [](auto& engine) {
            if constexpr (requires { engine.drain_sync(); }) engine.drain_sync();
          },
          made_);
    }

   private:
    std::variant<std::monostate, kvstrata::per_page_copy::on<Device>, kvstrata::coalesced_copy::on<Device>,
                 kvstrata::batched_copy<>::on<Device>, staged::on<Device>, kvstrata::kernel_copy<>::on<Device>>
        made_;
  };
};

struct told_policy
{
  using option_kind = kvstrata::write_policy_option;
  [[nodiscard]] static kvstrata::token_count flushed_end(const kvstrata::write_facts& f)
  {
    return as([&](auto p) { return p.flushed_end(f); });
  }
  [[nodiscard]] static bool writes_back(const kvstrata::write_facts& f)
  {
    return as([&](auto p) { return p.writes_back(f); });
  }

 private:
  template <class Use>
  static auto as(Use&& use) -> decltype(use(kvstrata::write_back()))
  {
    if (when_asked) when_asked();
    switch (policy_now) {
      case policy::token: return use(kvstrata::token_write_through());
      case policy::chunk: return use(kvstrata::chunk_write_through());
      case policy::back: return use(kvstrata::write_back());
      case policy::selective: return use(kvstrata::selective_write<2>());
      case policy::page: break;
    }
    return use(kvstrata::page_write_through());
  }
};

struct told_arena : kvstrata::pinned_arena<told_policy>
{
};

template <class Transfer, class... Below>
using told_cache = kvstrata::cache<kvstrata::tier_stack<kvstrata::device_slab<kvstrata::emulated_device>, Below...>,
                                   kvstrata::hybrid_layout, Transfer, kvstrata::lru, kvstrata::counters>;
using straight = told_cache<kvstrata::layerwise_transfer<told_engine>, told_arena>;
using by_window = told_cache<kvstrata::layerwise_transfer<kvstrata::onload_by<kvstrata::window_copy<told_engine>>,
                                                          kvstrata::offload_by<told_engine>>,
                             told_arena>;
struct told_second : kvstrata::pinned_arena<told_policy>
{
};
using deep = told_cache<kvstrata::layerwise_transfer<told_engine>, told_arena, told_second>;

/// A device in virtual time on which a page takes about half a millisecond on either link, and nothing is free.
[[nodiscard]] inline emulated_device_config busy_links()
{
  const kvstrata::link_model link{.bytes_per_second = 2000.0 * tiny_page_bytes, .latency_seconds = 1e-6};
  return {.time = kvstrata::time_mode::virtual_time,
          .to_device = link,
          .from_device = link,
          .on_host = {.bytes_per_second = 4000.0 * tiny_page_bytes},
          .copy_kernels = {.latency_seconds = 1e-6},
          .check_ordering = true};
}

/// A cache, and as many compute streams as are asked for; one host thread serves them all.
template <class Cache>
struct server
{
  server(const typename Cache::config& c, std::size_t count) : device(busy_links()), cache(device, c)
  {
    make_streams(count);
  }
  /// Sharded.
  server(const typename Cache::config& c, std::size_t count, std::uint32_t shards)
      : device(busy_links()), cache(device, c, shards)
  {
    make_streams(count);
  }
  ~server() { CHECK(device.violations().empty() != forgets); }

  /// Queues one request on a stream, from prepare to release. Where its tokens come from.
  kvstrata::token_sources queue(std::size_t stream, std::uint64_t user, kvstrata::token_count history,
                                double layer_seconds)
  {
    const kvstrata::request one{.user = kvstrata::user_id{user}, .history_tokens = history};
    auto lease = cache.prepare({&one, 1}, streams[stream]).value();
    const auto out = lease.sources(0);
    for (kvstrata::layer_index l = 0; l < tiny.layers; ++l) {
      lease.wait(l);
      device.launch(streams[stream], {.label = "layer", .seconds = layer_seconds}, [] {});
      lease.layer_done(l);
    }
    lease.commit();
    lease.release();
    return out;
  }
  /// The same, and how long it takes until it is computed.
  double serve(std::size_t stream, std::uint64_t user, kvstrata::token_count history, double layer_seconds)
  {
    const double begin = device.now();
    static_cast<void>(queue(stream, user, history, layer_seconds));
    device.wait_sync(device.record(streams[stream]));
    return device.now() - begin;
  }

  /// Taken so far while other streams used them.
  [[nodiscard]] std::uint64_t waited_pages()
  {
    const auto s = cache.stats();
    std::uint64_t all = 0;
    for (kvstrata::level_index i = 0; i < s.depth; ++i) all += s.levels[i].waited_pages;
    return all;
  }

  emulated_device device;
  std::vector<kvstrata::stream_id> streams;
  Cache cache;
  bool forgets = false;  ///< an order, on purpose

 private:
  void make_streams(std::size_t count)
  {
    for (std::size_t i = 0; i < count; ++i) {
      std::string name = "compute ";
      streams.push_back(device.create_stream(name += std::to_string(i)));
    }
  }
};

}  // namespace kvstrata_test
