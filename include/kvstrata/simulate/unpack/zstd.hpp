// Unpacks zstd. The only header that needs libzstd's; whoever includes it links kvstrata::zstd.
#pragma once

#include <kvstrata/simulate/packing.hpp>

#include <zstd.h>

#include <cstddef>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Several frames behind one another are one file, as zstd itself has it. Memory is the frame's window: up to 128 MiB;
/// a frame that wants more (--long=28 and above) is a fault.
class zstd_unpacker final : public unpacker
{
 public:
  /// Throws std::bad_alloc.
  zstd_unpacker() : context_(ZSTD_createDCtx())
  {
    if (context_ == nullptr) throw std::bad_alloc();
  }

  [[nodiscard]] step take(std::span<const char> in, std::span<char> out) override
  {
    ZSTD_inBuffer from{in.data(), in.size(), 0};
    ZSTD_outBuffer to{out.data(), out.size(), 0};
    const std::size_t left = ZSTD_decompressStream(context_.get(), &to, &from);
    if (ZSTD_isError(left) != 0) return {from.pos, to.pos, ZSTD_getErrorName(left)};
    if (from.pos != 0 || to.pos != 0) whole_ = left == 0;
    return {from.pos, to.pos, {}};
  }

  [[nodiscard]] bool is_whole() const noexcept override { return whole_; }

 private:
  struct freer
  {
    void operator()(ZSTD_DCtx* context) const noexcept { ZSTD_freeDCtx(context); }
  };

  std::unique_ptr<ZSTD_DCtx, freer> context_;
  bool whole_ = true;
};

/// Throws std::bad_alloc.
[[nodiscard]] inline std::unique_ptr<unpacker> make_zstd_unpacker() { return std::make_unique<zstd_unpacker>(); }

}  // namespace kvstrata
