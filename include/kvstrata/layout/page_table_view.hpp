// What a batch's attention kernels see of the cache: FlashInfer's page table and where each layer begins.
#pragma once

#include <kvstrata/core/geometry.hpp>
#include <kvstrata/core/ids.hpp>
#include <kvstrata/core/interval.hpp>

#include <cstddef>
#include <cstdint>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// An affine map from (layer, page) to a byte offset. In a page K comes first, then V: [K,V][token][head][dim].
struct placement
{
  std::uint64_t layer_stride = 0;  ///< bytes from a page in one layer to the same page in the next
  std::uint64_t page_stride = 0;   ///< bytes from one page to the next in a layer

  [[nodiscard]] constexpr std::uint64_t offset(layer_index layer, std::uint64_t page) const noexcept
  {
    return layer * layer_stride + page * page_stride;
  }
  friend constexpr bool operator==(placement, placement) = default;
};

/// The pages of a batch of `size()` requests. Trivially copyable; valid while its lease lives.
///
/// A request's pages begin with the one that holds the first token of its window, which may lie inside it: the page then
/// has first_token_offset() tokens in front that nobody may attend to, and whose bytes mean nothing. Token numbers count
/// from the beginning of the history, whatever the window is.
struct page_table_view
{
  std::span<const page_id> page_ids;               ///< [indptr[size()]] pages of all requests, each in history order
  std::span<const std::int32_t> indptr;            ///< [size() + 1] request r has page_ids[indptr[r] .. indptr[r + 1])
  std::span<const std::int32_t> last_page_len;     ///< [size()] tokens in a request's last page; 0 when it has no page
  std::span<const token_count> first_tokens = {};  ///< [size()] where a request's window begins; empty: all at token 0
  std::byte* base = nullptr;                       ///< device address of layer 0, page 0
  placement where;                                 ///< byte offset of a page from base
  geometry shape;
  token_count page_tokens = 0;  ///< tokens a page

  [[nodiscard]] std::size_t size() const noexcept { return last_page_len.size(); }

  [[nodiscard]] std::span<const page_id> pages(std::size_t request) const
  {
    const auto from = static_cast<std::size_t>(indptr[request]);
    return page_ids.subspan(from, static_cast<std::size_t>(indptr[request + 1]) - from);
  }

  /// The first token of a request's window.
  [[nodiscard]] token_count first_token(std::size_t request) const
  {
    return first_tokens.empty() ? 0 : first_tokens[request];
  }
  /// Tokens of a request's first page that lie before its window.
  [[nodiscard]] token_count first_token_offset(std::size_t request) const { return first_token(request) % page_tokens; }

  /// Tokens of a request's history, those before its window included: the window is [first_token, tokens).
  [[nodiscard]] token_count tokens(std::size_t request) const
  {
    const auto count = static_cast<token_count>(indptr[request + 1] - indptr[request]);
    if (count == 0) return first_token(request);
    return (first_token(request) / page_tokens + count - 1) * page_tokens +
           static_cast<token_count>(last_page_len[request]);
  }

  /// Where in page_ids the page of a request's token 0 would be, were it there: token t is in page_ids[origin + t /
  /// page_tokens]. Below 0 for late windows, by arithmetic modulo 2^32. So one number a request is all that a kernel
  /// needs to find tokens.
  [[nodiscard]] std::int32_t origin(std::size_t request) const
  {
    return static_cast<std::int32_t>(static_cast<std::uint32_t>(indptr[request]) - first_token(request) / page_tokens);
  }

  /// Device address of a page in a layer: K as [page_tokens][kv_heads][head_dim], then V the same.
  [[nodiscard]] std::byte* page(layer_index layer, page_id id) const noexcept
  {
    return base + where.offset(layer, to_number(id));
  }

  /// Device address of the K row ([kv_heads][head_dim]) of one token, which lies in the request's window; V lies
  /// value_offset() bytes behind it.
  [[nodiscard]] std::byte* key(layer_index layer, std::size_t request, token_count token) const
  {
    const std::uint32_t at = static_cast<std::uint32_t>(origin(request)) + token / page_tokens;
    return page(layer, page_ids[at]) + (token % page_tokens) * shape.key_bytes();
  }
  [[nodiscard]] std::size_t value_offset() const noexcept { return page_tokens * shape.key_bytes(); }
};

}  // namespace kvstrata
