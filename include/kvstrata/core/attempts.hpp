// Several steps of which each is to be tried, whatever the others throw.
#pragma once

#include <kvstrata/core/namespace.hpp>

#include <exception>

namespace kvstrata::inline KVSTRATA_VERSION_NAMESPACE {

/// Not synchronised.
class attempts
{
 public:
  template <class Step>
  void make(Step&& step) noexcept
  {
    try {
      step();
    } catch (...) {
      if (first_ == nullptr) first_ = std::current_exception();
    }
  }

  /// Throws what the first step threw that failed.
  void finish() const
  {
    if (first_ != nullptr) std::rethrow_exception(first_);
  }

 private:
  std::exception_ptr first_;
};

}  // namespace kvstrata
