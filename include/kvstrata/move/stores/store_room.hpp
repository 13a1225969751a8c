// Pinned memory through which records go to a store and come from it, page after page: so no I/O touches a frame of the last
// memory, and none holds up whoever wants one.
#pragma once

#include <kvstrata/core/interval.hpp>
#include <kvstrata/core/levels.hpp>
#include <kvstrata/layout/coded_pages.hpp>
#include <kvstrata/layout/page_order.hpp>
#include <kvstrata/tiers/pinned_arena.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All that still uses what level `Level` has of an entry; a cold one becomes hot, which may throw.
template <level_index Level, class Residency, class Entry>
[[nodiscard]] fence& uses_of(Residency& r, Entry& e)
{
  r.hot().heat(e);
  return e.hot().last_use[Level];
}

/// Not synchronised.
template <class Residency>
class store_room
{
 public:
  using device_type = typename Residency::device_type;
  using places = std::vector<placed_extent>;  ///< of consecutive pages of a history

  store_room(Residency& r, std::size_t bytes)
      : page_bytes_(page_bytes(r.shape(), r.layout().page_tokens)),
        within_(page_first(r.shape(), r.layout().page_tokens)),
        memory_(r.device(), {.bytes = bytes}, page_bytes_)
  {
  }

  [[nodiscard]] page_count capacity() const noexcept { return memory_.capacity(); }
  [[nodiscard]] page_count free() const noexcept { return memory_.free(); }

  /// Room for these pages, of which there is enough. Adds to `after` what must come to pass before it is written. When it
  /// throws, nothing is taken.
  [[nodiscard]] places take(page_interval pages, fence& after)
  {
    places out;
    try {
      for (page_count next = pages.begin; next < pages.end;) {
        out.push_back({.first_page = next});
        const auto taken = memory_.try_take(pages.end - next);
        out.back().pages = taken->run.count;
        out.back().frame = taken->run.first;
        after.add(taken->last_use);
        next += taken->run.count;
      }
    } catch (...) {
      give_back(out, after);
      throw;
    }
    return out;
  }
  /// `last_use`: what still uses it.
  void give_back(const places& all, const fence& last_use) noexcept
  {
    for (const placed_extent& one : all) {
      if (one.pages != 0) memory_.give_back({one.frame, one.pages}, last_use);
    }
  }

  [[nodiscard]] copy_end end_of(const placed_extent& one) noexcept { return {at(one), within_}; }
  /// Of one of its pages; they are as they are.
  [[nodiscard]] page_end end_of(const placed_extent& one, page_count page) noexcept
  {
    return {.at = {end_of(one).page(0, page - one.first_page), within_}};
  }

  /// As an I/O names them.
  [[nodiscard]] std::vector<io_piece> pieces(const places& all)
  {
    std::vector<io_piece> out;
    out.reserve(all.size());
    for (const placed_extent& one : all) out.push_back({at(one), one.pages * page_bytes_});
    return out;
  }

  void drain_sync() { memory_.drain_sync(); }

 private:
  [[nodiscard]] std::byte* at(const placed_extent& one) noexcept { return memory_.data() + one.frame * page_bytes_; }

  std::size_t page_bytes_;
  placement within_;
  pinned_arena<>::on<device_type> memory_;
};

}  // namespace kvstrata
