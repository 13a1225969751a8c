// Strong types for the identities that could be swapped by mistake.
#pragma once

#include <kvstrata/core/namespace.hpp>  // first

#include <cstddef>
#include <cstdint>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

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
/// Of one epoch and cache, a number for a sequence that is hardly another's: a user's own number in space 0. For who keeps
/// users by number, and has no room for a space.
[[nodiscard]] constexpr user_id alias_of(const sequence_key& key) noexcept
{
  if (key.space == 0) return user_id{key.id};
  std::uint64_t x = key.id + key.space * 0x9e3779b97f4a7c15U;  // splitmix64
  x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
  x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
  return user_id{x ^ (x >> 31U)};
}

/// A hash of all bits.
struct sequence_key_hash
{
  using is_avalanching = void;
  constexpr std::size_t operator()(const sequence_key& key) const noexcept
  {
    std::uint64_t x = key.id + (key.space + std::uint64_t{1}) * 0x9e3779b97f4a7c15U;  // splitmix64
    x = (x ^ (x >> 30U)) * 0xbf58476d1ce4e5b9U;
    x = (x ^ (x >> 27U)) * 0x94d049bb133111ebU;
    return x ^ (x >> 31U);
  }
};

[[nodiscard]] constexpr page_id to_page(std::uint32_t number) noexcept
{
  return static_cast<page_id>(static_cast<std::int32_t>(number));
}

}  // namespace kvstrata
