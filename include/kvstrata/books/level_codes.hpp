// What a level that keeps a code of its pages has beside its frames: the code, and frames for what has none.
//
// A frame holds the code of a page, which is of one size. What does not fit it (a unit with too many escapes, a value that a
// lossy code must not touch) and pages that a history fills in part are kept as they are, in *raw frames*. Whether a page
// needs one is known when it has been encoded, which may be on a device and later. So every page gets one before it is encoded, and
// gives it back when the copies are over and its code says that all is there. So nothing has to be known in time, what is
// decoded meanwhile finds the raw bytes in any case, and raw frames bound how many pages are on their way at once.
#pragma once

#include <kvstrata/books/stats.hpp>
#include <kvstrata/codec/identity.hpp>
#include <kvstrata/codec/reads_codes.hpp>
#include <kvstrata/core/error.hpp>
#include <kvstrata/device/last_use.hpp>
#include <kvstrata/layout/coded_pages.hpp>
#include <kvstrata/tiers/codes.hpp>
#include <kvstrata/tiers/frame_store.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Of a level that keeps pages as they are: nothing.
template <class Device, class Recipe>
class level_codes
{
 public:
  static constexpr bool any = false;

  level_codes(Device&, const typename Recipe::config&, const geometry&, token_count, page_count) {}
  void released(frame_run, const fence&) noexcept {}
};

/// Not synchronised.
template <class Device, class Recipe>
  requires(keeps_codes<Recipe>)
class level_codes<Device, Recipe>
{
 public:
  static constexpr bool any = true;
  using codec = tier_codec_t<Recipe>;

  level_codes(Device& d, const typename Recipe::config& sizes, const geometry& shape, token_count tokens, page_count)
      : device_(&d),
        piece_(piece_of(shape, tokens)),
        layers_(shape.layers),
        raw_(d, d.allocate_pinned(raw_frames_of<Recipe>(sizes, shape, tokens) * raw_bytes(), "raw pages"),
             raw_frames_of<Recipe>(sizes, shape, tokens))
  {
    use(sizes.codec);
  }

  /// What is written from now on is encoded like this; what is there or under way stays as it is, and readable. Throws
  /// config_error, and nothing has changed, where it would not be.
  void use(const typename codec::config& told)
  {
    using coder = coder_of<codec>;
    const coder fresh = codec::coder(piece_, told);
    std::shared_ptr<const page_code> made;
    if constexpr (requires { typename Device::template code_of<coder>; }) {
      made = std::make_shared<typename Device::template code_of<coder>>(piece_, fresh);
    } else {
      made = std::make_shared<page_code_of<coder>>(piece_, fresh);
    }
    if (code_ && !reads_codes_of(*made, *code_)) {
      throw config_error("codec", codec::name,
                         "pages that are encoded as the level was told before could not be read any more");
    }
    code_ = std::move(made);
  }
  [[nodiscard]] const page_code* code() const noexcept { return code_.get(); }

  /// Where the raw bytes of a frame's page are; null: it needs none.
  [[nodiscard]] std::byte* elsewhere(page_count frame) noexcept
  {
    const auto at = of_.find(frame);
    return at == of_.end() ? nullptr : raw_.data() + std::size_t{at->second.raw} * raw_bytes();
  }

  /// Gives these frames raw ones, as far as there are any. For how many; adds to `after` what must come to pass before they are
  /// written. When it throws, some may have one, which they keep.
  [[nodiscard]] page_count reserve(frame_run frames, fence& after)
  {
    for (page_count i = 0; i < frames.count; ++i) {
      const page_count frame = frames.first + i;
      auto mine = of_.find(frame);
      if (mine == of_.end()) {
        if (raw_.free() == 0) settle();
        of_.reserve(of_.size() + 1);
        const auto taken = raw_.try_take(1);
        if (!taken) return i;
        mine = of_.emplace(frame, kept{taken->run.first, 0, taken->last_use}).first;
      }
      remember(*device_, after, mine->second.last_use);
    }
    return frames.count;
  }

