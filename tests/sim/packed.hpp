// Files as zstd and gzip may write them, made without either: their blocks are stored, not compressed.
#pragma once

#include <kvstrata/simulate/packing.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata_test {

inline constexpr std::string_view users_text =
    "user_id\tvideo_id\ttime_ms\tis_click\tis_like\tis_follow\tis_comment\tis_forward\tis_hate\tlong_view\n"
    "7\t1\t1000\t0\t0\t0\t0\t0\t0\t0\n8\t1\t2000\t0\t0\t0\t0\t0\t0\t0\n";

inline std::string low_bytes(std::uint64_t number, int count)
{
  std::string out;
  for (int k = 0; k < count; ++k) out += static_cast<char>(number >> (8 * k) & 0xffU);
  return out;
}

/// A frame of zstd (RFC 8878) of raw blocks: a window of 2 MiB, no checksum.
inline std::string pack_zstd(std::string_view text)
{
  constexpr std::size_t most = 100'000;
  std::string out = low_bytes(0xfd2fb528, 4) + low_bytes(0x5800, 2);
  do {
    const std::string_view block = text.substr(0, most);
    text.remove_prefix(block.size());
    out += low_bytes((text.empty() ? 1U : 0U) | block.size() << 3U, 3);
    out += block;
  } while (!text.empty());
  return out;
}

inline std::string skippable_frame(std::uint32_t bytes)
{
  return low_bytes(0x184d2a53, 4) + low_bytes(bytes, 4) + std::string(bytes, 'x');
}

/// A member of gzip (RFC 1952) of stored blocks.
inline std::string pack_gzip(std::string_view text)
{
  std::uint32_t check = 0xffffffff;
  for (const char c : text) {
    check ^= static_cast<unsigned char>(c);
    for (int k = 0; k < 8; ++k) check = check >> 1U ^ (0xedb88320U & (0U - (check & 1U)));
  }
  const std::size_t whole = text.size();
  std::string out = low_bytes(0x00088b1f, 4) + low_bytes(0, 4) + low_bytes(0xff00, 2);
  do {
    const std::string_view block = text.substr(0, 0xffff);
    text.remove_prefix(block.size());
    out += text.empty() ? '\1' : '\0';
    out += low_bytes(block.size(), 2) + low_bytes(~block.size(), 2);
    out += block;
  } while (!text.empty());
  return out + low_bytes(~check, 4) + low_bytes(whole, 4);
}

inline std::string pack(kvstrata::packing by, std::string_view text)
{
  return by == kvstrata::packing::zstd ? pack_zstd(text) : pack_gzip(text);
}

/// What tar writes in front of a file.
inline std::string tar_head()
{
  std::string out(1024, '\0');
  out.replace(0, 5, "a.csv");
  out.replace(257, 5, "ustar");
  return out;
}

}  // namespace kvstrata_test
