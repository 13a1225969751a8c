// The names under which a cluster keeps a sequence. All of them have one hash tag, so that they lie on one server and their
// manifest changes in one step; the epoch is in those of values, so that an older model's are never asked for.
#pragma once

#include <kvstrata/core/ids.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::redis {

/// What was put at one time, in which life.
struct put_name
{
  epoch_id epoch{};
  std::uint64_t incarnation = 0;
  std::uint64_t number = 0;  ///< drawn from the server

  friend constexpr bool operator==(const put_name&, const put_name&) = default;
};

namespace keys_detail {

inline void add_hex(std::string& to, std::uint64_t number)
{
  char digits[16];
  std::size_t count = 0;
  do {
    digits[count++] = "0123456789abcdef"[number & 15U];
    number >>= 4U;
  } while (number != 0);
  while (count != 0) to.push_back(digits[--count]);
}

}  // namespace keys_detail

/// "kv{3.1f}": of sequence 0x1f in space 3, under the prefix "kv", which has no braces.
[[nodiscard]] inline std::string tag_of(std::string_view prefix, const sequence_key& key)
{
  std::string out(prefix);
  out.push_back('{');
  keys_detail::add_hex(out, key.space);
  out.push_back('.');
  keys_detail::add_hex(out, key.id);
  out.push_back('}');
  return out;
}

[[nodiscard]] inline std::string manifest_key(std::string_view prefix, const sequence_key& key)
{
  return tag_of(prefix, key) + 'm';
}

/// Of a piece of one layer of a put.
[[nodiscard]] inline std::string value_key(std::string_view prefix, const sequence_key& key, const put_name& put,
                                           std::uint32_t layer, std::uint32_t piece)
{
  std::string out = tag_of(prefix, key);
  out.push_back('e');
  keys_detail::add_hex(out, to_number(put.epoch));
  for (const std::uint64_t part : {put.incarnation, put.number, std::uint64_t{layer}, std::uint64_t{piece}}) {
    out.push_back('.');
    keys_detail::add_hex(out, part);
  }
  return out;
}

}  // namespace kvstrata::redis
