// A record_header in 88 bytes: the one place where a cluster's values and manifests write it down.
#pragma once

#include <kvstrata/tiers/stores/format/fields.hpp>
#include <kvstrata/tiers/stores/record.hpp>

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

namespace at_header {
using namespace stores;
inline constexpr field64 incarnation{0};
inline constexpr field64 epoch{8};
inline constexpr field64 format{16};
inline constexpr field64 vouched_hash{24};
inline constexpr field64 stretch_hash{32};
inline constexpr field32 page_tokens{40};
inline constexpr field32 tokens_begin{44};
inline constexpr field32 tokens_end{48};
inline constexpr field32 first_token{52};
inline constexpr field32 earlier_until{56};
inline constexpr field32 vouched_tokens{60};
inline constexpr field32 stretch_stride{64};
inline constexpr field32 stretch_end{68};
inline constexpr field32 inexact_from{72};
inline constexpr field32 atomic{76};  // from versioned_format on, and so is:
inline constexpr field64 version{80};
inline constexpr std::size_t end = 88;
static_assert(apart(0, end, incarnation, epoch, format, vouched_hash, stretch_hash, page_tokens, tokens_begin,
                    tokens_end, first_token, earlier_until, vouched_tokens, stretch_stride, stretch_end, inexact_from,
                    atomic, version));
}  // namespace at_header

// What values and manifests say of their format. A program that knows an earlier one alone takes what is of a later one for
// nobody's, as it cannot tell one version from another, nor codes from bytes.
inline constexpr std::uint32_t first_format = 1;
inline constexpr std::uint32_t versioned_format = 2;  ///< the header has a version, or is atomic
inline constexpr std::uint32_t coded_format = 3;      ///< bodies are encoded

[[nodiscard]] constexpr std::uint32_t format_for(const record_header& header, std::uint64_t codec) noexcept
{
  if (codec != 0) return coded_format;
  return header.version != 0 || header.atomic ? versioned_format : first_format;
}
/// `codec`: what stands where a codec's fingerprint does.
[[nodiscard]] constexpr bool is_known_format(std::uint32_t format, std::uint64_t codec) noexcept
{
  return codec != 0 ? format == coded_format : format == first_format || format == versioned_format;
}

/// Writes to at_header::end bytes that are zeros.
constexpr void encode_header(const record_header& from, std::byte* to) noexcept
{
  stores::store(to, at_header::incarnation, to_number(from.incarnation));
  stores::store(to, at_header::epoch, to_number(from.epoch));
  stores::store(to, at_header::format, static_cast<std::uint64_t>(from.format));
  stores::store(to, at_header::vouched_hash, from.vouched_hash);
  stores::store(to, at_header::stretch_hash, from.stretch_hash);
  stores::store(to, at_header::page_tokens, from.page_tokens);
  stores::store(to, at_header::tokens_begin, from.tokens.begin);
  stores::store(to, at_header::tokens_end, from.tokens.end);
  stores::store(to, at_header::first_token, from.first_token);
  stores::store(to, at_header::earlier_until, from.earlier_until);
  stores::store(to, at_header::vouched_tokens, from.vouched_tokens);
  stores::store(to, at_header::stretch_stride, from.stretch_stride);
  stores::store(to, at_header::stretch_end, from.stretch_end);
  stores::store(to, at_header::inexact_from, from.inexact_from);
  stores::store(to, at_header::atomic, from.atomic ? 1U : 0U);
  stores::store(to, at_header::version, from.version);
}

/// Reads them, whatever they are.
[[nodiscard]] constexpr record_header decode_header(const std::byte* from) noexcept
{
  using stores::load;
  return {.incarnation = static_cast<incarnation_id>(load(from, at_header::incarnation)),
          .epoch = static_cast<epoch_id>(load(from, at_header::epoch)),
          .format = static_cast<kv_format>(load(from, at_header::format)),
          .page_tokens = load(from, at_header::page_tokens),
          .tokens = {load(from, at_header::tokens_begin), load(from, at_header::tokens_end)},
          .first_token = load(from, at_header::first_token),
          .earlier_until = load(from, at_header::earlier_until),
          .vouched_tokens = load(from, at_header::vouched_tokens),
          .vouched_hash = load(from, at_header::vouched_hash),
          .stretch_stride = load(from, at_header::stretch_stride),
          .stretch_end = load(from, at_header::stretch_end),
          .stretch_hash = load(from, at_header::stretch_hash),
          .inexact_from = load(from, at_header::inexact_from),
          .version = load(from, at_header::version),
          .atomic = load(from, at_header::atomic) != 0};
}

}  // namespace kvstrata::redis
