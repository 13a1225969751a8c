// Bytes as they are: no codec. The smallest model of one, and what tiers have unless told otherwise; they copy then, and ask
// no coder.
#pragma once

#include <kvstrata/codec/concepts.hpp>

#include <cstring>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec {

struct identity
{
  using option_kind = codec_option;
  static constexpr std::string_view name = "identity";
  static constexpr bool lossy = false;

  struct config
  {
  };

  class bound
  {
   public:
    explicit constexpr bound(const piece_shape& piece) noexcept : bytes_(piece.bytes()) {}

    [[nodiscard]] constexpr std::size_t most_bytes() const noexcept { return bytes_; }
    [[nodiscard]] std::size_t encode(std::span<const std::byte> raw, std::span<std::byte> code) const noexcept
    {
      std::memcpy(code.data(), raw.data(), bytes_);
      return bytes_;
    }
    [[nodiscard]] bool decode(std::span<const std::byte> code, std::span<std::byte> raw) const noexcept
    {
      if (code.size() != bytes_) return false;
      std::memcpy(raw.data(), code.data(), bytes_);
      return true;
    }

   private:
    std::size_t bytes_;
  };

  [[nodiscard]] static constexpr bound coder(const piece_shape& piece, const config&) noexcept { return bound(piece); }
};

static_assert(body_codec<identity>);

}  // namespace kvstrata::codec
