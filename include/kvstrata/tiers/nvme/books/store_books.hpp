// What an nvme_file knows: which records there are, what is under way, what is durable. No I/O, and no lock of its own.
#pragma once

#include <kvstrata/tiers/nvme/books/chain.hpp>
#include <kvstrata/tiers/nvme/books/figures.hpp>
#include <kvstrata/tiers/nvme/books/index.hpp>
#include <kvstrata/tiers/nvme/books/known_headers.hpp>
#include <kvstrata/tiers/nvme/books/region_book.hpp>
#include <kvstrata/tiers/nvme/calls/nvme_io.hpp>
#include <kvstrata/tiers/nvme/format/erasures.hpp>
#include <kvstrata/tiers/nvme/format/life.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <new>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// A record that has been written and is not known to be durable.
struct undurable_record
{
  sequence_key key;
  block_number block = 0;
  std::uint64_t generation = 0;  ///< of its region
  std::uint64_t order = 0;
};

/// What one flush makes durable.
struct flush_cover
{
  std::vector<undurable_record> records{};
  std::vector<erasure> erasures{};
  std::uint64_t order = 0;  ///< all up to it
};

class store_books
{
 public:
  store_books(record_index index_of, region_book regions_of, std::size_t known_headers_most, std::size_t most_active)
      : index(std::move(index_of)), regions(std::move(regions_of)), known(known_headers_most)
  {
    active_.reserve(most_active + 1);  // the store itself writes, too
    erasures.reserve(most_erasures);
  }

  record_index index;
  region_book regions;
  known_headers known;
  store_counts counts;
  std::vector<erasure> erasures;             ///< that stand in no block yet
  std::vector<erasure> written_erasures;     ///< that stand in blocks, since the last flush
  std::vector<undurable_record> unverified;  ///< that a crash may have torn: not durable before somebody has looked
  std::uint64_t durable_order = 0;
  std::uint64_t failed_flushes = 0;  ///< those by which something was lost
  bool wants_records = false;        ///< the index is full: records must go, though there are regions

  /// The newest records of a sequence, newest first: those of one life.
  void links_of(const sequence_key& key, std::vector<chain_link>& out) const
  {
    out.clear();
    std::size_t count = 0;
    index.for_each_of(key, [&count](const index_entry&) noexcept { ++count; });
    out.reserve(count);
    index.for_each_of(key, [&out](const index_entry& e) noexcept {
      if (!out.empty() && e.life != out.front().life) return false;
      out.push_back({e.block, e.life, e.tokens});
      return true;
    });
  }

  /// What is known of a sequence without asking.
  [[nodiscard]] found_record find(const sequence_key& key)
  {
    links_of(key, links_);
    if (links_.empty()) return {};
    const known_headers::known* const newest = known.find(key, links_.front().block);
    if (newest == nullptr) return {.is = found_record::knowledge::unknown};
    if (newest->others) return {};
    found_record out{found_record::knowledge::present, newest->header};
    out.header.tokens = chain_of(links_, newest->header.page_tokens).tokens;
    return out;
  }

  [[nodiscard]] std::uint64_t next_order() noexcept { return ++order_; }
  [[nodiscard]] std::uint64_t last_order() const noexcept { return order_; }
  void has_seen(std::uint64_t order) noexcept { order_ = (std::max)(order_, order); }

  // --- under way -------------------------------------------------------------------------------------------------------
  /// An I/O begins. Does not throw below the number that the books were made for.
  void begun(nvme_io& io) { active_.push_back(&io); }
  void ended(nvme_io& io) noexcept
  {
    const auto at = std::find(active_.begin(), active_.end(), &io);
    if (at == active_.end()) return;
    *at = active_.back();
    active_.pop_back();
  }
  [[nodiscard]] bool is_put(const sequence_key& key) const noexcept
  {
    return std::any_of(active_.begin(), active_.end(),
                       [&key](const nvme_io* io) { return io->what == nvme_io::kind::put && io->key == key; });
  }

  // --- what comes and goes ---------------------------------------------------------------------------------------------
  /// A put's record has been written: it is found from here on, unless there is no room in the index. May throw; then it is
  /// not found.
  [[nodiscard]] bool add(const nvme_io& put, const chunk& c)
  {
    const block_number block = regions.block_of(c.place);
    known.forget(put.key);
    undurable_.push_back({put.key, block, c.place.generation, put.order});
    const bool room = index.insert(put.key, {.life = short_life(put.header), .block = block, .tokens = c.tokens},
                                   [this](block_number a, block_number b) { return regions.newer(a, b); });
    if (!room) undurable_.pop_back();
    return room;
  }

