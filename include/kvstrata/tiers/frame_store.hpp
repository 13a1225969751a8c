// The part that every tier over one addressable reservation shares: frames of equal size, a pool over them.
#pragma once

#include <kvstrata/core/error.hpp>
#include <kvstrata/device/concepts.hpp>
#include <kvstrata/tiers/run_pool.hpp>

#include <cstddef>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Whole frames in `bytes`; throws config_error, naming `field`, when there is not one, or more than a page_id counts.
[[nodiscard]] inline page_count frames_in(std::string_view field, std::size_t bytes, std::size_t frame_bytes)
{
  const std::size_t frames = frame_bytes == 0 ? 0 : bytes / frame_bytes;
  if (frames == 0) {
    throw config_error(field, bytes,
                       "it must hold at least one page, which is " + std::to_string(frame_bytes) + " bytes");
  }
  constexpr std::size_t most = (std::numeric_limits<std::int32_t>::max)();
  if (frames > most) {
    throw config_error(
        field, bytes,
        "it may hold at most " + std::to_string(most) + " pages of " + std::to_string(frame_bytes) + " bytes each");
  }
  return static_cast<page_count>(frames);
}

/// Frames over memory of type Memory (`data()`, `size()`). Owns both; lives as long as queued work uses its frames:
/// drain_sync() and the owners of its taken frames see to that. Pool: bit_pool, or run_pool where few frames are to be handed
/// out in as few runs as can be.
template <device Device, device_memory Memory, class Pool = bit_pool>
class frame_store
{
 public:
  frame_store(Device& d, Memory memory, page_count frames) : device_(&d), memory_(std::move(memory)), pool_(frames) {}

  [[nodiscard]] page_count capacity() const noexcept { return pool_.capacity(); }
  [[nodiscard]] page_count free() const noexcept { return pool_.free(); }
  [[nodiscard]] std::optional<taken_run> try_take(page_count most) noexcept { return pool_.try_take(most); }
  [[nodiscard]] std::optional<taken_run> try_take_at(page_count first, page_count most) noexcept
  {
    return pool_.try_take_at(first, most);
  }
  /// As frame_pool's, which say what `theirs` is.
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take(page_count most, const Theirs& theirs) noexcept
  {
    return pool_.try_take(most, theirs);
  }
  template <class Theirs>
  [[nodiscard]] std::optional<taken_run> try_take_at(page_count first, page_count most, const Theirs& theirs) noexcept
  {
    return pool_.try_take_at(first, most, theirs);
  }
  void give_back(frame_run run, const fence& last_use) noexcept { pool_.give_back(run, last_use, *device_); }
  [[nodiscard]] page_count in_flight()
  {
    return pool_.in_flight([this](event point) { return device_->query(point); });
  }
  [[nodiscard]] std::byte* data() const noexcept { return memory_.data(); }
  void drain_sync()
  {
    pool_.each_use([this](const fence& uses) { wait_for_sync(*device_, uses); });
  }

 protected:
  [[nodiscard]] Device& device_in_use() const noexcept { return *device_; }

 private:
  Device* device_;
  Memory memory_;
  Pool pool_;
};

}  // namespace kvstrata
