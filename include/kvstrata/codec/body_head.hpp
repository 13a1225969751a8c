// The sixteen bytes before a body that was made of a page coder's code: codec/body_coder.hpp, codec/zstd_after.hpp.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct body_head
{
  static constexpr std::size_t bytes = 16;
  static constexpr std::uint8_t version = 1;
  static constexpr std::uint8_t kind_raw = 0;
  static constexpr std::uint8_t kind_coded = 1;
  static constexpr std::uint8_t kind_packed = 2;
  static constexpr std::uint8_t kind_malformed = 255;

  std::uint8_t letter = 0;
  std::uint8_t kind = kind_malformed;
  std::size_t length = 0;  ///< of what follows, less than 2^32

  void write(std::span<std::byte> code) const noexcept
  {
    const auto byte = [](std::size_t v) { return static_cast<std::byte>(v & 255U); };
    const std::array<std::byte, bytes> out{byte(letter), byte(version),      byte(kind),          byte(0),
                                           byte(length), byte(length >> 8U), byte(length >> 16U), byte(length >> 24U)};
    std::memcpy(code.data(), out.data(), bytes);
  }

  /// kind_malformed unless it is whole, of that letter, and followed by as much as it says.
  [[nodiscard]] static body_head read(std::uint8_t letter, std::span<const std::byte> code) noexcept
  {
    if (code.size() < bytes) return {};
    const auto at = [&](std::size_t i) { return std::to_integer<std::uint32_t>(code[i]); };
    const std::size_t length = at(4) | at(5) << 8U | at(6) << 16U | at(7) << 24U;
    std::uint32_t rest = at(3);
    for (std::size_t i = 8; i < bytes; ++i) rest |= at(i);
    if (at(0) != letter || at(1) != version || rest != 0 || length != code.size() - bytes) return {};
    return {letter, static_cast<std::uint8_t>(at(2)), length};
  }

  /// The piece as it is, behind a head that says so. Returns the bytes of both.
  static std::size_t write_raw(std::uint8_t letter, std::span<std::byte> code, std::span<const std::byte> raw) noexcept
  {
    body_head{letter, kind_raw, raw.size()}.write(code);
    if (!raw.empty()) std::memcpy(code.data() + bytes, raw.data(), raw.size());
    return bytes + raw.size();
  }
  /// False where it is not as long as that.
  [[nodiscard]] static bool read_raw(std::span<const std::byte> code, std::span<std::byte> raw) noexcept
  {
    if (code.size() != bytes + raw.size()) return false;
    if (!raw.empty()) std::memcpy(raw.data(), code.data() + bytes, raw.size());
    return true;
  }
};

}  // namespace kvstrata::codec
