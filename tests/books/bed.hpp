// The books of a cache by themselves: levels of a few pages on a device without data, entries made by hand. Nothing moves.
#pragma once

#include <kvstrata/books/residency.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>
#include <kvstrata/observe/concepts.hpp>
#include <kvstrata/replacement/lru.hpp>
#include <kvstrata/simulate/dataless_device.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>
#include <kvstrata/tiers/tier_stack.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <tuple>
#include <utility>
#include <vector>

namespace kvstrata_test {

/// A token takes 32 bytes, a page of 4 takes 128.
inline constexpr kvstrata::geometry book_shape{
    .layers = 2, .kv_heads = 1, .head_dim = 4, .element = kvstrata::element_type::bf16};
inline constexpr kvstrata::token_count book_page = 4;
inline constexpr std::size_t book_page_bytes = kvstrata::page_bytes(book_shape, book_page);

namespace detail {

template <class Slab, class Arena, class Numbers>
struct stack_below;
template <class Slab, class Arena, std::size_t... I>
struct stack_below<Slab, Arena, std::index_sequence<I...>>
{
  template <std::size_t>
  using arena = Arena;
  using type = kvstrata::tier_stack<Slab, arena<I>...>;
};

}  // namespace detail

/// A slab above so many memories that there are `Levels` levels.
template <kvstrata::level_index Levels, class Slab = kvstrata::device_slab<kvstrata::dataless_device>,
          class Arena = kvstrata::pinned_arena<>>
using stack_of = typename detail::stack_below<Slab, Arena, std::make_index_sequence<Levels - 1>>::type;

/// Sizes in pages, and no slack: what is missing is evicted, and no more.
template <class Tiers>
[[nodiscard]] typename Tiers::config book_sizes(const std::array<kvstrata::page_count, Tiers::memories>& pages)
{
  typename Tiers::config out;
  std::apply(
      [&](auto&... tiers) {
        std::size_t i = 0;
        ((tiers.bytes = pages[i++] * book_page_bytes), ...);
      },
      out);
  if constexpr (requires { std::get<0>(out).slack; }) std::get<0>(out).slack = 0;
  return out;
}

template <class Layout>
[[nodiscard]] Layout book_layout()
{
  Layout out;
  out.page_tokens = book_page;
  if constexpr (requires { out.chunk; }) out.chunk = 4 * book_page;
  if constexpr (requires { out.longest; }) out.longest = 6 * book_page;
  return out;
}

/// Of so many levels, whose policies keep nothing in it.
template <kvstrata::level_index Levels, class = std::make_integer_sequence<kvstrata::level_index, Levels>>
struct entry_of_levels;
template <kvstrata::level_index Levels, kvstrata::level_index... Level>
struct entry_of_levels<Levels, std::integer_sequence<kvstrata::level_index, Level...>>
{
  template <kvstrata::level_index>
  struct hook
  {
  };
  using type = kvstrata::entry<hook<Level>...>;
};

/// An entry by itself, a hot one.
template <class Entry>
struct lone_entry : Entry
{
  explicit lone_entry(std::uint64_t id)
  {
    this->user = kvstrata::user_id{id};
    this->become_hot(record);
  }

  typename Entry::hot_record record;
};

/// A residency, and what a mover would do to it, but for the bytes.
template <class Tiers, class Layout = kvstrata::hybrid_layout, class Policy = kvstrata::lru,
          class Tracker = kvstrata::no_tracker>
struct book_bed
{
  using residency_type = kvstrata::residency<Tiers, Layout, Policy, Tracker>;
  using entry_type = typename residency_type::entry_type;
  static constexpr kvstrata::level_index levels = Tiers::memories;

  explicit book_bed(const std::array<kvstrata::page_count, Tiers::memories>& pages,
                    const kvstrata::cost_model& costs = {})
      : sizes(book_sizes<Tiers>(pages)),
        stream(device.create_stream("s")),
        books(device, book_shape, book_layout<Layout>(), sizes, kvstrata::epoch_id{}, costs)
  {
  }
  ~book_bed()
  {
    std::vector<entry_type*> all;
    books.users().all([&all](entry_type& e) { all.push_back(&e); });
    for (entry_type* e : all) books.drop_copies(*e);
  }
  book_bed(const book_bed&) = delete;
  book_bed& operator=(const book_bed&) = delete;

  /// The user's entry, a new one where there is none.
  entry_type& user(std::uint64_t id)
  {
    entry_type* const found = books.users().find(kvstrata::user_id{id});
    return found != nullptr ? *found : books.users().add(kvstrata::user_id{id});
  }

  /// Level I gets what it lacks of these tokens, which go on from what it has; frames are there.
  template <kvstrata::level_index I>
  void give(entry_type& e, kvstrata::token_interval tokens)
  {
    if constexpr (I == 0) books.hot().heat(e);
    auto& mine = e.template at<I>();
    auto& memory = books.template level<I>().memory();
    const kvstrata::page_interval wanted = books.pages_to_take(tokens);
    if (!mine.extents.empty() && wanted.begin < mine.covered().begin) {
      memory.take_front(mine.extents, wanted.begin, taken);
    }
    static_cast<void>(memory.take_rear(mine.extents, wanted, taken));
    books.template set_tokens<I>(e, hull(mine.tokens, tokens));
    if constexpr (I == 0) books.slab().touch(e, {});
    else books.template level<I>().written(e);
  }
  void give_slab(entry_type& e, kvstrata::token_interval tokens) { give<0>(e, tokens); }

  /// A request of the user's came, and is served from what the slab has.
  void request(entry_type& e)
  {
    books.count_request(e);
    books.touch(e, {});
  }

  [[nodiscard]] kvstrata::fence point() { return kvstrata::fence(device.record(stream)); }

  typename Tiers::device_type device;
  typename Tiers::config sizes;
  kvstrata::stream_id stream;
  residency_type books;
  std::vector<kvstrata::taken_pages> taken;
};

}  // namespace kvstrata_test