  /// What was put so far is found no more. A row of it is to be written.
  void erase(const sequence_key& key) noexcept
  {
    index.erase(key);
    known.forget(key);
    for (nvme_io* io : active_) {
      if (io->what != nvme_io::kind::flush && io->key == key) io->erased = true;
    }
  }
  /// A record cannot be read: it is found no more, nor when the store is opened again. Of `generation`: where its region has
  /// another, it is gone already. Was it durable, then what it had replaced must not come back, and all of the sequence goes.
  void drop(const sequence_key& key, block_number block, std::uint64_t generation) noexcept
  {
    const record_place place = regions.place_of(block);
    const index_entry* const found = place.generation == generation ? index.find(key, block) : nullptr;
    if (found == nullptr) return;
    ++counts.dropped_records;
    if (found->durable) {
      erase(key);
      remember({.what = erasure::kind::sequence, .key = key, .order = next_order()});
    } else {
      index.remove(key, block);
      disown(key, place);
    }
  }
  /// What was written there is not found when the store is opened again.
  void disown(const sequence_key& key, const record_place& place) noexcept
  {
    remember({.what = erasure::kind::record,
              .key = key,
              .order = next_order(),
              .place = {.generation = place.generation, .block = place.block}});
  }

  /// All that lies in regions of smaller generations is found no more when the store is opened again, whatever was said before.
  /// Throws where there is no memory.
  void disown_older(std::uint64_t generation)
  {
    erasures.push_back({.what = erasure::kind::older, .order = next_order(), .place = {.generation = generation}});
  }

  // --- what is durable -------------------------------------------------------------------------------------------------
  /// What a flush that begins now makes durable, once the erasures have been written.
  [[nodiscard]] flush_cover take_undurable() noexcept
  {
    flush_cover out{std::exchange(undurable_, {}), std::exchange(written_erasures, {}),
                    (std::min)(order_, most_durable_)};
    const auto not_yet = [&out](std::uint64_t order) { out.order = (std::min)(out.order, order - 1); };
    for (const nvme_io* io : active_) {
      if (io->what == nvme_io::kind::put) not_yet(io->order);
    }
    for (const erasure& row : erasures) {
      if (row.what == erasure::kind::sequence) not_yet(row.order);
      if (row.what == erasure::kind::record)
        out.order = (std::min)(out.order, durable_order);  // whose order nobody knows
    }
    for (const undurable_record& r : unverified) not_yet(r.order);
    return out;
  }
  void flushed(const flush_cover& cover) noexcept
  {
    for (const undurable_record& r : cover.records) is_durable(r);
    durable_order = (std::max)(durable_order, cover.order);
  }
  /// Nobody knows what of it is there.
  void not_flushed(const flush_cover& cover) noexcept
  {
    if (!cover.records.empty() || !cover.erasures.empty()) ++failed_flushes;
    for (const undurable_record& r : cover.records) drop(r.key, r.block, r.generation);
    for (const erasure& row : cover.erasures) remember(row);
  }

  /// Older records of the sequence that it replaces are found no more, whatever becomes of it.
  void is_durable(const undurable_record& r) noexcept
  {
    if (regions.place_of(r.block).generation != r.generation) return;
    const index_entry* const found = index.find(r.key, r.block);
    if (found == nullptr) return;
    const index_entry mine = *found;
    index.mark_durable(r.key, r.block);
    bool is_older = false;
    index.remove_if(r.key, [&](const index_entry& e) noexcept {
      if (e.block != r.block) return is_older && (e.life != mine.life || mine.tokens.contains(e.tokens));
      is_older = true;
      return false;
    });
  }

  /// Where the durable tokens of a sequence's newest life end, from where all of its tokens begin; 0: there are none.
  [[nodiscard]] token_count durable_tokens(const sequence_key& key)
  {
    links_of(key, links_);
    const token_interval all = chain_of(links_, 1).tokens;
    std::erase_if(links_, [&](const chain_link& link) {
      const index_entry* const e = index.find(key, link.block);
      return e == nullptr || !e->durable;
    });
    const token_interval durable = chain_of(links_, 1).tokens;
    return durable.empty() || durable.begin != all.begin ? 0 : durable.end;
  }

  [[nodiscard]] static std::uint32_t short_life(const record_header& header) noexcept
  {
    return static_cast<std::uint32_t>(life_of(header));
  }

 private:
  void remember(const erasure& row) noexcept
  {
    try {
      erasures.push_back(row);
    } catch (const std::bad_alloc&) {  // whoever opens the store again must not rely on what comes from here on
      most_durable_ = (std::min)(most_durable_, row.order - 1);
    }
  }

  std::uint64_t order_ = 0;
  std::uint64_t most_durable_ = ~std::uint64_t{0};
  std::vector<nvme_io*> active_;
  std::vector<undurable_record> undurable_;
  std::vector<chain_link> links_;
};

}  // namespace kvstrata::nvme
