// Aligned floats that only grow. Contents are lost when they do.
#pragma once

#include <cstddef>
#include <memory>
#include <new>

namespace hstu {

class buffer
{
 public:
  /// At least `count` floats, uninitialised where new, on a cache line's boundary.
  float* reserve(std::size_t count)
  {
    if (count > capacity_) {
      data_.reset();
      capacity_ = 0;
      data_.reset(static_cast<float*>(::operator new(count * sizeof(float), alignment)));
      capacity_ = count;
    }
    return data_.get();
  }

  [[nodiscard]] float* data() const noexcept { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct release
  {
    void operator()(float* data) const noexcept { ::operator delete(data, alignment); }
  };

  std::unique_ptr<float, release> data_;
  std::size_t capacity_ = 0;
};

}  // namespace hstu
