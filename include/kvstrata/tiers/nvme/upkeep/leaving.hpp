// Regions that are evicted together: what of them is in use is written again, the rest goes.
#pragma once

#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>
#include <kvstrata/tiers/nvme/upkeep/reinsert.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// The oldest regions, oldest first, from when they are chosen until they are empty or stay after all. Not for several
/// threads at once.
///
/// Their heads are written anew together, so a crash may leave any of them: where it left an older one whole and took a
/// younger one, what the younger one had killed in the older one would come back. So a row in the log, durable with the
/// copies, says before that all of them are dead.
class leaving_regions
{
 public:
  /// The lock is held.
  leaving_regions(store_core& core, std::vector<std::uint32_t> oldest) : core_(&core), numbers_(std::move(oldest))
  {
    rows_.resize(numbers_.size());
    for (const std::uint32_t number : numbers_) core.books.regions.at(number).is = region::state::leaving;
  }

  [[nodiscard]] std::span<const std::uint32_t> numbers() const noexcept { return numbers_; }

  /// What is not in use is found no more; copies of the rest are written, and what a flush must make durable before go().
  void begin_sync()
  {
    std::vector<sequence_key> hot;
    for (std::size_t i = 0; i < numbers_.size(); ++i) {
      rows_[i] = rows_of_sync(*core_, numbers_[i]);
      if (rows_[i]) forget_unused(numbers_[i], *rows_[i], hot);
    }
    const auto by_key = [](const sequence_key& a, const sequence_key& b) {
      return std::pair(a.space, a.id) < std::pair(b.space, b.id);
    };
    std::sort(hot.begin(), hot.end(), by_key);
    hot.erase(std::unique(hot.begin(), hot.end()), hot.end());
    // So that more goes than comes.
    std::uint64_t blocks = std::uint64_t{core_->books.regions.blocks()} * numbers_.size() / 2;
    for (const sequence_key& key : hot) {
      if (auto done = reinsert_sync(*core_, key, blocks)) again_.push_back(std::move(*done));
    }
    if (numbers_.size() < 2) return;
    const std::lock_guard lock(core_->mutex);
    core_->books.disown_older(core_->books.regions.at(numbers_.back()).generation + 1);
    told_ = true;
  }

  /// All of a flush that has ended well, which had begun after begin_sync: what is left in them is found no more. Blocks until
  /// nobody reads there. `all_told`: that the row of begin_sync is durable, too; else the oldest one goes alone.
  void go_sync(bool all_told)
  {
    if (told_ && !all_told) {
      stay(1);
      const std::lock_guard lock(core_->mutex);
      core_->books.disown_older(core_->books.regions.at(numbers_.front()).generation + 1);
    }
    std::unique_lock lock(core_->mutex);
    store_books& books = core_->books;
    for (const reinserted& r : again_) {
      for (const chain_link& old : r.before) {  // those elsewhere would be found when the store is opened again
        const record_place where = books.regions.place_of(old.block);
        const bool goes = std::find(numbers_.begin(), numbers_.end(), where.region) != numbers_.end();
        if (books.index.remove(r.key, old.block) && !goes) books.disown(r.key, where);
      }
    }
    for (std::size_t i = 0; i < numbers_.size(); ++i) empty(numbers_[i], rows_[i]);
    core_->reader_gone.wait(lock, [this] {
      return std::all_of(numbers_.begin(), numbers_.end(),
                         [this](std::uint32_t number) { return core_->books.regions.at(number).readers == 0; });
    });
    books.counts.reclaimed_regions += numbers_.size();
  }

  /// They stay as they are, from one on: the medium refuses. What was said of them is taken back.
  void stay_all() noexcept
  {
    std::uint64_t oldest = 0;
    if (!numbers_.empty()) oldest = core_->books.regions.at(numbers_.front()).generation;
    stay(0);
    if (!std::exchange(told_, false)) return;
    try {
      const std::lock_guard lock(core_->mutex);
      core_->books.disown_older(oldest);
    } catch (const std::exception&) {  // no memory: they are lost when the store is opened again
    }
  }

 private:
  void forget_unused(std::uint32_t number, const std::vector<table_row>& rows, std::vector<sequence_key>& hot)
  {
    const std::lock_guard lock(core_->mutex);
    store_books& books = core_->books;
    const std::uint32_t hits = core_->config.reinserted_hits;
    for (const table_row& row : rows) {
      if (row.what != table_row::kind::record) continue;
      const block_number block = books.regions.block_of({.region = number, .block = row.block});
      const index_entry* const found = books.index.find(row.key, block);
      if (hits != 0 && found != nullptr && found->hits >= hits) {
        hot.push_back(row.key);
      } else if (books.index.remove(row.key, block)) {
        ++books.counts.evicted_records;
      }
    }
  }

  /// The lock is held.
  void empty(std::uint32_t number, const std::optional<std::vector<table_row>>& rows) noexcept
  {
    store_books& books = core_->books;
    if (!rows) {
      books.counts.evicted_records += books.index.remove_all_if(
          [&](const index_entry& e) noexcept { return books.regions.region_of(e.block) == number; });
      return;
    }
    for (const table_row& row : *rows) {
      const block_number block = books.regions.block_of({.region = number, .block = row.block});
      if (row.what == table_row::kind::record && books.index.remove(row.key, block)) ++books.counts.evicted_records;
    }
  }

  void stay(std::size_t from) noexcept
  {
    const std::lock_guard lock(core_->mutex);
    for (std::size_t i = from; i < numbers_.size(); ++i) {
      core_->books.regions.set_sealed(numbers_[i]);
      if (rows_[i]) core_->books.regions.at(numbers_[i]).rows = std::move(*rows_[i]);
    }
    numbers_.resize((std::min)(from, numbers_.size()));
    rows_.resize(numbers_.size());
  }

  store_core* core_;
  std::vector<std::uint32_t> numbers_;
  std::vector<std::optional<std::vector<table_row>>> rows_;
  std::vector<reinserted> again_;
  bool told_ = false;  // that they are dead
};

}  // namespace kvstrata::nvme