  /// Copies that encode these pages are queued, and are over with `done`. Where there is no memory to remember that, the pages
  /// keep their raw frames.
  void written(std::span<const coded_page> pages, event done) noexcept
  {
    try {
      std::vector<written_page> all;
      all.reserve(pages.size());
      pending_.reserve(pending_.size() + 1);
      ++writes_;
      for (const coded_page& page : pages) {
        const auto at = of_.find(page.to_frame);
        if (at == of_.end()) continue;
        at->second.write = writes_;
        at->second.last_use.clear();
        all.push_back({page.to_frame, page.to, page.whole});
      }
      if (!all.empty()) pending_.push_back({done, writes_, std::move(all)});
    } catch (...) {
    }
  }
  /// Copies that decode were queued: they may look for raw bytes until `done`.
  void read(event done) noexcept { remember(*device_, readers_, done); }

  /// Takes raw frames back whose pages turned out to need none. O(pages that were written).
  void settle()
  {
    std::size_t over = 0;
    for (; over < pending_.size() && device_->query(pending_[over].done); ++over) {
      for (const written_page& page : pending_[over].pages) {
        const auto at = of_.find(page.frame);
        if (at == of_.end() || at->second.write != pending_[over].number) continue;  // it has another life now
        if (needs_raw(page)) {
          ++kept_pages_;
          continue;
        }
        raw_.give_back({at->second.raw, 1}, readers_);
        of_.erase(at);
      }
    }
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(over));
  }

  /// These frames are given back.
  void released(frame_run frames, const fence& last_use) noexcept
  {
    for (page_count i = 0; i < frames.count && !of_.empty(); ++i) {
      const auto at = of_.find(frames.first + i);
      if (at == of_.end()) continue;
      fence uses = last_use;
      for (const event point : at->second.last_use) remember(*device_, uses, point);
      raw_.give_back({at->second.raw, 1}, uses);
      of_.erase(at);
    }
  }

  /// Would a page that needs a raw frame get one, of those that settle() has found?
  [[nodiscard]] bool has_room() const noexcept { return raw_.free() != 0; }

  void drain_sync() { raw_.drain_sync(); }

  void add_to(tier_stats& s) const noexcept
  {
    s.raw_capacity_bytes = raw_.capacity() * std::uint64_t{raw_bytes()};
    s.raw_bytes = (raw_.capacity() - raw_.free()) * std::uint64_t{raw_bytes()};
    s.raw_pages = kept_pages_;
  }
  /// Of a raw frame.
  [[nodiscard]] std::size_t raw_bytes() const noexcept { return piece_.bytes() * layers_; }

 private:
  struct kept
  {
    page_count raw = 0;
    std::uint64_t write = 0;  ///< the last that was queued
    fence last_use;           ///< before that, while there is none
  };
  struct written_page
  {
    page_count frame = 0;
    copy_end at;
    bool whole = true;
  };
  struct pending
  {
    event done;
    std::uint64_t number = 0;
    std::vector<written_page> pages;
  };

  [[nodiscard]] bool needs_raw(const written_page& page) const noexcept
  {
    if (!page.whole) return true;
    if constexpr (requires { Device::has_data; }) {
      if (!Device::has_data) return false;
    } else if constexpr (requires { device_->config().data; }) {
      if (!device_->config().data) return false;
    }
    for (layer_index l = 0; l < layers_; ++l) {
      if (code_->keeps_raw(page.at.page(l, 0))) return true;
    }
    return false;
  }

  Device* device_;
  piece_shape piece_;
  std::uint32_t layers_;
  frame_store<Device, typename Device::memory> raw_;
  std::shared_ptr<const page_code> code_;
  boost::unordered_flat_map<page_count, kept> of_;  // of a frame
  std::vector<pending> pending_;                    // in the order of being queued
  std::uint64_t writes_ = 0;
  std::uint64_t kept_pages_ = 0;
  fence readers_;
};

}  // namespace kvstrata
