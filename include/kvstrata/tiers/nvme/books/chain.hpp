// The records of one sequence, put one after the other, as what they are together.
#pragma once

#include <kvstrata/tiers/nvme/books/region_book.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::nvme {

/// One record of a chain.
struct chain_link
{
  block_number block = 0;  ///< its head's
  std::uint32_t life = 0;
  token_interval tokens;
};

/// Pages that one record gives.
struct chain_part
{
  page_interval pages;
  chain_link from;
};

struct chain
{
  token_interval tokens;          ///< of all together
  std::vector<chain_part> parts;  ///< in the order of their pages, of those of `tokens` each once

  [[nodiscard]] bool empty() const noexcept { return tokens.empty(); }
};

/// What links are together, newest first and of one life. A gap leaves what is behind it, seen from the newest. O(links^2).
[[nodiscard]] inline chain chain_of(const std::vector<chain_link>& links, token_count page_tokens)
{
  chain out;
  const auto header_of = [page_tokens](token_interval tokens) {
    record_header h;
    h.page_tokens = page_tokens;
    h.tokens = tokens;
    return h;
  };
  for (std::size_t i = links.size(); i-- > 0;) {
    const record_union both = join(header_of(out.tokens), header_of(links[i].tokens));
    const page_interval all = pages_of(both.tokens, page_tokens);
    std::vector<chain_part> parts;
    const auto keep = [&parts](page_count begin, page_count end, const chain_link& from) {
      if (begin < end) parts.push_back({{begin, end}, from});
    };
    for (const chain_part& part : out.parts) {
      keep((std::max)(part.pages.begin, all.begin), (std::min)(part.pages.end, both.from_fresh.begin), part.from);
    }
    keep(both.from_fresh.begin, both.from_fresh.end, links[i]);
    for (const chain_part& part : out.parts) {
      keep((std::max)(part.pages.begin, both.from_fresh.end), (std::min)(part.pages.end, all.end), part.from);
    }
    out.tokens = both.tokens;
    out.parts = std::move(parts);
  }
  return out;
}

}  // namespace kvstrata::nvme
