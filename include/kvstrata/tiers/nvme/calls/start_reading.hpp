// Which records a reader needs, and that their regions stay until it has read them.
#pragma once

#include <kvstrata/tiers/nvme/books/chain.hpp>
#include <kvstrata/tiers/nvme/calls/record_read.hpp>
#include <kvstrata/tiers/nvme/store_core.hpp>

#include <algorithm>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// Which records a reader needs; the lock is held. Their regions stay until end_reading. Empty: they are not all there.
[[nodiscard]] inline std::vector<record_read> begin_reading(store_core& core, const sequence_key& key,
                                                            const record_header& header, token_interval wanted)
{
  std::vector<chain_link> links;
  core.books.links_of(key, links);
  if (links.empty() || links.front().life != store_books::short_life(header)) return {};
  const chain all = chain_of(links, header.page_tokens);
  if (!all.tokens.contains(wanted)) return {};
  const page_interval pages = pages_of(wanted, header.page_tokens);
  std::vector<record_read> out;
  for (const chain_part& part : all.parts) {
    const page_interval mine{(std::max)(part.pages.begin, pages.begin), (std::min)(part.pages.end, pages.end)};
    if (mine.empty()) continue;
    out.push_back({.from = part.from,
                   .place = core.books.regions.place_of(part.from.block),
                   .wanted = mine,
                   .first = mine.begin - pages.begin});
  }
  for (const record_read& r : out) {
    ++core.books.regions.at(r.place.region).readers;
    core.books.index.hit(key, r.from.block);
  }
  return out;
}

/// The lock is held.
inline void end_reading(store_core& core, const std::vector<record_read>& reads) noexcept
{
  for (const record_read& r : reads) --core.books.regions.at(r.place.region).readers;
  if (!reads.empty()) core.reader_gone.notify_all();
}

}  // namespace kvstrata::nvme
