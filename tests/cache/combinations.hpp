// The axes of the policy space, and points of it as any_cache. The files pairs_LAYOUT_test.cpp hold a covering set of points
// between them: every two values of every two axes meet in at least one, which pairs_cover_test.cpp checks. So no compiler
// has to take the whole product, nor all of the set at once.
#pragma once

#include "cache/random_walk.hpp"
#include "cache/subject.hpp"

#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/transfer/codes/staged_codes.hpp>
#include <kvstrata/transfer/engines/batched_copy.hpp>
#include <kvstrata/transfer/engines/kernel_copy.hpp>
#include <kvstrata/transfer/engines/staged_copy.hpp>
#include <kvstrata/transfer/engines/window_copy.hpp>
#include <kvstrata/transfer/immediate_transfer.hpp>
#include <kvstrata/transfer/layerwise_transfer.hpp>

#include <concepts>
#include <cstddef>
#include <span>
#include <type_traits>

namespace kvstrata_test {

// --- layouts ---

struct paged_page_first
{
  using type = kvstrata::paged_layout;
  static constexpr const char* name = "paged_page_first";
  static constexpr type value{.page_tokens = tiny_page, .host_order = kvstrata::page_order::page_first};
};
struct paged_layer_first
{
  using type = kvstrata::paged_layout;
  static constexpr const char* name = "paged_layer_first";
  static constexpr type value{.page_tokens = tiny_page, .host_order = kvstrata::page_order::layer_first};
};
struct hybrid_layer_first
{
  using type = kvstrata::hybrid_layout;
  static constexpr const char* name = "hybrid_layer_first";
  static constexpr type value{
      .page_tokens = tiny_page, .chunk = tiny_chunk, .host_order = kvstrata::page_order::layer_first};
};
struct hybrid_page_first
{
  using type = kvstrata::hybrid_layout;
  static constexpr const char* name = "hybrid_page_first";
  static constexpr type value{
      .page_tokens = tiny_page, .chunk = tiny_chunk, .host_order = kvstrata::page_order::page_first};
};
struct contiguous  // six pages a user
{
  using type = kvstrata::contiguous_layout;
  static constexpr const char* name = "contiguous";
  static constexpr type value{.page_tokens = tiny_page, .longest = 6 * tiny_page};
};

// --- copy engines: so small that batches are cut and staging slots come round ---

struct per_page
{
  using type = kvstrata::per_page_copy;
  static constexpr const char* name = "per_page";
};
struct coalesced
{
  using type = kvstrata::coalesced_copy;
  static constexpr const char* name = "coalesced";
};
struct batched
{
  using type = kvstrata::batched_copy<3>;
  static constexpr const char* name = "batched";
};
struct staged
{
  using type = kvstrata::staged_copy<3 * tiny_piece, 2>;
  static constexpr const char* name = "staged";
};
struct window
{
  using type = kvstrata::window_copy<>;
  static constexpr const char* name = "window";
};
struct kernel
{
  using type = kvstrata::kernel_copy<>;
  static constexpr const char* name = "kernel";
};

// --- transfers ---

struct layerwise
{
  template <class... Options>
  using with = kvstrata::layerwise_transfer<Options...>;
  static constexpr const char* name = "layerwise";
};
/// Codes by way of slots that hold two of them.
struct layerwise_slots
{
  template <class... Options>
  using with = kvstrata::layerwise_transfer<Options..., kvstrata::staged_codes<600, 3>>;
  static constexpr const char* name = "layerwise, codes in slots";
};
struct immediate
{
  template <class... Options>
  using with = kvstrata::immediate_transfer<Options...>;
  static constexpr const char* name = "immediate";
};

// --- write policies ---

struct page
{
  using type = kvstrata::page_write_through;
  static constexpr const char* name = "page";
};
struct token
{
  using type = kvstrata::token_write_through;
  static constexpr const char* name = "token";
};
struct chunk
{
  using type = kvstrata::chunk_write_through;
  static constexpr const char* name = "chunk";
};
struct back
{
  using type = kvstrata::write_back;
  static constexpr const char* name = "back";
};
struct selective
{
  using type = kvstrata::selective_write<2>;
  static constexpr const char* name = "selective";
};

// --- split policies ---

/// Cuts anywhere, as a hash of the question says.
struct cut_anywhere
{
  using option_kind = kvstrata::split_policy_option;
  void recompute_until(const kvstrata::split_batch& batch, std::span<kvstrata::token_count> until) const noexcept
  {
    for (std::size_t i = 0; i < until.size(); ++i) {
      const kvstrata::split_question& q = batch.users[i];
      const kvstrata::token_interval hit = q.front;
      if (hit.empty()) continue;
      const kvstrata::token_count dice = (q.history * 7919U + hit.begin * 104729U + hit.end * 1299709U) >> 3U;
      const kvstrata::token_count cut = hit.begin + dice % (hit.size() + 1);
      until[i] = dice % 5 == 0 ? hit.end : cut - cut % batch.page_tokens;
    }
  }
};

struct fetch
{
  using type = kvstrata::always_fetch;
  static constexpr const char* name = "fetch";
  static constexpr type value{};
};
struct anywhere
{
  using type = cut_anywhere;
  static constexpr const char* name = "anywhere";
  static constexpr type value{};
};
struct by_cost  // in the middle of tiny histories
{
  using type = kvstrata::split_by_cost;
  static constexpr const char* name = "by_cost";
  static constexpr type value{
      .cost = {.seconds_per_token = 1, .seconds_per_pair = 0.1, .fetch_seconds_per_token = 2, .layers = tiny.layers}};
};

// --- shedding, above and below ---

struct front
{
  using type = kvstrata::evict_front;
  static constexpr const char* name = "front";
};
struct whole
{
  using type = kvstrata::evict_whole;
  static constexpr const char* name = "whole";
};
struct none  // nothing below the slab
{
  using type = void;
  static constexpr const char* name = "none";
};

// --- bounds on writes ---

struct unbounded
{
  static constexpr const char* name = "unbounded";
  static constexpr kvstrata::write_limits value{};
};
struct bounded  // a page or two under way, and a cleaner that has something to do
{
  static constexpr const char* name = "bounded";
  static constexpr kvstrata::write_limits value{
      .in_flight_bytes = tiny_page_bytes + 1, .clean_above = 0.4, .clean_below = 0.2};
};

/// One point of the policy space, of one or two tiers.
template <class Device, class Layout, class Up, class Down, class Transfer, class Writes, class Split, class Above,
          class Below, class Limits>
struct combination
{
  using slab = kvstrata::device_slab<Device, typename Above::type>;
  template <class Shedding>
  struct over
  {
    using type = kvstrata::tier_stack<slab, kvstrata::pinned_arena<typename Writes::type, Shedding>>;
  };
  struct alone
  {
    using type = kvstrata::tier_stack<slab>;
  };
  static constexpr bool lone = std::same_as<Below, none>;
  static constexpr std::uint32_t kept_stretches = std::same_as<Above, front> ? 1 : 3;
  using tiers = typename std::conditional_t<lone, alone, over<typename Below::type>>::type;
  using transfer = typename Transfer::template with<kvstrata::onload_by<typename Up::type>,
                                                    kvstrata::offload_by<typename Down::type>, typename Split::type>;
  using type = kvstrata::cache<tiers, typename Layout::type, transfer, kvstrata::lru, kvstrata::counters>;

