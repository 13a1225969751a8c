// CRC-32C: what others get, and the same by all ways.
#include "support/catch.hpp"

#include <kvstrata/tiers/stores/format/crc32c.hpp>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <random>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace kvstrata::stores;

constexpr std::uint32_t standard_start = 0;  // of RFC 3720, in the terms of crc32c

std::uint32_t standard(std::span<const std::byte> bytes) { return crc32c(bytes, standard_start); }

/// Bit by bit, as the definition says.
std::uint32_t by_bits(std::uint32_t state, std::span<const std::byte> bytes)
{
  for (const std::byte byte : bytes) {
    state ^= std::to_integer<std::uint32_t>(byte);
    for (int bit = 0; bit != 8; ++bit) state = (state >> 1U) ^ ((state & 1U) != 0 ? 0x82f63b78U : 0U);
  }
  return state;
}

std::vector<std::byte> random_bytes(std::size_t count, std::uint64_t seed)
{
  std::mt19937_64 random(seed);
  std::vector<std::byte> out(count);
  for (std::byte& byte : out) byte = static_cast<std::byte>(random());
  return out;
}

}  // namespace

TEST_CASE("CRC-32C of RFC 3720's examples")
{
  std::array<std::byte, 32> bytes{};
  CHECK(standard(bytes) == 0x8a9136aaU);
  bytes.fill(std::byte{0xff});
  CHECK(standard(bytes) == 0x62a8ab43U);
  for (std::size_t i = 0; i != 32; ++i) bytes[i] = static_cast<std::byte>(i);
  CHECK(standard(bytes) == 0x46dd794eU);
  for (std::size_t i = 0; i != 32; ++i) bytes[i] = static_cast<std::byte>(31 - i);
  CHECK(standard(bytes) == 0x113fdb5cU);
  std::array<std::byte, 48> command{};  // an iSCSI Read (10) command
  for (const auto& [at, value] :
       {std::pair{0, 0x01}, {1, 0xc0}, {16, 0x14}, {22, 0x04}, {27, 0x14}, {31, 0x18}, {32, 0x28}, {40, 0x02}}) {
    command[static_cast<std::size_t>(at)] = static_cast<std::byte>(value);
  }
  CHECK(standard(command) == 0xd9963a56U);
  constexpr std::string_view digits = "123456789";
  CHECK(standard(std::as_bytes(std::span(digits))) == 0xe3069283U);
}

TEST_CASE("the checksum of nothing is not 0, and that of a store's bytes is always the same")
{
  CHECK(crc32c({}) == crc_start);
  CHECK(crc_start != 0);
  CHECK(standard({}) == 0);  // why ours starts elsewhere
  const std::array<std::byte, 4096> zeros{};
  CHECK(crc32c(zeros) != 0);
  constexpr std::string_view digits = "123456789";
  CHECK(crc32c(std::as_bytes(std::span(digits))) == 0x4a3e81a9U);
}

TEST_CASE("CRC-32C is the same with the processor's instruction, with tables and bit by bit")
{
  INFO((crc_detail::processor_can() ? "this processor has the instruction" : "this processor has no instruction"));
  const std::vector<std::byte> bytes = random_bytes(40'000, 1);
  std::mt19937_64 random(2);
  const auto agree = [&](std::size_t at, std::size_t count) {
    const auto state = static_cast<std::uint32_t>(random());
    const std::span<const std::byte> some = std::span(bytes).subspan(at, count);
    const std::uint32_t expected = by_bits(state, some);
    return crc_detail::by_tables(state, some.data(), some.size()) == expected && ~crc32c(some, ~state) == expected &&
           (!crc_detail::processor_can() || crc_detail::by_processor(state, some.data(), some.size()) == expected);
  };
  std::size_t wrong = 0;
  for (std::size_t count = 0; count != 100; ++count) {
    for (std::size_t at = 0; at != 9; ++at) wrong += agree(at, count) ? 0U : 1U;
  }
  // Around where three runs begin to be worked off side by side.
  for (const std::size_t run : {crc_detail::short_run, crc_detail::long_run}) {
    for (std::size_t count = 3 * run - 20; count != 3 * run + 20; ++count) wrong += agree(count % 9, count) ? 0U : 1U;
  }
  for (int i = 0; i != 100; ++i) {
    const std::size_t at = random() % 1000;
    wrong += agree(at, random() % (bytes.size() - at)) ? 0U : 1U;
  }
  CHECK(wrong == 0);
}

TEST_CASE("the checksum of bytes is that of their pieces, one after the other")
{
  const std::vector<std::byte> bytes = random_bytes(30'000, 3);
  std::mt19937_64 random(4);
  for (int i = 0; i != 100; ++i) {
    std::uint32_t crc = crc_start;
    for (std::span<const std::byte> rest = bytes; !rest.empty();) {
      const std::size_t some = (std::min)(rest.size(), std::size_t{1} << random() % 15U | random() % 64U);
      crc = crc32c(rest.first(some), crc);
      rest = rest.subspan(some);
    }
    REQUIRE(crc == crc32c(bytes));
  }
}
