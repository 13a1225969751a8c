// A fuzz target is one file, which defines fuzz(): what it does with any bytes. It says what is wrong by require().
// fuzz_main.cpp is the way from libFuzzer to it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

namespace kvstrata_test {

void fuzz(std::span<const std::byte> input);

inline void require(bool holds, const char* what)
{
  if (holds) return;
  std::fprintf(stderr, "fuzz: not so: %s\n", what);
  std::abort();
}

/// Takes choices, and bytes, off an input's front; of what is not there any more, 0.
class fuzz_input
{
 public:
  explicit fuzz_input(std::span<const std::byte> input) : left_(input) {}

  template <class Number>
  Number number()
  {
    Number out = 0;
    const std::size_t bytes = left_.size() < sizeof(out) ? left_.size() : sizeof(out);
    if (bytes != 0) std::memcpy(&out, left_.data(), bytes);
    left_ = left_.subspan(bytes);
    return out;
  }
  /// 0 to count - 1.
  std::size_t choice(std::size_t count) { return number<std::uint8_t>() % count; }
  [[nodiscard]] bool is_over() const noexcept { return left_.empty(); }
  [[nodiscard]] std::span<const std::byte> rest() const noexcept { return left_; }

 private:
  std::span<const std::byte> left_;
};

}  // namespace kvstrata_test
