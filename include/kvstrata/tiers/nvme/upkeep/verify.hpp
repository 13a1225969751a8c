// Records that a crash may have torn are looked at.
#pragma once

#include <kvstrata/tiers/nvme/calls/get.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>
#include <kvstrata/tiers/nvme/upkeep/commit.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Reads all of a record and checks it. Empty: it is not what was put.
[[nodiscard]] inline std::optional<record_head> read_whole_sync(store_core& core, const undurable_record& r)
{
  block_buffer head_block(block_bytes);
  if (move_sync(*core.engine, block_io::kind::read, core.offset_of(r.block), head_block.all()) != 0)
    return std::nullopt;
  record_read read;
  {
    const std::lock_guard lock(core.mutex);
    read.place = core.books.regions.place_of(r.block);
  }
  const auto head = decode_record_head(head_block.block(0), core.id, {read.place.generation, read.place.block});
  if (!head || head->key != r.key || head->layers != core.config.layers || head->code != core.fingerprint()) {
    return std::nullopt;
  }
  read.from =
      chain_link{.block = r.block, .life = store_books::short_life(head->header), .tokens = head->header.tokens};
  read.wanted = head->header.pages();
  std::vector<record_read> reads{read};
  if (core.config.code) {
    check_codes_sync(core, r.key, head->header, head->page_bytes, reads);
    return reads.front().good ? head : std::nullopt;
  }
  const std::size_t bytes = std::size_t{head->page_bytes} * read.wanted.size();
  block_buffer body(bytes);
  const io_piece piece{body.data(), bytes};
  read_records_sync(core, r.key, head->header, page_memory({&piece, 1}, head->page_bytes, core.config.layers), reads);
  return reads.front().good ? head : std::nullopt;
}

/// Looks at what was not known to be durable when the store was opened. Puts of which all is there become durable. The others
/// go, with all their records, and what is older counts again. False: there are none, or the medium refuses.
[[nodiscard]] inline bool verify_all_sync(store_core& core)
{
  std::vector<undurable_record> all;
  {
    const std::lock_guard lock(core.mutex);
    all = core.books.unverified;
  }
  if (all.empty()) return false;
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.order < b.order; });
  std::vector<undurable_record> whole;
  std::size_t torn = 0;
  for (std::size_t first = 0; first < all.size();) {
    std::size_t end = first;
    token_count there = 0;
    token_count wanted = 1;
    for (; end < all.size() && all[end].order == all[first].order; ++end) {  // the records of one put
      if (const auto head = read_whole_sync(core, all[end])) {
        there += head->header.tokens.size();
        wanted = head->put.size();
      }
    }
    const bool is_whole = there == wanted;
    if (is_whole) whole.insert(whole.end(), all.data() + first, all.data() + end);
    else torn += end - first;
    const std::lock_guard lock(core.mutex);
    for (; first < end; ++first) {
      if (!is_whole) core.books.drop(all[first].key, all[first].block, all[first].generation);
    }
  }
  if (!commit_sync(core)) return false;
  const std::lock_guard lock(core.mutex);
  for (const undurable_record& r : whole) core.books.is_durable(r);
  core.books.unverified.clear();
  core.recovery.verified += whole.size();
  core.recovery.torn += torn;
  return true;
}

}  // namespace kvstrata::nvme
