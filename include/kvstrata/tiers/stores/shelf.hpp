// What a memory_store keeps: records in host memory, page by page. It may outlive its stores, and be shared by several, as
// a file outlives the processes that write to it.
#pragma once

#include <kvstrata/tiers/stores/record.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// All calls may come from several threads. O(1), but for the pages of the record.
class record_shelf
{
 public:
  using page = std::shared_ptr<std::vector<std::byte>>;  ///< not written any more once it is here
  using page_list = std::vector<page>;

  /// A page for a record. `overwritten`: its bytes become zeros when the last who has it lets it go.
  [[nodiscard]] static page new_page(std::size_t bytes, bool overwritten)
  {
    using bytes_of_page = std::vector<std::byte>;
    if (!overwritten) return std::make_shared<bytes_of_page>(bytes);
    return page(new bytes_of_page(bytes), [](bytes_of_page* gone) noexcept {
      std::fill_n(static_cast<volatile std::byte*>(gone->data()), gone->size(),
                  std::byte{0});  // or it might be left out
      delete gone;
    });
  }

  /// Beyond so many bytes of pages the records that were put longest ago go.
  explicit record_shelf(std::uint64_t most_bytes = (std::numeric_limits<std::uint64_t>::max)())
      : most_bytes_(most_bytes)
  {
  }

  /// A number for the next put: later ones are larger.
  [[nodiscard]] std::uint64_t next_number()
  {
    const std::lock_guard lock(mutex_);
    return ++numbers_;
  }

  [[nodiscard]] std::optional<record_header> find(const sequence_key& key) const
  {
    const std::lock_guard lock(mutex_);
    const auto at = records_.find(key);
    if (at == records_.end() || at->second.header.tokens.empty()) return std::nullopt;
    return at->second.header;
  }

  /// The pages that hold `wanted` of a record of this life; empty when there is none that has them.
  [[nodiscard]] page_list pages(const sequence_key& key, const record_header& life, token_interval wanted) const
  {
    const std::lock_guard lock(mutex_);
    const auto at = records_.find(key);
    if (at == records_.end() || !same_life(at->second.header, life) || !at->second.header.tokens.contains(wanted)) {
      return {};
    }
    const page_interval all = at->second.header.pages();
    const page_interval some = pages_of(wanted, life.page_tokens);
    const auto begin = at->second.pages.begin();
    return {begin + (some.begin - all.begin), begin + (some.end - all.begin)};
  }

  /// Keeps a record under the number that its put was given. An older put than what is there, or than the last erasure,
  /// comes too late, unless it joins what is there.
  void put(const sequence_key& key, const record_header& header, std::uint64_t number, page_list pages)
  {
    const std::lock_guard lock(mutex_);
    const auto [at, fresh] = records_.try_emplace(key);
    kept& mine = at->second;
    if (number < mine.erased || (fresh && number <= erased_unseen_)) return;
    const bool late = number < mine.number;
    if (late && !same_life(mine.header, header)) return;
    if (!fresh && late) join_late(mine, header, std::move(pages));
    else join_new(mine, header, number, std::move(pages));
    if (most_bytes_ == (std::numeric_limits<std::uint64_t>::max)()) return;
    order_.push_back({key, mine.number});
    evict();
  }

  /// What was put so far is gone.
  void erase(const sequence_key& key) noexcept
  {
    const std::lock_guard lock(mutex_);
    try {
      kept& mine = records_[key];
      drop(mine);
      mine.erased = numbers_ + 1;
    } catch (...) {  // no memory to remember it: puts under way of whoever is not here are too late
      erased_unseen_ = numbers_;
    }
  }

  /// A record of this life turned out to be bad: it is not found again.
  void drop_life(const sequence_key& key, const record_header& life) noexcept
  {
    const std::lock_guard lock(mutex_);
    const auto at = records_.find(key);
    if (at != records_.end() && same_life(at->second.header, life)) drop(at->second);
  }

  [[nodiscard]] std::uint64_t bytes() const
  {
    const std::lock_guard lock(mutex_);
    return bytes_;
  }
  /// Sequences of which there is a record.
  [[nodiscard]] std::size_t records() const
  {
    const std::lock_guard lock(mutex_);
    std::size_t count = 0;
    for (const auto& [key, mine] : records_) count += mine.pages.empty() ? 0U : 1U;
    return count;
  }

 private:
  struct kept
  {
    record_header header;
    page_list pages;           ///< of header.pages()
    std::uint64_t number = 0;  ///< of the newest put in it
    std::uint64_t erased = 0;  ///< puts with smaller numbers are too late
  };

  struct key_hash
  {
    std::size_t operator()(const sequence_key& key) const noexcept
    {
      std::uint64_t x = (key.id ^ (std::uint64_t{key.space} << 32U)) * 0x9e3779b97f4a7c15U;
      x ^= x >> 32U;
      return x * 0x9e3779b97f4a7c15U;
    }
  };

  [[nodiscard]] static std::uint64_t size_of(const page_list& pages) noexcept
  {
    return pages.empty() ? 0 : pages.size() * pages.front()->size();
  }

  void join_new(kept& mine, const record_header& header, std::uint64_t number, page_list pages)
  {
    const record_union both = join(mine.header, header);
    page_list all = merged(both, mine, header, pages);
    bytes_ += size_of(all) - size_of(mine.pages);
    mine.pages.swap(all);
    mine.header = header;
    mine.header.tokens = both.tokens;
    mine.number = number;
  }

  /// What is there is newer: it counts as the one that was put last.
  void join_late(kept& mine, const record_header& header, page_list pages)
  {
    if (mine.header.tokens.empty() || !joinable(mine.header.tokens, header.tokens)) return;
    kept old{.header = header, .pages = std::move(pages)};
    const record_union both = join(old.header, mine.header);
    page_list all = merged(both, old, mine.header, mine.pages);
    bytes_ += size_of(all) - size_of(mine.pages);
    mine.pages.swap(all);
    mine.header.tokens = both.tokens;
  }

  [[nodiscard]] static page_list merged(const record_union& both, const kept& old, const record_header& header,
                                        const page_list& fresh)
  {
    const page_interval mine = header.pages();
    const page_interval before = old.header.pages();
    const page_interval all = pages_of(both.tokens, header.page_tokens);
    page_list out;
    out.reserve(all.size());
    for (page_count p = all.begin; p < all.end; ++p) {
      const bool is_fresh = p >= both.from_fresh.begin && p < both.from_fresh.end;
      out.push_back(is_fresh ? fresh[p - mine.begin] : old.pages[p - before.begin]);
    }
    return out;
  }

  void drop(kept& mine) noexcept
  {
    bytes_ -= size_of(mine.pages);
    mine.pages.clear();
    mine.header = {};
  }

  void evict() noexcept
  {
    while (bytes_ > most_bytes_ && !order_.empty()) {
      const auto [key, number] = order_.front();
      order_.pop_front();
      const auto at = records_.find(key);
      if (at == records_.end() || at->second.number != number) continue;
      drop(at->second);
    }
  }

  mutable std::mutex mutex_;
  std::uint64_t most_bytes_;
  std::uint64_t numbers_ = 0;
  std::uint64_t erased_unseen_ = 0;
  std::uint64_t bytes_ = 0;
  boost::unordered_flat_map<sequence_key, kept, key_hash> records_;
  std::deque<std::pair<sequence_key, std::uint64_t>> order_;  // of putting; with older places of records put again
};

}  // namespace kvstrata
