// zstd frames, by contexts that each thread keeps. Needs libzstd: link kvstrata::zstd.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>

#include <zstd.h>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::codec::zstd {

/// The contexts of one thread, some 100 KB, made when they are first used.
class frames
{
 public:
  /// The calling thread's.
  [[nodiscard]] static frames& mine()
  {
    thread_local frames one;
    return one;
  }

  /// `from` as one frame into `to`; 0 where it takes more room than that. Throws std::bad_alloc.
  ///
  /// The parameters are measured on pages of K and V, whose planes have next to no repeats: what pays is the entropy
  /// coder behind the search. A minimum match of 7 keeps zstd from taking chance repeats that cost more than they save,
  /// and with 2^8 places to look at, instead of 2^13, the search costs a third less time and 0.1 % of the size.
  [[nodiscard]] std::size_t compress(std::span<const std::byte> from, std::span<std::byte> to)
  {
    if (packer_ == nullptr) packer_ = new_packer();
    const std::size_t bytes = ZSTD_compress2(packer_.get(), to.data(), to.size(), from.data(), from.size());
    return ZSTD_isError(bytes) != 0 ? 0 : bytes;
  }

  /// True if `from` holds exactly as many bytes as `to` has. On false `to` may hold anything. Throws std::bad_alloc.
  [[nodiscard]] bool decompress(std::span<const std::byte> from, std::span<std::byte> to)
  {
    if (unpacker_ == nullptr) unpacker_.reset(ZSTD_createDCtx());
    if (unpacker_ == nullptr) throw std::bad_alloc();
    return ZSTD_decompressDCtx(unpacker_.get(), to.data(), to.size(), from.data(), from.size()) == to.size();
  }

 private:
  struct free_packer
  {
    void operator()(ZSTD_CCtx* c) const noexcept { ZSTD_freeCCtx(c); }
  };
  struct free_unpacker
  {
    void operator()(ZSTD_DCtx* c) const noexcept { ZSTD_freeDCtx(c); }
  };
  using packer = std::unique_ptr<ZSTD_CCtx, free_packer>;

  [[nodiscard]] static packer new_packer()
  {
    packer made(ZSTD_createCCtx());
    if (made == nullptr) throw std::bad_alloc();
    const auto set = [&](ZSTD_cParameter which, int value) {
      static_cast<void>(ZSTD_CCtx_setParameter(made.get(), which, value));  // one it does not know costs bytes, no more
    };
    set(ZSTD_c_compressionLevel, 1);
    set(ZSTD_c_strategy, ZSTD_fast);
    set(ZSTD_c_minMatch, 7);
    set(ZSTD_c_hashLog, 8);
    set(ZSTD_c_contentSizeFlag, 0);  // our own head says it
    set(ZSTD_c_checksumFlag, 0);     // stores have theirs, over raw bytes
    return made;
  }

  packer packer_;
  std::unique_ptr<ZSTD_DCtx, free_unpacker> unpacker_;
};

}  // namespace kvstrata::codec::zstd
