// Accesses that are in memory, and how a source gets there: for policies that need the future, and for speed.
#pragma once

#include <kvstrata/replacement/object_info.hpp>
#include <kvstrata/simulate/readers/any_source.hpp>
#include <kvstrata/simulate/trace_access.hpp>

#include <boost/unordered/unordered_flat_map.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Holds the whole trace, 40 bytes an access. Can be read again.
class memory_source
{
 public:
  /// `files`: where they were read.
  explicit memory_source(std::vector<trace_access> accesses, std::string name = "memory",
                         std::vector<std::filesystem::path> files = {})
      : accesses_(std::move(accesses)), name_(std::move(name)), files_(std::move(files))
  {
  }

  std::size_t read(std::span<trace_access> out) noexcept
  {
    const std::size_t count = (std::min)(out.size(), accesses_.size() - at_);
    std::copy_n(accesses_.data() + at_, count, out.data());
    at_ += count;
    return count;
  }

  /// Goes back to the first access.
  void rewind() noexcept { at_ = 0; }

  /// All of them, read or not.
  [[nodiscard]] std::span<const trace_access> accesses() const noexcept { return accesses_; }

  [[nodiscard]] std::string_view name() const noexcept { return name_; }
  [[nodiscard]] double progress() const noexcept
  {
    return accesses_.empty() ? 0 : static_cast<double>(at_) / static_cast<double>(accesses_.size());
  }
  [[nodiscard]] const std::vector<std::filesystem::path>& files() const noexcept { return files_; }

 private:
  std::vector<trace_access> accesses_;
  std::string name_;
  std::vector<std::filesystem::path> files_;
  std::size_t at_ = 0;
};

/// Reads what is left of a source into memory. O(accesses); throws what the source throws, and std::bad_alloc.
template <access_source Source>
[[nodiscard]] std::vector<trace_access> read_all(Source&& source)
{
  constexpr std::size_t chunk = std::size_t{1} << 14;
  std::vector<trace_access> all;
  for (std::size_t got = chunk, filled = 0; got != 0; filled += got) {
    all.resize(filled + chunk);
    got = source.read(std::span(all).subspan(filled));
    if (got < chunk) all.resize(filled + got);
  }
  return all;
}

/// Writes next_request into all accesses, whatever it was: never for the last one of a key. O(accesses); 16 bytes a
/// key for as long as it takes.
inline void fill_next_requests(std::span<trace_access> accesses)
{
  boost::unordered_flat_map<std::uint64_t, std::uint64_t> next;  // of a key, behind the access at hand
  for (std::size_t k = accesses.size(); k-- > 0;) {
    const auto [found, first] = next.try_emplace(accesses[k].key, k);
    accesses[k].next_request = first ? reuse_hint::never : std::exchange(found->second, std::uint64_t{k});
  }
}

/// What is left of a source with every next_request known, as Belady's policy needs it. Holds it in memory.
template <access_source Source>
[[nodiscard]] memory_source with_future(Source&& source)
{
  std::vector<trace_access> all = read_all(source);
  fill_next_requests(all);
  return memory_source(std::move(all), std::string(source.name()), files_of(source));
}

static_assert(access_source<memory_source>);

}  // namespace kvstrata
