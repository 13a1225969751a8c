// A codec of which nothing but the size of its codes is there, told at run time: for caches in simulators, whose devices have
// no data. One type of cache stands for all codecs then.
#pragma once

#include <kvstrata/codec/code_pieces.hpp>
#include <kvstrata/codec/concepts.hpp>
#include <kvstrata/core/error.hpp>

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// `Lossy`: what caches are to think of it; one that is tracks which tokens are exact (request::exact).
template <bool Lossy>
struct sized_code
{
  using option_kind = codec_option;
  static constexpr std::string_view name = Lossy ? "sized, lossy" : "sized";
  static constexpr bool lossy = Lossy;

  struct config
  {
    /// Of an encoded piece; as a codec's coder says. Null: as many as the piece has.
    std::size_t (*code_bytes)(const piece_shape&) = nullptr;
  };

  /// A page coder that never encodes: a device without data asks it for sizes alone. Where there is data, everything is raw.
  class bound
  {
   public:
    explicit constexpr bound(std::size_t code_bytes) noexcept : code_bytes_(code_bytes) {}

    [[nodiscard]] constexpr std::uint32_t units() const noexcept { return 1; }
    [[nodiscard]] constexpr std::size_t code_bytes() const noexcept { return code_bytes_; }
    unit_kind encode(std::uint32_t, const std::byte*, std::byte*) const noexcept { return unit_kind::raw; }
    unit_kind decode(std::uint32_t, const std::byte*, std::byte*) const noexcept { return unit_kind::raw; }
    void mark_raw(std::uint32_t, std::byte*) const noexcept {}
    [[nodiscard]] unit_kind kind_of(std::uint32_t, const std::byte*) const noexcept { return unit_kind::raw; }
    void copy_raw(std::uint32_t, const std::byte*, std::byte*) const noexcept {}
    void fill(std::uint32_t, std::byte*, std::byte) const noexcept {}

   private:
    std::size_t code_bytes_;
  };

  /// Throws config_error for a size that is 0 or no multiple of 16, and what told.code_bytes throws.
  [[nodiscard]] static bound coder(const piece_shape& piece, const config& told)
  {
    const std::size_t bytes = told.code_bytes == nullptr ? (piece.bytes() + 15) / 16 * 16 : told.code_bytes(piece);
    if (bytes == 0 || bytes % 16 != 0) {
      throw config_error("sized_code.code_bytes", bytes, "it must be a multiple of 16, and at least that");
    }
    return bound(bytes);
  }
};

static_assert(page_codec<sized_code<false>> && page_codec<sized_code<true>>);
static_assert(list_coder<coder_of<sized_code<true>>>);

}  // namespace kvstrata
