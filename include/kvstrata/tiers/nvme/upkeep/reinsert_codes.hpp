// What is in use is written again, where the store has a codec: codes are moved as they are, and nobody decodes them.
#pragma once

#include <kvstrata/tiers/nvme/calls/put.hpp>
#include <kvstrata/tiers/nvme/calls/start_reading.hpp>
#include <kvstrata/tiers/nvme/codes/read_codes.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

namespace detail {

/// The codes of all pages of `copy.header`, cut into the records of a put. False: some could not be read.
[[nodiscard]] inline bool take_codes_of_sync(store_core& core, nvme_io& copy, std::vector<record_read>& reads)
{
  const page_interval pages = copy.header.pages();
  const std::uint32_t layers = core.config.layers;
  std::vector<page_code> codes(std::size_t{layers} * pages.size());
  coded_reading reading(core, reads);
  take_codes_sync(reading, copy.key, copy.header, copy.page_bytes, reads, pages.size(), codes);
  if (!std::all_of(reads.begin(), reads.end(), [](const record_read& r) { return r.good; })) return false;
  for (const chunk& c : chunks_of(copy.header, copy.page_bytes, core.config.chunk_bytes)) {
    std::vector<page_code> mine;
    for (std::uint32_t layer = 0; layer < layers; ++layer) {
      const auto first = codes.begin() + std::ptrdiff_t{layer} * pages.size() + (c.pages.begin - pages.begin);
      mine.insert(mine.end(), first, first + c.pages.size());
    }
    copy.codes.push_back(record_of_codes(mine, c.pages.size(), layers));
  }
  return true;
}

[[nodiscard]] inline bool same_links(const std::vector<chain_link>& a, const std::vector<chain_link>& b) noexcept
{
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const chain_link& x, const chain_link& y) {
    return x.block == y.block && x.tokens == y.tokens;
  });
}

}  // namespace detail

/// Writes all of a sequence again, as one, where it takes at most `blocks`, which become fewer. `newest`: the head of its
/// newest record. False: it was not done. `before`: its records until then.
[[nodiscard]] inline bool reinsert_codes_sync(store_core& core, const record_head& newest, std::uint64_t& blocks,
                                              std::vector<chain_link>& before)
{
  nvme_io copy;
  copy.what = nvme_io::kind::put;
  copy.key = newest.key;
  copy.header = newest.header;
  copy.page_bytes = newest.page_bytes;
  std::vector<record_read> reads;
  {
    const std::lock_guard lock(core.mutex);
    if (core.books.is_put(copy.key)) return false;  // what is put now comes behind what is there
    core.books.links_of(copy.key, before);
    if (before.empty() || before.front().life != store_books::short_life(newest.header)) return false;
    copy.header.tokens = chain_of(before, newest.header.page_tokens).tokens;
    reads = begin_reading(core, copy.key, copy.header, copy.header.tokens);
    if (reads.empty()) return false;
  }
  bool well = false;
  try {
    well = detail::take_codes_of_sync(core, copy, reads);
  } catch (const std::exception&) {  // no memory
  }
  std::uint64_t needed = 0;
  for (const record_codes& codes : copy.codes) needed += 1 + codes.body_blocks();
  {
    const std::lock_guard lock(core.mutex);
    end_reading(core, reads);
    if (!well || needed > blocks || core.books.is_put(copy.key)) return false;
    std::vector<chain_link> now;
    core.books.links_of(copy.key, now);
    if (!detail::same_links(before, now) || !place(core, copy, 0)) return false;
    core.books.begun(copy);
    blocks -= needed;
  }
  well = put_sync(core, copy);
  const std::lock_guard lock(core.mutex);
  core.books.ended(copy);
  if (!well || copy.erased) return false;
  core.books.counts.reinserted_bytes += copy.page_bytes * copy.header.pages().size();
  return true;
}

}  // namespace kvstrata::nvme
