// How a file is compressed, found by its first bytes, and what undoes it.
//
// Headers of this library alone unpack nothing: a program that wants to passes what makes an unpacker. With zstd it is made
// by simulate/unpack/zstd.hpp, which needs libzstd, and for gzip by simulate/unpack/gzip.hpp, which needs zlib:
//
//   std::unique_ptr<unpacker> unpack_both(packing by)
//   {
//     if (by == packing::zstd) return make_zstd_unpacker();
//     if (by == packing::gzip) return make_gzip_unpacker();
//     return nullptr;
//   }
//   any_source source = open_trace("a.oracleGeneral.bin.zst", {.unpack = &unpack_both});
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class packing : std::uint8_t { none, zstd, gzip, xz, bzip2, lz4, zip, seven_zip, parquet };

[[nodiscard]] constexpr std::string_view name_of(packing by) noexcept
{
  switch (by) {
    case packing::none: return "nothing";
    case packing::zstd: return "zstd";
    case packing::gzip: return "gzip";
    case packing::xz: return "xz";
    case packing::bzip2: return "bzip2";
    case packing::lz4: return "lz4";
    case packing::zip: return "zip";
    case packing::seven_zip: return "7-Zip";
    case packing::parquet: return "Parquet";
  }
  return "unknown";
}

/// So many bytes tell it.
inline constexpr std::size_t packing_bytes = 10;

/// By the first bytes of a file.
[[nodiscard]] constexpr packing find_packing(std::string_view head) noexcept
{
  using namespace std::string_view_literals;
  const auto byte = [head](std::size_t at) { return static_cast<unsigned char>(head[at]); };
  if (head.starts_with("\x28\xb5\x2f\xfd"sv)) return packing::zstd;
  if (head.size() >= 4 && (byte(0) & 0xf0U) == 0x50 && head.substr(1, 3) == "\x2a\x4d\x18"sv) return packing::zstd;
  if (head.size() >= 4 && head.starts_with("\x1f\x8b\x08"sv) && byte(3) < 0x20) return packing::gzip;
  if (head.starts_with("\xfd\x37\x7a\x58\x5a\x00"sv)) return packing::xz;
  if (head.starts_with("BZh"sv) && head.size() >= 10 && head.substr(4, 6) == "1AY&SY"sv) return packing::bzip2;
  if (head.starts_with("\x04\x22\x4d\x18"sv)) return packing::lz4;
  if (head.starts_with("PK\x03\x04"sv)) return packing::zip;
  if (head.starts_with("7z\xbc\xaf\x27\x1c"sv)) return packing::seven_zip;
  if (head.starts_with("PAR1"sv)) return packing::parquet;
  return packing::none;
}

/// A file name without the ending that says how the file is compressed.
[[nodiscard]] constexpr std::string_view without_packing(std::string_view name) noexcept
{
  constexpr std::array<std::string_view, 3> endings{".zst", ".zstd", ".gz"};
  for (const std::string_view ending : endings) {
    if (name.size() > ending.size() && name.ends_with(ending)) return name.substr(0, name.size() - ending.size());
  }
  return name;
}

/// Undoes a compression, piece by piece. For one thread.
class unpacker
{
 public:
  struct step
  {
    std::size_t taken = 0;   ///< of `in`
    std::size_t made = 0;    ///< at the front of `out`
    std::string_view fault;  ///< why it cannot go on; empty: it can
  };

  unpacker() = default;
  unpacker(const unpacker&) = delete;
  unpacker& operator=(const unpacker&) = delete;
  virtual ~unpacker() = default;

  /// Takes what it can of `in` and makes what it can of `out`, which is not empty. One that takes and makes nothing, and
  /// tells no fault, wants more.
  [[nodiscard]] virtual step take(std::span<const char> in, std::span<char> out) = 0;

  /// Whether what was taken so far is a whole: nothing more need come.
  [[nodiscard]] virtual bool is_whole() const noexcept = 0;
};

/// Null for what it cannot undo.
using unpacker_maker = std::unique_ptr<unpacker> (*)(packing);

}  // namespace kvstrata
