// Copy lists as a cache would make them: batches of users whose pages lie in a slab and whose extents lie in pinned
// frames, placed by a layout. Memory is reserved once, for the largest case, and laid out anew for each.
#pragma once

#include <kvstrata/layout/concepts.hpp>
#include <kvstrata/layout/copy_run.hpp>
#include <kvstrata/tiers/device_slab.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

namespace bench {

/// So many users, each with so many tokens, moved at once.
struct batch_shape
{
  unsigned users = 1;
  kvstrata::token_count tokens = 0;
};

/// together: a user's device pages lie side by side. scattered: no two do, as on a slab that evict_front has used for
/// long; ranges of contiguous_layout are scattered as a whole.
enum class device_pages : std::uint8_t { together, scattered };

struct laid_out
{
  kvstrata::copy_list up;        ///< from the extents of one half of both tiers to its pages
  kvstrata::copy_list down;      ///< from the pages of the other half to its extents, so that both may travel at once
  kvstrata::copy_list window;    ///< from the extents of `up` to window pages side by side
  kvstrata::copy_list relocate;  ///< from the window to the pages of `up`
  kvstrata::copy_list back;      ///< from the pages of `up` to the extents of `down`, to see what has arrived

  [[nodiscard]] std::size_t bytes() const noexcept { return up.bytes(); }
};

struct named_layout
{
  std::string name;
  laid_out at;
};

/// Pages that a batch takes in a layout, ranges and room to grow included.
template <kvstrata::layout_policy Layout>
[[nodiscard]] kvstrata::page_count pages_of(const Layout& layout, const batch_shape& batch)
{
  const kvstrata::page_count granule = layout.granule_pages();
  const kvstrata::page_count pages = (batch.tokens + layout.page_tokens - 1) / layout.page_tokens;
  return batch.users * ((pages + granule - 1) / granule * granule);
}

template <kvstrata::device Device>
class workplace
{
 public:
  using memory = typename Device::memory;

  /// Both tiers hold two batches of at most `tokens` tokens in `users` users, pages of at most `page` tokens, and the
  /// device a window besides.
  workplace(Device& d, const kvstrata::geometry& shape, unsigned users, kvstrata::token_count tokens,
            kvstrata::token_count page)
      : device_(&d),
        shape_(shape),
        pages_bytes_((tokens + std::size_t{users} * page) * shape.token_bytes()),
        slab_(d.allocate_device(5 * pages_bytes_, "bench slab")),
        arena_(d.allocate_pinned(3 * pages_bytes_, "bench arena"))
  {
  }

  [[nodiscard]] const kvstrata::geometry& shape() const noexcept { return shape_; }
  [[nodiscard]] std::byte* device_side() const noexcept { return slab_.data(); }
  [[nodiscard]] std::byte* host_side() const noexcept { return arena_.data(); }

  /// Throws std::invalid_argument when the batch is larger than was reserved for.
  template <kvstrata::layout_policy Layout>
  [[nodiscard]] laid_out lay_out(const Layout& layout, const batch_shape& batch, device_pages where)
  {
    using namespace kvstrata;
    check(layout);
    const std::size_t page = page_bytes(shape_, layout.page_tokens);
    const page_count needed = pages_of(layout, batch);
    if (needed * page > pages_bytes_) throw std::invalid_argument("a batch is larger than its workplace");
    const page_count granule = layout.granule_pages();
    typename device_slab<Device>::bound slab(
        *device_, {.region = {.base = slab_.data(), .total = 5 * needed, .pages = 5 * needed, .window = needed}},
        shape_, layout);
    frame_store<Device, borrowed> arena(*device_, {arena_.data(), arena_.size()},
                                        static_cast<page_count>(arena_.size() / page));

    std::vector<page_count> ranges;  // the first page of each granule that is ours, in the order in which we use them
    while (const auto run = slab.try_take(granule)) ranges.push_back(run->run.first);
    std::sort(ranges.begin(), ranges.end());
    if (where == device_pages::scattered) {
      std::size_t kept = 0;
      for (std::size_t i = 0; i < ranges.size(); i += 2) ranges[kept++] = ranges[i];
      ranges.resize(kept);
      std::shuffle(ranges.begin(), ranges.end(), std::mt19937_64(1));
    }
    auto next = ranges.begin();
    const page_count history = (batch.tokens + layout.page_tokens - 1) / layout.page_tokens;
    const auto take_pages = [&] {
      extents_of_users out(batch.users);
      for (extent_list& mine : out) {
        for (page_count first_page = 0; first_page < needed / batch.users; first_page += granule, ++next) {
          mine.push_back({.first_page = first_page, .pages = granule, .frame = *next});
        }
      }
      return out;
    };
    const extents_of_users first = take_pages();
    const extents_of_users second = take_pages();
    const auto window_run = slab.window().try_take(needed);
    extents_of_users window(batch.users);
    for (unsigned user = 0; user < batch.users; ++user) {
      const page_count frame = window_run->run.first + user * (needed / batch.users);
      window[user].push_back({.first_page = 0, .pages = history, .frame = frame});
    }

    const auto extents = take_extents(layout, batch, history, arena);
    const auto other_extents = take_extents(layout, batch, history, arena);
    const auto in_slab = [&](const placed_extent& x) {
      return copy_end{slab.data() + slab.place().offset(0, x.frame), slab.place()};
    };
    const auto in_arena = [&](const placed_extent& x) {
      const extent_place place = layout.lower_place(shape_, x.frame, x.pages, arena.capacity());
      return copy_end{arena.data() + place.offset, place.where};
    };
    const auto list = [&](const extents_of_users& from, auto&& from_end, const extents_of_users& to, auto&& to_end) {
      copy_list out{.piece_bytes = page_layer_bytes(shape_, layout.page_tokens), .layers = shape_.layers, .runs = {}};
      for (unsigned user = 0; user < batch.users; ++user) {
        append_copy_runs(out.runs, from[user], from_end, to[user], to_end, {0, history});
      }
      return out;
    };
    return {.up = list(extents, in_arena, first, in_slab),
            .down = list(second, in_slab, other_extents, in_arena),
            .window = list(extents, in_arena, window, in_slab),
            .relocate = list(window, in_slab, first, in_slab),
            .back = list(first, in_slab, other_extents, in_arena)};
  }

 private:
  using extent_list = std::vector<kvstrata::placed_extent>;
  using extents_of_users = std::vector<extent_list>;

  /// Memory that a workplace owns.
  struct borrowed
  {
    std::byte* base = nullptr;
    std::size_t bytes = 0;
    [[nodiscard]] std::byte* data() const noexcept { return base; }
    [[nodiscard]] std::size_t size() const noexcept { return bytes; }
  };

  /// Room for every user's history, written at once.
  template <class Layout, class Arena>
  static extents_of_users take_extents(const Layout& layout, const batch_shape& batch, kvstrata::page_count history,
                                       Arena& arena)
  {
    extents_of_users out(batch.users);
    for (auto& mine : out) {
      for (kvstrata::page_count page = 0; page < history;) {
        const auto run = arena.try_take(layout.extent_pages(page, history - page));
        if (!run) throw std::invalid_argument("a batch is larger than its workplace");
        mine.push_back({.first_page = page, .pages = run->run.count, .frame = run->run.first});
        page += run->run.count;
      }
    }
    return out;
  }

  Device* device_;
  kvstrata::geometry shape_;
  std::size_t pages_bytes_;  // of one batch
  memory slab_;
  memory arena_;
};

}  // namespace bench
