// Unpacks gzip. The only header that needs zlib's; whoever includes it links kvstrata::zlib.
#pragma once

#include <kvstrata/simulate/packing.hpp>

#include <zlib.h>

#include <algorithm>
#include <cstddef>
#include <limits>
#include <memory>
#include <new>
#include <span>
#include <string_view>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Several members behind one another are one file, as gzip itself has it; zeros behind the last are padding.
class gzip_unpacker final : public unpacker
{
 public:
  /// Throws std::bad_alloc.
  gzip_unpacker()
  {
    constexpr int gzip_only = 16 + MAX_WBITS;
    if (inflateInit2(&stream_, gzip_only) != Z_OK) throw std::bad_alloc();
  }
  ~gzip_unpacker() override { inflateEnd(&stream_); }

  [[nodiscard]] step take(std::span<const char> in, std::span<char> out) override
  {
    std::size_t padding = 0;
    if (ended_) {
      while (padding < in.size() && in[padding] == '\0') ++padding;
      if (padding == in.size()) return {padding, 0, {}};
      inflateReset(&stream_);  // keeps the way it was made
      ended_ = false;
    }
    constexpr std::size_t most = (std::numeric_limits<uInt>::max)();
    const std::span<const char> rest = in.subspan(padding);
    // zlib's interface is older than const: it does not write there.
    stream_.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(rest.data()));
    stream_.avail_in = static_cast<uInt>((std::min)(rest.size(), most));
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    stream_.avail_out = static_cast<uInt>((std::min)(out.size(), most));
    const std::size_t in_before = stream_.avail_in;
    const std::size_t out_before = stream_.avail_out;
    const int code = inflate(&stream_, Z_NO_FLUSH);
    const step done{padding + in_before - stream_.avail_in, out_before - stream_.avail_out, {}};
    ended_ = code == Z_STREAM_END;
    if (code == Z_OK || code == Z_STREAM_END || code == Z_BUF_ERROR) return done;
    if (code == Z_MEM_ERROR) throw std::bad_alloc();
    return {done.taken, done.made, stream_.msg != nullptr ? std::string_view(stream_.msg) : "it is not gzip"};
  }

  [[nodiscard]] bool is_whole() const noexcept override { return ended_; }

 private:
  z_stream stream_{};
  bool ended_ = false;
};

/// Throws std::bad_alloc.
[[nodiscard]] inline std::unique_ptr<unpacker> make_gzip_unpacker() { return std::make_unique<gzip_unpacker>(); }

}  // namespace kvstrata
