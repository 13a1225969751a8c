// Strong types for the identities that could be swapped by mistake.
#pragma once

#include <cstddef>
#include <cstdint>

namespace kvstrata {

/// A user, as the caller numbers them. Any 64-bit value is valid.
enum class user_id : std::uint64_t {};

/// One page of the device slab. 32-bit and signed, as FlashInfer's page indices are.
enum class page_id : std::int32_t {};

/// Model version. KV that was computed under one epoch is never served to another.
enum class epoch_id : std::uint64_t {};

/// Index of an attention layer, 0-based.
using layer_index = std::uint32_t;

/// Position in, or number of tokens of, one user's history.
using token_count = std::uint32_t;

/// Number of pages.
using page_count = std::uint32_t;

/// What cached tokens are of. Space 0 are users' histories, their ids the users'.
struct sequence_key
{
  std::uint32_t space = 0;
  std::uint64_t id = 0;

  friend constexpr bool operator==(const sequence_key&, const sequence_key&) = default;
};

[[nodiscard]] constexpr std::uint64_t to_number(user_id id) noexcept { return static_cast<std::uint64_t>(id); }
[[nodiscard]] constexpr std::uint64_t to_number(epoch_id id) noexcept { return static_cast<std::uint64_t>(id); }
[[nodiscard]] constexpr std::uint32_t to_number(page_id id) noexcept { return static_cast<std::uint32_t>(id); }
[[nodiscard]] constexpr sequence_key key_of(user_id user) noexcept { return {.id = to_number(user)}; }
[[nodiscard]] constexpr page_id to_page(std::uint32_t number) noexcept
{
  return static_cast<page_id>(static_cast<std::int32_t>(number));
}

}  // namespace kvstrata