  static std::unique_ptr<any_cache> make(Device& d, const sizes& s)
  {
    typename type::config c{.shape = tiny, .layout = Layout::value, .split = Split::value, .writes = Limits::value};
    c.kept_stretches = kept_stretches;
    set_tiers(c, s);
    if constexpr (transfer::lands_in_window) std::get<0>(c.tiers).window_bytes = s.window * tiny_page_bytes;
    return std::make_unique<some_cache<type>>(d, c);
  }

  static facts about(const sizes& s)
  {
    facts f{.name = {},
            .axes = {Layout::name, Up::name, Down::name, Transfer::name, Writes::name, Split::name, Above::name,
                     Below::name, Limits::name},
            .levels = tiers::memories,
            .cuts = !std::same_as<Split, fetch>,
            .bounded_writes = !std::same_as<Limits, unbounded>,
            .window = transfer::lands_in_window,
            .kept_stretches = kept_stretches,
            .longest = Layout::value.longest_history(),
            .granule = Layout::value.granule_pages()};
    f.set_sizes(s);
    for (const std::string& value : f.axes) f.name += (f.name.empty() ? "" : " ") + value;
    return f;
  }
};

template <class Device, class... Values>
inline constexpr point_on<Device> any_point_of{&combination<Device, Values...>::about,
                                               &combination<Device, Values...>::make};

template <class... Values>
inline constexpr policy_point point_of = any_point_of<kvstrata::emulated_device, Values...>;

}  // namespace kvstrata_test
