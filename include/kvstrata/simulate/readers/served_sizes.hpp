// A source without its requests of size 0. Some traces hold such: gets that found nothing, commands without data. Kept as
// they are they would hit for ever in a cache that counts bytes, at no cost.
#pragma once

#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>
#include <kvstrata/simulate/trace_notes.hpp>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

enum class zero_sizes : std::uint8_t {
  skip,   ///< left out and counted, as libCacheSim does
  serve,  ///< requests like others: each takes one byte
};

/// What `Source` reads, but requests of size 0 are left out or take a byte. What a trace says of next requests counts the ones
/// that are left out.
template <access_source Source>
class served_sizes
{
 public:
  explicit served_sizes(Source source, zero_sizes how = zero_sizes::skip) : source_(std::move(source)), how_(how) {}

  std::size_t read(std::span<trace_access> out)
  {
    for (;;) {
      const std::size_t got = source_.read(out);
      std::size_t kept = 0;
      for (std::size_t k = 0; k < got; ++k) {
        if (out[k].bytes == 0) {
          ++found_;
          if (how_ == zero_sizes::skip) continue;
          out[k].bytes = 1;
        }
        if (kept != k) out[kept] = out[k];
        ++kept;
      }
      if (kept != 0 || got == 0) return kept;
    }
  }

  [[nodiscard]] std::string_view name() const { return source_.name(); }
  [[nodiscard]] double progress() const { return progress_of(source_); }
  [[nodiscard]] std::vector<std::filesystem::path> files() const { return files_of(source_); }
  [[nodiscard]] trace_notes notes() const
  {
    trace_notes out = notes_of(source_);
    out.zero_sized = found_;
    out.zero_served = how_ == zero_sizes::serve;
    return out;
  }

 private:
  Source source_;
  zero_sizes how_;
  std::uint64_t found_ = 0;
};

}  // namespace kvstrata
