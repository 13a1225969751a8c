// The spans of what an emulated device has done, where somebody wants to see them.
#pragma once

#include <kvstrata/device/span.hpp>

#include <mutex>
#include <utility>
#include <vector>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE::emulated {

/// Never in the way of the work: where memory runs out, a span is missing. Safe to use from several threads.
class span_book
{
 public:
  explicit span_book(bool keeps) : keeps_(keeps) {}

  /// Are spans kept at all?
  [[nodiscard]] bool keeps() const noexcept { return keeps_; }

  /// Keeps what make() -> op_span makes; not called where no spans are kept.
  template <class Make>
  void keep(Make&& make) noexcept
  {
    if (!keeps_) return;
    try {
      op_span made = make();
      const std::lock_guard lock(mutex_);
      spans_.push_back(std::move(made));
    } catch (...) {  // out of memory
    }
  }

  [[nodiscard]] std::vector<op_span> all() const
  {
    const std::lock_guard lock(mutex_);
    return spans_;
  }
  void clear()
  {
    const std::lock_guard lock(mutex_);
    spans_.clear();
  }

 private:
  bool keeps_;
  mutable std::mutex mutex_;
  std::vector<op_span> spans_;
};

}  // namespace kvstrata::emulated
