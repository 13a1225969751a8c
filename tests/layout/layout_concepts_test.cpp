// The layout concept takes every model and turns down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <memory>

namespace {

using namespace kvstrata;

static_assert(layout_policy<paged_layout> && layout_policy<hybrid_layout>);
static_assert(!layout_policy<int>);

template <class L>
constexpr bool lacks_only_page_sizes = !sizes_pages<L> && sizes_extents<L> && places_pages<L> && !layout_policy<L>;
template <class L>
constexpr bool lacks_only_extent_sizes = sizes_pages<L> && !sizes_extents<L> && places_pages<L> && !layout_policy<L>;
template <class L>
constexpr bool lacks_only_places = sizes_pages<L> && sizes_extents<L> && !places_pages<L> && !layout_policy<L>;

// What is missing is hidden by a member of the same name and another shape.
struct no_page_tokens : paged_layout
{
  void page_tokens();
};
static_assert(lacks_only_page_sizes<no_page_tokens>);

struct unchecked
{
  token_count page_tokens = 1;
  [[nodiscard]] token_count chunk_tokens() const;
  [[nodiscard]] page_count extent_pages(page_count, page_count) const;
  [[nodiscard]] placement device_place(const geometry&, page_count) const;
  [[nodiscard]] placement lower_place(const geometry&, page_count) const;
};
static_assert(lacks_only_page_sizes<unchecked>);

struct stays_where_it_is : paged_layout
{
  std::unique_ptr<int> own;
};
static_assert(lacks_only_page_sizes<stays_where_it_is>);

struct no_chunk : paged_layout
{
  void chunk_tokens() = delete;
};
static_assert(lacks_only_extent_sizes<no_chunk>);

struct chunk_of_a_float : paged_layout
{
  [[nodiscard]] float chunk_tokens() const;
};
static_assert(lacks_only_extent_sizes<chunk_of_a_float>);

struct no_extent : paged_layout
{
  [[nodiscard]] page_count extent_pages(page_count) const;
};
static_assert(lacks_only_extent_sizes<no_extent>);

struct no_device_place : paged_layout
{
  [[nodiscard]] std::uint64_t device_place(const geometry&, page_count) const;
};
static_assert(lacks_only_places<no_device_place>);

struct no_lower_place : paged_layout
{
  void lower_place() = delete;
};
static_assert(lacks_only_places<no_lower_place>);

struct places_if_changed : paged_layout
{
  [[nodiscard]] placement lower_place(const geometry&, page_count);  // not const
};
static_assert(lacks_only_places<places_if_changed>);

}  // namespace

TEST_CASE("layout concepts are checked by the compiler") { SUCCEED(); }
