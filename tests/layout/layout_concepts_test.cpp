// The layout concept takes every model and turns down, by name, each type that lacks one thing.
#include "support/catch.hpp"

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/contiguous_layout.hpp>
#include <kvstrata/layout/hybrid_layout.hpp>
#include <kvstrata/layout/paged_layout.hpp>

#include <memory>

namespace {

using namespace kvstrata;

static_assert(layout_policy<paged_layout> && layout_policy<hybrid_layout> && layout_policy<contiguous_layout>);
static_assert(!layout_policy<int>);

enum part : unsigned { page_sizes = 1, extent_sizes = 2, bounds = 4, places = 8 };

/// The parts of the concept that L lacks.
template <class L>
constexpr unsigned lacks = (sizes_pages<L> ? 0U : page_sizes) | (sizes_extents<L> ? 0U : extent_sizes) |
                           (bounds_histories<L> ? 0U : bounds) | (places_pages<L> ? 0U : places);
template <class L, part Missing>
constexpr bool lacks_only = lacks<L> == Missing && !layout_policy<L>;

static_assert(lacks<paged_layout> == 0);

// What is missing is hidden by a member of the same name and another shape.
struct no_page_tokens : paged_layout
{
  void page_tokens();
};
static_assert(lacks_only<no_page_tokens, page_sizes>);

struct unchecked
{
  token_count page_tokens = 1;
  [[nodiscard]] token_count chunk_tokens() const;
  [[nodiscard]] page_count extent_pages(page_count, page_count) const;
  [[nodiscard]] placement device_place(const geometry&, page_count) const;
  [[nodiscard]] page_count granule_pages() const noexcept;
  [[nodiscard]] token_count longest_history() const;
  [[nodiscard]] extent_place lower_place(const geometry&, page_count, page_count, page_count) const;
};
static_assert(lacks_only<unchecked, page_sizes>);

struct stays_where_it_is : paged_layout
{
  std::unique_ptr<int> own;
};
static_assert(lacks_only<stays_where_it_is, page_sizes>);

struct no_chunk : paged_layout
{
  void chunk_tokens() = delete;
};
static_assert(lacks_only<no_chunk, extent_sizes>);

struct chunk_of_a_float : paged_layout
{
  [[nodiscard]] float chunk_tokens() const;
};
static_assert(lacks_only<chunk_of_a_float, extent_sizes>);

struct no_extent : paged_layout
{
  [[nodiscard]] page_count extent_pages(page_count) const;
};
static_assert(lacks_only<no_extent, extent_sizes>);

struct no_granule : paged_layout
{
  void granule_pages() = delete;
};
static_assert(lacks_only<no_granule, bounds>);

struct granule_in_bytes : paged_layout
{
  [[nodiscard]] std::size_t granule_pages() const noexcept;
};
static_assert(lacks_only<granule_in_bytes, bounds>);

struct no_longest_history : paged_layout
{
  void longest_history() = delete;
};
static_assert(lacks_only<no_longest_history, bounds>);

struct no_device_place : paged_layout
{
  [[nodiscard]] std::uint64_t device_place(const geometry&, page_count) const;
};
static_assert(lacks_only<no_device_place, places>);

struct no_lower_place : paged_layout
{
  void lower_place() = delete;
};
static_assert(lacks_only<no_lower_place, places>);

struct places_if_changed : paged_layout
{
  [[nodiscard]] extent_place lower_place(const geometry&, page_count, page_count, page_count);  // not const
};
static_assert(lacks_only<places_if_changed, places>);

struct places_relative_to_the_extent : paged_layout
{
  [[nodiscard]] placement lower_place(const geometry&, page_count, page_count, page_count) const;
};
static_assert(lacks_only<places_relative_to_the_extent, places>);

struct places_without_the_tier : paged_layout
{
  [[nodiscard]] extent_place lower_place(const geometry&, page_count, page_count) const;
};
static_assert(lacks_only<places_without_the_tier, places>);

}  // namespace

TEST_CASE("layout concepts are checked by the compiler") { SUCCEED(); }
