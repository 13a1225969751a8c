// A stretch of a request with a sequence and a mode of its own.
#pragma once

#include <kvstrata/core/ids.hpp>
#include <kvstrata/plan/fingerprint.hpp>

#include <cstdint>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// What may become of a part's tokens, and who may have them.
enum class part_mode : std::uint8_t {
  append,  ///< grows at its end, as a history does: any prefix of it is served. One lease at a time has it
  replace,  ///< any change makes all of it anew, as another version: served whole or computed whole. Any number of leases
            ///< read a version; who brings another one writes beside it, and their commit puts it in its place
  read,     ///< as replace, and its key says what it is (an item's tokens, a shared prefix), so that nobody replaces it
  scratch,  ///< pages of the lease alone: never served, kept, evicted or written down, and gone with the lease
};

[[nodiscard]] constexpr std::string_view name_of(part_mode mode) noexcept
{
  switch (mode) {
    case part_mode::append: return "append";
    case part_mode::replace: return "replace";
    case part_mode::read: return "read";
    case part_mode::scratch: return "scratch";
  }
  return "unknown";
}

/// Is it served whole or not at all, to any number of leases?
[[nodiscard]] constexpr bool is_shared(part_mode mode) noexcept
{
  return mode == part_mode::replace || mode == part_mode::read;
}

/// What becomes of a request that has a replace or read part which is not there as it is wanted, while another lease computes
/// that key.
enum class computed_elsewhere : std::uint8_t {
  wait,  ///< it is turned away, until that lease is committed or gone (pressure::arriving, comes_by_commit)
  compute_own,  ///< it computes all of the part, in pages of its lease alone, which nobody else ever finds, and which go with it
};

/// Tokens are numbered from the beginning of the part. What a token's position is, and what it sees, is the model's affair.
/// An append part stands on the replace and read parts before it in its request: where one of these has another version, what
/// is cached of the append part is of no use, and goes.
struct part
{
  sequence_key key{};  ///< of scratch: means nothing
  std::uint64_t version =
      0;  ///< of replace and read: never goes back. Of append: what else its rows rest on, in any numbers
  token_count tokens = 0;
  part_mode mode = part_mode::append;
  history_fingerprint fingerprint{};  ///< not of scratch
  token_count first_token = 0;        ///< of append: where the window begins, as request::first_token
  /// Of replace and read. Where requests of a batch share the part, it waits if one of them does.
  computed_elsewhere if_computed_elsewhere = computed_elsewhere::wait;
};

}  // namespace kvstrata
