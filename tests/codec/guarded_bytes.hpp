// Memory of exactly so many bytes, aligned to 16, with guards before and behind it; under AddressSanitizer its own, which also
// see reads.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <new>
#include <random>
#include <span>

namespace kvstrata_test {

class guarded_bytes
{
 public:
  explicit guarded_bytes(std::size_t bytes, std::byte value = std::byte{0xAA})
      : all_(static_cast<std::byte*>(::operator new(bytes + 2 * guard, std::align_val_t{16}))), bytes_(bytes)
  {
    std::fill_n(all_, guard, guard_value);
    std::fill_n(all_ + guard + bytes, guard, guard_value);
    fill(value);
  }
  guarded_bytes(const guarded_bytes& other) : guarded_bytes(other.size()) { std::copy_n(other.data(), bytes_, data()); }
  guarded_bytes& operator=(const guarded_bytes&) = delete;
  ~guarded_bytes() { ::operator delete(all_, std::align_val_t{16}); }

  [[nodiscard]] std::byte* data() noexcept { return all_ + guard; }
  [[nodiscard]] const std::byte* data() const noexcept { return all_ + guard; }
  [[nodiscard]] std::size_t size() const noexcept { return bytes_; }
  [[nodiscard]] std::span<std::byte> span() noexcept { return {data(), bytes_}; }
  [[nodiscard]] std::span<const std::byte> span() const noexcept { return {data(), bytes_}; }

  void fill(std::byte value) noexcept
  {
    if (bytes_ != 0) std::memset(data(), std::to_integer<int>(value), bytes_);
  }
  void fill_with_noise(unsigned seed)
  {
    std::mt19937 draw(seed);
    for (std::size_t i = 0; i < bytes_; i += 4) {
      const auto word = static_cast<std::uint32_t>(draw());
      std::memcpy(data() + i, &word, (std::min)(bytes_ - i, sizeof(word)));
    }
  }
  [[nodiscard]] bool is_all(std::byte value) const
  {
    return bytes_ == 0 || (data()[0] == value && std::memcmp(data(), data() + 1, bytes_ - 1) == 0);
  }
  /// Nothing was written beside it.
  [[nodiscard]] bool is_intact() const
  {
    const auto is_guard = [](std::byte b) { return b == guard_value; };
    return std::all_of(all_, all_ + guard, is_guard) &&
           std::all_of(all_ + guard + bytes_, all_ + 2 * guard + bytes_, is_guard);
  }
  friend bool operator==(const guarded_bytes& a, const guarded_bytes& b)
  {
    return a.size() == b.size() && (a.size() == 0 || std::memcmp(a.data(), b.data(), a.size()) == 0);
  }

 private:
#if defined(__SANITIZE_ADDRESS__)
  static constexpr std::size_t guard = 0;
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
  static constexpr std::size_t guard = 0;
#else
  static constexpr std::size_t guard = 64;
#endif
#else
  static constexpr std::size_t guard = 64;
#endif
  static constexpr std::byte guard_value{0xC3};

  std::byte* all_;
  std::size_t bytes_;
};

}  // namespace kvstrata_test
